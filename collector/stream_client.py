"""The sender's side of gatewatch.ingest.v1: keeps items until they are on disk, and never gives up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from collector.backoff import full_jitter
from collector.send_buffer import SendBuffer
from collector.wire.stream import Ack, Hello, SenderNode, Welcome, decode_server_frame, encode_hello
from domain.errors import DecodeError, ProtocolError
from settings import SettingValueError

log = logging.getLogger("gatewatch.sender")

SUBPROTOCOL = Subprotocol("gatewatch.ingest.v1")
SILENCE_S = 20.0
"""The collector acknowledges every few seconds whatever happens; silence for so long is an end."""
WELCOME_LIMIT_S = 30.0
FINAL_STATUS = frozenset((400, 401, 403, 404))
FINAL_CODES = frozenset((4401, 4403))
SUPERSEDED = "superseded"


class StreamClient:
    """One source's connection to a collector, made again whenever it ends.

    Args:
        url: `ws://HOST:PORT/v1/stream`.
        source: Who sends.
        epoch: Which numbering; the same one goes on where it stopped.
        random: Gives numbers from 0 up to but not including 1, for the waits between attempts.
        now_ms: The wall clock, for what had to be dropped.
        token: Sent in the handshake.
        node: The Kong node that it speaks for.
        buffer: What is held until it is acknowledged.
    """

    def __init__(
        self,
        url: str,
        source: str,
        epoch: str,
        *,
        random: Callable[[], float],
        now_ms: Callable[[], int],
        token: str | None = None,
        node: SenderNode | None = None,
        buffer: SendBuffer | None = None,
    ) -> None:
        self.url = url
        self.source = source
        self.epoch = epoch
        self.buffer = buffer or SendBuffer()
        self.dead = 0
        """Items that went to quarantine at the collector."""
        self.connects = 0
        self._random = random
        self._now_ms = now_ms
        self._token = token
        self._node = node
        self._changed = asyncio.Condition()
        self._waits = full_jitter(random)
        self._window = 0

    async def run(self) -> None:
        """Connect and send, for ever; cancel it to stop.

        Raises:
            SettingValueError: The collector refuses for a reason that trying again does not change.
        """
        while True:
            try:
                await self._converse()
                problem: Exception = ConnectionError("closed")
            except (OSError, TimeoutError, ConnectionClosed, DecodeError, InvalidHandshake) as error:
                problem = error
            except InvalidURI as error:
                raise SettingValueError(f"--to {self.url!r} is not a ws:// or wss:// address") from error
            final = final_refusal(problem)
            if final is not None:
                raise SettingValueError(f"{self.url} refused {self.source}: {final}") from problem
            wait_s = max(next(self._waits), asked_wait_s(problem))
            log.info("not connected (%s); trying again in %.1f s", describe(problem), wait_s)
            await asyncio.sleep(wait_s)

    async def opened(self) -> int:
        """Wait for the first welcome; returns the number up to which all is on disk already."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.connects > 0)
        return self.buffer.oldest - 1

    async def put(self, item: Any) -> None:
        """Hold one item, waiting while the buffer is full."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.buffer.is_full)
            self.buffer.push(orjson.dumps(item))
            self._changed.notify_all()

    async def offer(self, item: dict[str, Any]) -> bool:
        """Hold one item, or drop it when the buffer is full; drops are reported when there is room again."""
        async with self._changed:
            if self.buffer.is_full:
                self.buffer.shed(str(item.get("kind")), self._now_ms())
                return False
            shed = self.buffer.take_shed()
            if shed is not None:
                self.buffer.push(orjson.dumps(self._shed_report(*shed)))
            self.buffer.push(orjson.dumps(item))
            self._changed.notify_all()
            return True

    async def drained(self) -> None:
        """Wait until everything held is on disk at the collector."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.buffer.unacked == 0)

    def _shed_report(self, from_ms: int, to_ms: int, by_kind: dict[str, int]) -> dict[str, Any]:
        return {
            "kind": "cluster",
            "event": "sender_shed",
            "id": f"{self.source}:{self.epoch}:shed:{from_ms}",
            "at_ms": to_ms,
            "from_ms": from_ms,
            "to_ms": to_ms,
            "shed": by_kind,
        }

    async def _converse(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        async with connect(
            self.url,
            subprotocols=[SUBPROTOCOL],
            compression=None,
            additional_headers=headers,
            proxy=None,
            ping_interval=None,
            close_timeout=2,
        ) as socket:
            welcome = await self._open(socket)
            sender = asyncio.create_task(self._send(socket, welcome))
            try:
                await self._listen(socket)
            finally:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await sender

    async def _open(self, socket: ClientConnection) -> Welcome:
        buffer = self.buffer
        hello = Hello(
            source=self.source, epoch=self.epoch, oldest=buffer.oldest, next=buffer.next, node=self._node
        )
        await socket.send(encode_hello(hello), text=True)
        async with asyncio.timeout(WELCOME_LIMIT_S):
            frame = decode_server_frame(await socket.recv())
        if not isinstance(frame, Welcome):
            raise DecodeError("stream", "expected welcome first")
        async with self._changed:
            try:
                buffer.welcome(frame.acked)
            except ProtocolError as error:
                raise SettingValueError(
                    f"{self.url} and {self.source} do not agree: {error.reason}"
                ) from error
            self._window = frame.window
            self.connects += 1
            self._changed.notify_all()
        return frame

    async def _send(self, socket: ClientConnection, welcome: Welcome) -> None:
        while True:
            async with self._changed:
                frame = self.buffer.next_frame(self._window, welcome.max_batch, welcome.max_bytes)
                while frame is None:
                    await self._changed.wait()
                    frame = self.buffer.next_frame(self._window, welcome.max_batch, welcome.max_bytes)
            await socket.send(frame, text=True)

    async def _listen(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(SILENCE_S):
                frame = decode_server_frame(await socket.recv())
            if not isinstance(frame, Ack):
                raise DecodeError("stream", "expected an acknowledgement")
            async with self._changed:
                self._window = frame.window
                self.dead += len(frame.dead)
                if self.buffer.ack(frame.upto):
                    self._waits = full_jitter(self._random)
                self._changed.notify_all()


def final_refusal(problem: Exception) -> str | None:
    """Why trying again would not help; None when it may."""
    if isinstance(problem, InvalidStatus) and problem.response.status_code in FINAL_STATUS:
        said = (problem.response.body or b"").decode("utf-8", "replace").strip()[:120]
        return f"{problem.response.status_code} {said}".strip()
    closed = problem.rcvd if isinstance(problem, ConnectionClosed) else None
    if closed is not None and (closed.code in FINAL_CODES or closed.reason.startswith(SUPERSEDED)):
        return f"{closed.code} {closed.reason}"
    return None


def asked_wait_s(problem: Exception) -> float:
    """How long the collector asks to wait: `retry_ms=N` in its close reason; 0 when it does not."""
    if isinstance(problem, ConnectionClosed) and problem.rcvd is not None:
        found = re.search(r"retry_ms=(\d{1,6})", problem.rcvd.reason)
        return int(found[1]) / 1000 if found else 0.0
    return 0.0


def describe(problem: Exception) -> str:
    """A problem in a few words, for the log."""
    if isinstance(problem, ConnectionClosed) and problem.rcvd is not None:
        return f"closed with {problem.rcvd.code} {problem.rcvd.reason}"
    if isinstance(problem, InvalidStatus):
        return f"answered with {problem.response.status_code}"
    return str(problem) or type(problem).__name__
