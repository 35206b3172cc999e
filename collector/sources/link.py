"""One open stream: performs what its session commands, and acknowledges what the writer stored."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from collector.batching import Taken, dead_items, runs, shed_gaps
from collector.decoding import decode_items
from collector.sources.session import Close, FindCursor, Send, Session, Store, StoreGap
from collector.wire.stream import DeadSeq
from domain.errors import StoreBusy
from domain.events import Decoded
from storage.batches import Batch, Gap, SourceBeat, Written

if TYPE_CHECKING:
    from collector.sources.stream import StreamServer

MESSAGE_LIMIT_S = 30.0
"""How long the fragments of one message may take: a peer that dribbles them keeps answering pings."""
MOST_FRAGMENTS = 4_096
"""Each fragment is an object, so many of a byte or two take far more memory than the message they make. The
library's own cap holds in `recv()` only, not in `recv_streaming()`."""
TOO_BIG = 1009
PING_EVERY_S = 20.0
"""A ping that is not answered when the next is due ends the connection."""
SEND_LIMIT_S = 30.0
ENOUGH_ITEMS = 50
"""Batches with as many are handed on as they come."""
WRITTEN_AND_NEXT = 2
"""Batches of a stream that the writer has before small ones wait: more would gain no time."""
GONE = Close(1011, "no answer to a ping")
DEAF = Close(1011, "acknowledgements are not read")


class _Wakeup:
    """An `asyncio.Event` for one waiter, without a deque's 760 bytes: thousands of streams may be idle."""

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the waiter, or the next one at once."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Until it is set; then it is set no more."""
        if not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._is_set = False


