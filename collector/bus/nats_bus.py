"""NATS JetStream as the bus: `GATEWATCH_BUS=nats://HOST:PORT,nats://HOST:PORT`.

What is acknowledged is on the disks of most nodes of the stream, where the server is told
`jetstream { sync_interval: always }`. Its default writes to disk every two minutes: a power cut at all nodes
then loses what was acknowledged. A client cannot see that setting, only the monitoring port tells it, so it
is asked where `bus_monitor_url` names it, and said to be unknown where not.

One stream, of which every message goes away when a writer has stored it; a full stream refuses new messages
and never drops old ones. What nothing can be made of goes to a stream of its own. Both are made when they are
not there, with three replicas where the cluster has three nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, StreamInfo

from collector.bus.bus import ACK_WAIT_S, Delivered
from collector.bus.nats_streams import (
    DEAD_STREAM,
    DEAD_SUBJECT,
    FAILURES,
    PUBLISH_LIMIT_S,
    RETRY_S,
    STREAM,
    SUBJECT_HEADER,
    make_streams,
    put_back,
)
from collector.bus.nats_sync import SyncCheck
from collector.bus.parcels import SUBJECTS, Message
from domain.errors import BusError, BusFull
from storage.batches import BusState

log = logging.getLogger("gatewatch.bus")

CONSUMER = "writers"
ASK_LIMIT_S = 2.0
MOST_MESSAGE_BYTES = 1_048_576
"""`max_payload` of a server that was not told otherwise."""
PROBE = "gatewatch.batches.probe"
_FULL = frozenset((10077, 10047, 10023))
"""JetStream error codes: maximum bytes exceeded, insufficient storage, insufficient resources."""


class NatsBus:
    """Connects, and connects again, for as long as it runs.

    Args:
        servers: `nats://` or `tls://` URLs of the nodes.
        most_bytes: How much the stream may hold; for making it.
        monitors: `http://` URLs of the nodes' monitoring ports, where they may be asked.
        login: User and password, where they are needed.
        credentials: Path of a NATS credentials file, instead.
        tls: For `tls://`, where their certificates are not of the public authorities.
    """

    def __init__(
        self,
        servers: Sequence[str],
        most_bytes: int,
        monitors: Sequence[str] = (),
        login: tuple[str, str] | None = None,
        credentials: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._servers = list(servers)
        self._most_bytes = most_bytes
        self._options: dict[str, Any] = {"tls": tls} if tls else {}
        if login:
            self._options |= {"user": login[0], "password": login[1]}
        if credentials:
            self._options["user_credentials"] = credentials
        self._client: Client | None = None
        self._js: JetStreamContext | None = None
        self._pull: JetStreamContext.PullSubscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._why_not = "not connected yet"
        self._sync = SyncCheck(monitors)

    # ---- connecting

    async def start(self) -> None:
        """Begin to connect."""
        self._keeper = asyncio.create_task(self._keep(), name="bus")

    async def _keep(self) -> None:
        while True:
            ended = asyncio.Event()
            try:
                await self._connect(ended)
                await ended.wait()
                self._note("the connection was closed by the server")
            except (*FAILURES, BusError) as error:
                self._note(str(error) or type(error).__name__)
            self._js = self._pull = None
            client, self._client = self._client, None
            if client is not None and not client.is_closed:
                with contextlib.suppress(*FAILURES):
                    await client.close()
            await asyncio.sleep(RETRY_S)

    async def _connect(self, ended: asyncio.Event) -> None:
        async def close() -> None:
            ended.set()

        async def fail(error: Exception) -> None:
            self._note(str(error) or type(error).__name__)

        self._client = Client()
        await self._client.connect(
            self._servers,
            error_cb=fail,
            closed_cb=close,
            name="gatewatch",
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_S,  # type: ignore[arg-type] # only ever compared and slept
            ping_interval=5,
            max_outstanding_pings=2,
            allow_reconnect=True,
            **self._options,
        )
        js = self._client.jetstream(timeout=ASK_LIMIT_S)
        await make_streams(js, self._most_bytes, self._note)
        await self._sync.ask()
        self._js = js
        self._why_not = ""
        log.info("connected to the bus at %s", self.shown)

    def _note(self, why: str) -> None:
        if not self._why_not:
            log.warning("the bus at %s is not there: %s", self.shown, why)
        self._why_not = why or "unknown"

    @property
    def shown(self) -> str:
        """Where it is, without user and password."""
        return ",".join(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" for parts in map(urlsplit, self._servers)
        )

    @property
    def most_bytes(self) -> int:
        """What the server takes; its default before it was asked."""
        client = self._client
        return MOST_MESSAGE_BYTES if client is None or not client.is_connected else client.max_payload

    # ---- the collector's side

    async def publish(self, message: Message) -> None:
        """Put a message on the stream; returns when it is on the disks of most of its nodes.

        Raises:
            BusFull: There is no room.
            BusError: It is not known to be there.
        """
        js = self._connected()
        try:
            await js.publish(
                message.subject,
                message.body,
                timeout=PUBLISH_LIMIT_S,
                stream=STREAM,
                headers={"Nats-Msg-Id": message.name},
            )
        except nats.js.errors.APIError as error:
            kind = BusFull if error.err_code in _FULL else BusError
            raise kind(error.description or str(error)) from error
        except FAILURES as error:
            raise BusError(str(error) or type(error).__name__) from error

    async def newest(self, subject: str) -> bytes | None:
        """The newest message of a subject that is not stored yet, as the stream's leader has it."""
        js = self._connected()
        try:
            found = await js.get_last_msg(STREAM, subject)
        except nats.js.errors.NotFoundError:
            return None
        except FAILURES as error:
            raise BusError(str(error) or type(error).__name__) from error
        return found.data or b""

    # ---- the writer's side

    async def take(self, most: int, wait_s: float) -> list[Delivered]:
        """Up to `most` messages; none when nothing came in `wait_s`."""
        js = self._connected()
        try:
            if self._pull is None:
                self._pull = await js.pull_subscribe(
                    f"{SUBJECTS}.*",
                    durable=CONSUMER,
                    stream=STREAM,
                    config=ConsumerConfig(
                        ack_policy=AckPolicy.EXPLICIT,
                        ack_wait=ACK_WAIT_S,
                        max_deliver=-1,
                        max_ack_pending=2_000,
                    ),
                )
            found = await self._pull.fetch(max(2, most), timeout=wait_s)
        except nats.errors.TimeoutError:
            return []
        except FAILURES as error:
            self._pull = None
            raise BusError(str(error) or type(error).__name__) from error
        return [Delivered(m.metadata.sequence.stream, m.data, m.metadata.num_delivered, m) for m in found]

    async def done(self, delivered: Delivered) -> None:
        """It is stored: the stream may forget it. Where this is lost it comes again, and is known."""
        await self._answer(_message(delivered).ack())

    async def keep(self, delivered: Delivered) -> None:
        """Have it for another 15 s."""
        await self._answer(_message(delivered).in_progress())

    async def give_back(self, delivered: Delivered) -> None:
        """Another writer may have it at once."""
        await self._answer(_message(delivered).nak())

    async def lay_aside(self, delivered: Delivered, why: str) -> None:
        """Copy it to the stream of the dead, then forget it."""
        js = self._connected()
        headers = {
            "Nats-Msg-Id": f"dead-{delivered.number}",
            "Gatewatch-Why": why.encode("ascii", "backslashreplace").decode()[:500].replace("\n", " "),
            SUBJECT_HEADER: _message(delivered).subject,
        }
        try:
            await js.publish(
                DEAD_SUBJECT, delivered.body, timeout=PUBLISH_LIMIT_S, stream=DEAD_STREAM, headers=headers
            )
        except FAILURES as error:
            raise BusError(str(error) or type(error).__name__) from error
        await self._answer(_message(delivered).term())

    async def put_back(self, most: int) -> int:
        """Copy up to `most` of the dead to the stream again, the oldest first; they are dead no more."""
        try:
            return await put_back(self._connected(), most)
        except FAILURES as error:
            raise BusError(str(error) or type(error).__name__) from error

    async def _answer(self, answering: Any) -> None:
        try:
            await answering
        except FAILURES as error:
            raise BusError(str(error) or type(error).__name__) from error

    # ---- how it is

    async def state(self) -> BusState:
        """From the stream, its consumer and, where they may be asked, the nodes' monitoring ports."""
        client = self._client
        if self._js is None or client is None or not client.is_connected:
            return BusState(
                url=self.shown, is_connected=False, problem=self._why_not, is_synced=self._sync.is_synced
            )
        try:
            info = await self._js.stream_info(STREAM)
            dead = await self._js.stream_info(DEAD_STREAM)
            taken = await self._consumer(self._js)
        except FAILURES as error:
            why = f"the stream does not answer: {error or type(error).__name__}"
            return BusState(url=self.shown, is_connected=True, problem=why, is_synced=self._sync.is_synced)
        await self._sync.ask()
        replicas, current, leader = _replicas(info)
        in_hand, redelivered = taken
        return BusState(
            url=self.shown,
            is_connected=True,
            problem=self._problem(replicas, current),
            waiting=None if in_hand is None else max(0, info.state.messages - in_hand),
            in_hand=in_hand,
            redelivered=redelivered,
            dead=dead.state.messages,
            stored_bytes=info.state.bytes,
            replicas=replicas,
            replicas_current=current,
            leader=leader,
            is_synced=self._sync.is_synced,
        )

    def _problem(self, replicas: int, current: int) -> str:
        if current < replicas:
            return f"{replicas - current} of {replicas} replicas are behind or away"
        return self._sync.problem

    async def _consumer(self, js: JetStreamContext) -> tuple[int | None, int | None]:
        try:
            found = await js.consumer_info(STREAM, CONSUMER)
        except nats.js.errors.NotFoundError:
            return 0, 0  # no writer was ever there
        return found.num_ack_pending, found.num_redelivered

    async def stop(self) -> None:
        """Close the connection."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._client is not None and not self._client.is_closed:
            with contextlib.suppress(*FAILURES):
                await self._client.close()
        await self._sync.stop()

    def _connected(self) -> JetStreamContext:
        if self._js is None or self._client is None or not self._client.is_connected:
            raise BusError(f"not connected: {self._why_not or 'the connection was lost'}")
        return self._js


def _message(delivered: Delivered) -> Msg:
    if not isinstance(delivered.handle, Msg):
        raise TypeError("not from this bus")
    return delivered.handle


def _replicas(info: StreamInfo) -> tuple[int, int, str | None]:
    """How many nodes hold the stream, how many have all of it now, and who leads."""
    wanted = info.config.num_replicas or 1
    cluster = info.cluster
    if cluster is None or not cluster.leader:
        return wanted, 1 if wanted == 1 else 0, None
    behind = sum(not peer.current or bool(peer.offline) for peer in cluster.replicas or ())
    return wanted, wanted - behind, cluster.leader
