"""One connection of gatewatch.ingest.v1 as the collector sees it. Pure: frames in, commands out.

| phase | what comes | what follows | next phase |
|---|---|---|---|
| `waiting` | hello | `FindCursor` | `opening` |
| `opening` | the cursor | `Send` welcome; `StoreGap` first where the sender lost something | `streaming` |
| `streaming` | batch | `Store`, or nothing where all of it is known | `streaming` |
| any | anything else | `Close` | `closed` |

Acknowledgements are made by `acknowledge`, from what `stored` was told: one can stand for many batches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from collector.tokens import may_send_as
from collector.wire.stream import (
    Ack,
    BatchFrame,
    DeadSeq,
    Hello,
    SenderNode,
    Welcome,
    decode_client_frame,
    encode_ack,
    encode_welcome,
)
from domain.errors import DecodeError, ProtocolError

BAD_MESSAGE = 4400
FORBIDDEN_SOURCE = 4403
HELLO_TIMEOUT = 4408
CONFLICT = 4409
TOO_LARGE = 4413
TOO_FAST = 4429
MAX_REASON_BYTES = 120
"""RFC 6455, 5.5: a control frame carries 125 bytes, 2 of them the code."""


class Phase(StrEnum):
    """Where a connection stands."""

    WAITING = "waiting"
    OPENING = "opening"
    STREAMING = "streaming"
    CLOSED = "closed"


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What welcome tells the sender."""

    window: int
    max_batch: int
    max_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame."""

    frame: str


@dataclasses.dataclass(frozen=True, slots=True)
class FindCursor:
    """Replace any older connection of this source, then call `know_cursor`."""

    source: str
    epoch: str
    oldest: int
    """The first number that the sender still has."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoreGap:
    """Store that the events `first` to `upto` are lost, then call `gap_stored`."""

    first: int
    upto: int


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """Decode and store these items; `first` is the number of the first one. Then call `stored`."""

    first: int
    items: list[msgspec.Raw]

    @property
    def upto(self) -> int:
        """The number of the last item."""
        return self.first + len(self.items) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: int
    reason: str


Command = Send | FindCursor | StoreGap | Store | Close


class Session:
    """The state of one connection.

    Args:
        bound: The source that the peer's token belongs to; None when no tokens are in use.
        limits: What welcome tells the sender.
    """

    __slots__ = ("_dead", "_oldest", "acked", "bound", "epoch", "limits", "node", "phase", "source", "taken")

    def __init__(self, bound: str | None, limits: Limits) -> None:
        self.bound = bound
        self.limits = limits
        self.phase = Phase.WAITING
        self.source = ""
        self.epoch = ""
        self.node: SenderNode | None = None
        self.acked = 0
        """The highest number that is on disk."""
        self.taken = 0
        """The highest number that was taken in; at least `acked`."""
        self._oldest = 1
        self._dead: list[DeadSeq] = []

    def receive(self, message: str | bytes) -> list[Command]:
        """Take a message of the sender."""
        try:
            return self._receive(message)
        except ProtocolError as error:
            return self.close(error.code, error.reason)

    def _receive(self, message: str | bytes) -> list[Command]:
        if self.phase is Phase.CLOSED:
            return []
        if isinstance(message, bytes):
            raise ProtocolError(BAD_MESSAGE, "expected a text frame")
        if len(message) > self.limits.max_bytes:
            raise ProtocolError(TOO_LARGE, f"message longer than {self.limits.max_bytes} bytes")
        try:
            frame = decode_client_frame(message)
        except DecodeError as error:
            raise ProtocolError(BAD_MESSAGE, error.problem) from None
        return self._hello(frame) if isinstance(frame, Hello) else self._batch(frame)

    def _hello(self, frame: Hello) -> list[Command]:
        if self.phase is not Phase.WAITING:
            raise ProtocolError(BAD_MESSAGE, "a second hello")
        if self.bound is not None and not may_send_as(self.bound, frame.source):
            raise ProtocolError(FORBIDDEN_SOURCE, "the token belongs to another source")
        self.source, self.epoch, self.node = frame.source, frame.epoch, frame.node
        self._oldest = frame.oldest
        self.phase = Phase.OPENING
        return [FindCursor(frame.source, frame.epoch, frame.oldest)]

    def know_cursor(self, acked: int) -> list[Command]:
        """Take the durable cursor of (source, epoch)."""
        if self.phase is not Phase.OPENING:
            return []
        self.acked = self.taken = acked
        if self._oldest > acked + 1:
            return [StoreGap(acked + 1, self._oldest - 1)]
        return self._welcome()

    def gap_stored(self, upto: int) -> list[Command]:
        """The gap is on disk, and with it the cursor stands at `upto`."""
        if self.phase is not Phase.OPENING:
            return []
        self.acked = self.taken = upto
        return self._welcome()

    def _welcome(self) -> list[Command]:
        self.phase = Phase.STREAMING
        frame = Welcome(
            acked=self.acked,
            window=self.limits.window,
            max_batch=self.limits.max_batch,
            max_bytes=self.limits.max_bytes,
        )
        return [Send(encode_welcome(frame).decode())]

    def _batch(self, frame: BatchFrame) -> list[Command]:
        if self.phase is not Phase.STREAMING:
            raise ProtocolError(BAD_MESSAGE, "a batch before welcome")
        if len(frame.events) > self.limits.max_batch:
            raise ProtocolError(
                TOO_LARGE, f"{len(frame.events)} events, expected at most {self.limits.max_batch}"
            )
        if frame.first > self.taken + 1:
            raise ProtocolError(CONFLICT, f"sequence gap: got {frame.first}, expected {self.taken + 1}")
        upto = frame.first + len(frame.events) - 1
        if upto - self.acked > self.limits.window:
            raise ProtocolError(
                TOO_FAST, f"more than {self.limits.window} events unacknowledged; retry_ms=1000"
            )
        known = self.taken + 1 - frame.first
        if known >= len(frame.events):
            return []
        self.taken = upto
        return [Store(frame.first + known, frame.events[known:])]

    def stored(self, upto: int, dead: Iterable[DeadSeq] = ()) -> None:
        """Everything up to `upto` is on disk, the `dead` ones in quarantine."""
        self.acked = max(self.acked, upto)
        self._dead += dead

    def acknowledge(self) -> list[Command]:
        """The acknowledgement as of now; also the sign of life when nothing was stored."""
        if self.phase is not Phase.STREAMING:
            return []
        frame = Ack(upto=self.acked, window=self.limits.window, dead=tuple(self._dead))
        self._dead = []
        return [Send(encode_ack(frame).decode())]

    def hello_overdue(self) -> list[Command]:
        """Nobody said hello in time."""
        return self.close(HELLO_TIMEOUT, "no hello in time") if self.phase is Phase.WAITING else []

    def supersede(self) -> list[Command]:
        """A newer connection of the same source is here."""
        return self.close(CONFLICT, "superseded by a newer connection of this source")

    def close(self, code: int, reason: str) -> list[Command]:
        """End it; nothing is taken in afterwards."""
        if self.phase is Phase.CLOSED:
            return []
        self.phase = Phase.CLOSED
        return [Close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))]
