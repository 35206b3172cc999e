"""A store in memory, for tests of what stands around it. It can be made to fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from domain.errors import StoreBusy, StoreCorrupt
from storage.batches import Batch, CollectorStatus, SourceBeat, Written


class MemoryStore:
    """Keeps events by id and moves cursors, as the contract says."""

    def __init__(self) -> None:
        self.events: dict[str, str] = {}
        self.cursors: dict[tuple[str, str], int] = {}
        self.transactions: list[list[Batch]] = []
        self.beats: list[SourceBeat] = []
        self.statuses: list[CollectorStatus] = []
        self.quarantined: list[str] = []
        self.failures: list[Exception] = []
        """Raised by the next writes, one each."""
        self.poison: set[str] = set()
        """Ids of events that no transaction can hold."""
        self.settled = 0
        self.closed = 0
        self.gate = threading.Event()
        self.gate.set()

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Store them, or raise what is due."""
        self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        if any(event.id in self.poison for batch in batches for event in batch.decoded.events):
            raise OverflowError("poison")
        if batches:
            self.transactions.append(list(batches))
        self.beats += beats
        return [self._write(batch) for batch in batches]

    def _write(self, batch: Batch) -> Written:
        new = [event for event in batch.decoded.events if event.id not in self.events]
        self.events.update({event.id: batch.source for event in new})
        self.quarantined += [bad.why for bad in batch.decoded.quarantined]
        if batch.epoch is not None and batch.upto is not None:
            self.cursors[batch.source, batch.epoch] = batch.upto
        return Written(
            events=len(new),
            duplicates=len(batch.decoded.events) - len(new),
            traffic=len(batch.decoded.traffic),
            quarantined=len(batch.decoded.quarantined),
        )

    def cursor(self, source: str, epoch: str) -> int:
        """As moved by `write`."""
        return self.cursors.get((source, epoch), 0)

    def beat(self, at_ms: int, status: CollectorStatus) -> None:
        """Keep it."""
        assert status.beat_ms == at_ms
        self.statuses.append(status)

    def settle(self) -> int:
        """Count the calls."""
        self.settled += 1
        return 0

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Nothing is ever old."""
        assert now_ms
        assert max_rows
        return 0

    def pack(self, now_ms: int, max_rows: int) -> int:
        """Nothing is ever over."""
        assert now_ms
        assert max_rows
        return 0

    def pseudonymise(self, now_ms: int, max_rows: int) -> int:
        """No address is ever old."""
        assert now_ms
        assert max_rows
        return 0

    def checkpoint(self) -> None:
        """There is no log."""

    def close(self) -> None:
        """Count the calls."""
        self.closed += 1


BUSY = StoreBusy("database or disk is full")
CORRUPT = StoreCorrupt("file is not a database")
