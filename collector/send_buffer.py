"""What a sender holds: items not yet on disk at the collector, in order, by sequence number. Pure."""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from collector.wire.stream import BatchFrame, encode_batch
from domain.errors import ProtocolError

FRAME_BYTES = 64
"""What a batch frame takes besides its items: `{"t":"batch","first":9223372036854775807,"events":[]}`."""
CONFLICT = 4409


class SendBuffer:
    """Items numbered from `oldest` to `next - 1`; those below `cursor` were sent and wait for their ack.

    Args:
        most_items: How many it holds at most.
        most_bytes: How many bytes of JSON it holds at most.
    """

    def __init__(self, most_items: int = 20_000, most_bytes: int = 67_108_864) -> None:
        self.most_items = most_items
        self.most_bytes = most_bytes
        self.oldest = 1
        self.cursor = 1
        self.held_bytes = 0
        self._items: deque[bytes] = deque()
        self._shed: Counter[str] = Counter()
        self._shed_from_ms = 0
        self._shed_to_ms = 0

    @property
    def next(self) -> int:
        """The number that the next item will get."""
        return self.oldest + len(self._items)

    @property
    def is_full(self) -> bool:
        """Whether one more item would be too many."""
        return len(self._items) >= self.most_items or self.held_bytes >= self.most_bytes

    @property
    def unacked(self) -> int:
        """How many items are not known to be on disk."""
        return len(self._items)

    def push(self, item: bytes) -> int:
        """Hold one item, its JSON; returns its number."""
        self._items.append(item)
        self.held_bytes += len(item)
        return self.next - 1

    def shed(self, kind: str, at_ms: int) -> None:
        """Count an item that had to be dropped."""
        if not self._shed:
            self._shed_from_ms = at_ms
        self._shed_to_ms = at_ms
        self._shed[kind] += 1

    def take_shed(self) -> tuple[int, int, dict[str, int]] | None:
        """(first, last, how many by kind) of what was dropped since last asked; None when nothing was."""
        if not self._shed:
            return None
        found = (self._shed_from_ms, self._shed_to_ms, dict(self._shed))
        self._shed = Counter()
        return found

    def welcome(self, acked: int) -> None:
        """Go on behind the collector's cursor: what it has is forgotten, the rest is sent again.

        Raises:
            ProtocolError: It has numbers that were never sent, or lacks some that are held no more.
        """
        if self._items and acked >= self.next:
            raise ProtocolError(CONFLICT, f"the collector has {acked}, the next number here is {self.next}")
        if acked + 1 < self.oldest:
            raise ProtocolError(
                CONFLICT, f"the collector has {acked}, the oldest number here is {self.oldest}"
            )
        if not self._items:
            self.oldest = acked + 1
        self.ack(acked)
        self.cursor = self.oldest

    def ack(self, upto: int) -> int:
        """Forget what is on disk; returns how many items that were."""
        count = min(max(0, upto - self.oldest + 1), len(self._items))
        for _ in range(count):
            self.held_bytes -= len(self._items.popleft())
        self.oldest += count
        self.cursor = max(self.cursor, self.oldest)
        return count

    def next_frame(self, window: int, max_batch: int, max_bytes: int) -> bytes | None:
        """The next batch to send, as JSON; None when all is sent or the window is full.

        An item that no message can hold is replaced by a note that says so.
        """
        count = min(self.next - self.cursor, max_batch, window - (self.cursor - self.oldest))
        first, size = self.cursor, FRAME_BYTES
        events: list[msgspec.Raw] = []
        for place in range(first - self.oldest, first - self.oldest + max(0, count)):
            item = self._items[place]
            if len(item) + FRAME_BYTES > max_bytes:
                item = _too_long(len(item))
            size += len(item) + 1
            if events and size > max_bytes:
                break
            events.append(msgspec.Raw(item))
        if not events:
            return None
        self.cursor += len(events)
        return encode_batch(BatchFrame(first=first, events=events))


def _too_long(size: int) -> bytes:
    return msgspec.json.encode({"kind": "unsendable", "event": "too_long", "bytes": size})