class Link:
    """A stream from its handshake to its end."""

    __slots__ = (
        "_closer",
        "_drained",
        "_due",
        "_is_waiting_for_room",
        "_loop",
        "_pending",
        "_reader",
        "_socket",
        "_waiting",
        "_writer",
        "address",
        "closing",
        "server",
        "session",
    )

    def __init__(
        self, server: StreamServer, socket: ServerConnection, address: str, bound: str | None
    ) -> None:
        self.server = server
        self.address = address
        self.session = Session(bound, server.limits)
        self.closing: Close | None = None
        """What we closed it with; None while it is open or when the peer closed it."""
        self._socket = socket
        self._writer = server.writer
        self._loop = asyncio.get_running_loop()
        self._due = _Wakeup()
        self._is_waiting_for_room = False
        self._pending: dict[asyncio.Future[Written], None] = {}
        self._waiting: Taken | None = None
        """What has a place in the writer's queue and is not in it yet."""
        self._reader: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Serve the stream until it ends."""
        self._reader = asyncio.create_task(self._read())
        speaker = asyncio.create_task(self._speak())
        try:
            await asyncio.wait({self._reader, speaker}, return_when=asyncio.FIRST_COMPLETED)
            if self._drained is not None:
                await self._drained
        finally:
            for task in (self._reader, speaker):
                task.cancel()
            ended = await asyncio.gather(self._reader, speaker, return_exceptions=True)
            if self._closer is not None:
                await self._closer
            self._leave()
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ConnectionClosed | StoreBusy):
                raise error

    def end(self, code: int, reason: str) -> None:
        """Take nothing in any more and close, without waiting for the peer."""
        for command in self.session.close(code, reason):
            if isinstance(command, Close):
                self._close(command)

    async def drain(self, limit_s: float, code: int, reason: str) -> None:
        """Stop reading, wait for what was taken in, acknowledge it, close."""
        self._drained = self._loop.create_future()
        if self._reader is not None:
            self._reader.cancel()
        self._submit()
        if self._pending:
            await asyncio.wait(set(self._pending), timeout=limit_s)
        with contextlib.suppress(ConnectionClosed):
            await self._acknowledge()
        self.end(code, reason)
        if self._closer is not None:
            await self._closer
        self._drained.set_result(None)

    # ---- reading

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self.server.settings.hello_timeout_s):
                first = await self._message()
        except TimeoutError:
            for command in self.session.hello_overdue():
                await self._perform(command)
            return
        await self._take(first)
        while self.closing is None:
            await self._take(await self._message())

    async def _message(self) -> str | bytes:
        """The next whole message. A peer that takes too long over one, or too many fragments, is closed."""
        fragments = self._socket.recv_streaming()
        parts = [await anext(fragments)]
        try:
            async with asyncio.timeout(MESSAGE_LIMIT_S):
                async for part in fragments:
                    if len(parts) >= MOST_FRAGMENTS:
                        self.end(TOO_BIG, f"more than {MOST_FRAGMENTS} fragments")
                        raise StoreBusy("too many fragments")
                    parts.append(part)
        except TimeoutError:
            self.end(4408, "a message took too long")
            raise StoreBusy("slow message") from None
        if len(parts) == 1:
            return parts[0]
        if isinstance(parts[0], str):
            return "".join(str(part) for part in parts)
        return b"".join(part for part in parts if isinstance(part, bytes))

    async def _take(self, message: str | bytes) -> None:
        for command in self.session.receive(message):
            await self._perform(command)

    async def _perform(self, command: Send | FindCursor | StoreGap | Store | Close) -> None:
        if isinstance(command, Store):
            await self._store(command)
        elif isinstance(command, Send):
            await self._send(command)
        elif isinstance(command, FindCursor):
            await self._open(command)
        elif isinstance(command, StoreGap):
            await self._store_gap(command)
        else:
            self._close(command)

    async def _open(self, command: FindCursor) -> None:
        older = self.server.links.get(command.source)
        self.server.links[command.source] = self
        if older is not None:
            older.supersede()
        self._beat(is_connected=True)
        acked = await self._writer.find_cursor(command.source, command.epoch, command.oldest)
        for following in self.session.know_cursor(acked):
            await self._perform(following)

    async def _store_gap(self, command: StoreGap) -> None:
        session, now_ms = self.session, self.server.now_ms()
        lost = command.upto - command.first + 1
        gap = Gap(
            source=session.source,
            from_ms=min(now_ms, self.server.heard.get(session.source, now_ms)),
            to_ms=now_ms,
            cause=f"the sender no longer had {lost} events ({command.first} to {command.upto})",
        )
        batch = self._batch(Decoded(), command.first, command.upto, now_ms, (gap,))
        await self._writer.store(batch)
        for following in session.gap_stored(command.upto):
            await self._perform(following)

    async def _store(self, command: Store) -> None:
        piece = self._writer.piece
        if piece is None:
            await self._store_piece(command)
            return
        first = command.first
        for items in runs(command.items, [len(bytes(item)) for item in command.items], *piece):
            await self._store_piece(Store(first, list(items)))
            first += len(items)

    async def _store_piece(self, command: Store) -> None:
        if len(command.items) >= ENOUGH_ITEMS:
            self._submit()
        needs_place = self._waiting is None
        if needs_place:
            self._is_waiting_for_room = True
            await self._writer.room()
            self._is_waiting_for_room = False
        received_ms = self.server.now_ms()
        try:
            gathered = await decode_items(command.items, received_ms)  # small ones at once, without a pause
        except BaseException:
            if needs_place:
                self._writer.leave()
            raise
        if self.closing is not None:
            if needs_place:
                self._writer.leave()
            return
        gaps = shed_gaps(self.session.source, gathered, command.items, received_ms)
        batch = self._batch(gathered.decoded, command.first, command.upto, received_ms, gaps)
        self._hand_on(Taken(batch, gathered))

    def _hand_on(self, taken: Taken) -> None:
        """Give a batch to the writer; a small one, while others of this stream are there, waits for more.

        With a transaction of 64 batches of one event each, an event took 190 us.
        """
        if self._waiting is None:
            self._waiting = taken
        else:
            self._waiting.join(taken)
        is_enough = self._waiting.items >= ENOUGH_ITEMS
        if is_enough or len(self._pending) < WRITTEN_AND_NEXT or self._writer.piece is not None:
            self._submit()

    def _submit(self) -> None:
        taken, self._waiting = self._waiting, None
        if taken is not None:
            future = self._writer.submit(taken.batch)
            self._pending[future] = None
            future.add_done_callback(partial(self._stored, taken))

    def _batch(
        self, decoded: Decoded, first: int, upto: int, received_ms: int, gaps: tuple[Gap, ...]
    ) -> Batch:
        return Batch(
            source=self.session.source,
            way="stream",
            received_ms=received_ms,
            decoded=decoded,
            epoch=self.session.epoch,
            first=first,
            upto=upto,
            gaps=gaps,
        )

    def _stored(self, taken: Taken, future: asyncio.Future[Written]) -> None:
        self._pending.pop(future, None)
        self._submit()
        if future.cancelled() or future.exception() is not None:
            return
        batch = taken.batch
        first, upto = batch.first or 0, batch.upto or 0
        dead = dead_items(taken.gathered, future.result().dead)
        self.session.stored(upto, [DeadSeq(seq=first + place, why=why[:200]) for place, why in dead])
        self.server.note_arrival(self.session.source, batch.received_ms)
        self._due.set()

    # ---- speaking

    async def _speak(self) -> None:
        """Acknowledge whenever something was stored, and every few seconds anyway; watch the peer."""
        keepalive_s = self.server.settings.keepalive_s
        beat_at_s = ping_at_s = self._loop.time() + keepalive_s
        pong: asyncio.Future[float] | None = None
        while self.closing is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(keepalive_s):
                    await self._due.wait()
            await self._acknowledge()
            now_s = self._loop.time()
            if now_s >= beat_at_s and self.session.source:
                beat_at_s = now_s + keepalive_s
                self._beat(is_connected=True)
            if now_s >= ping_at_s:
                if pong is not None and not pong.done() and not self._is_waiting_for_room:
                    self._close(GONE)
                    return
                pong = asyncio.ensure_future(await self._socket.ping())
                ping_at_s = now_s + PING_EVERY_S

    async def _acknowledge(self) -> None:
        for command in self.session.acknowledge():
            if isinstance(command, Send):
                await self._send(command)

    async def _send(self, command: Send) -> None:
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await self._socket.send(command.frame)
        except TimeoutError:
            self._close(DEAF)

    # ---- ending

    def supersede(self) -> None:
        """A newer connection of the same source took over."""
        for command in self.session.supersede():
            if isinstance(command, Close):
                self._close(command)

    def _close(self, command: Close) -> None:
        if self.closing is None:
            self.closing = command
            self._closer = asyncio.create_task(self._socket.close(command.code, command.reason))
            self._due.set()

    def _leave(self) -> None:
        self._submit()  # the peer is gone, and what it sent is here
        source = self.session.source
        if source and self.server.links.get(source) is self:
            del self.server.links[source]
            self._beat(is_connected=False)

    def _beat(self, *, is_connected: bool) -> None:
        node = self.session.node
        self._writer.beat(
            SourceBeat(
                source=self.session.source,
                way="stream",
                connected=is_connected,
                at_ms=self.server.now_ms(),
                node_id=node.id if node else None,
                hostname=node.hostname if node else None,
                version=node.version if node else None,
                peer=self.address,
            )
        )
