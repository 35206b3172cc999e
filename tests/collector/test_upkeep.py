"""What the writer does between transactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.upkeep import (
    CLEAR_BUSY_EVERY_S,
    CLEAR_EVERY_S,
    CLEAR_ROWS,
    PACK_ROWS,
    POSTPONE_S,
    PSEUDONYM_ROWS,
    SETTLE_AFTER_S,
    SETTLE_EVERY_S,
    STATUS_EVERY_S,
    Upkeep,
)
from domain.windows import DAY_MS
from storage.batches import CollectorStatus
from tests.collector.memory_store import BUSY, MemoryStore
from tests.storage.filling import NOW_MS, batch, one, opened, other, plugin, put, refusal


class CountingStore(MemoryStore):
    """Has `left` rows to clear away, and counts the checkpoints."""

    def __init__(self, left: int = 0) -> None:
        super().__init__()
        self.left = left
        self.unpacked = 0
        self.named = 0
        self.checkpoints = 0
        self.is_busy = False

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Clear at most so many."""
        assert now_ms
        if self.is_busy:
            raise BUSY
        gone = min(self.left, max_rows)
        self.left -= gone
        return gone

    def pack(self, now_ms: int, max_rows: int) -> int:
        """Pack at most so many."""
        assert now_ms
        packed = min(self.unpacked, max_rows)
        self.unpacked -= packed
        return packed

    def pseudonymise(self, now_ms: int, max_rows: int) -> int:
        """Replace at most so many."""
        assert now_ms
        replaced = min(self.named, max_rows)
        self.named -= replaced
        return replaced

    def checkpoint(self) -> None:
        """Count it."""
        self.checkpoints += 1


def status() -> CollectorStatus:
    return CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="w", http="h", state="ok", detail=""
    )


def upkeep() -> Upkeep:
    return Upkeep(0.0, lambda: NOW_MS, status)


def test_everything_is_judged_once_at_the_start() -> None:
    store, chores = MemoryStore(), upkeep()

    chores.run(store, 0.0, idle=True)
    chores.run(store, 100.0, idle=True)

    assert store.settled == 1


def test_a_burst_of_plugins_is_judged_once() -> None:
    store, chores = MemoryStore(), upkeep()
    chores.run(store, 0.0, idle=True)
    settled = []
    for now_s in (10.0, 10.5, 10.0 + SETTLE_AFTER_S, 10.0 + SETTLE_AFTER_S + SETTLE_EVERY_S):
        chores.wrote([batch(plugin())], now_s)
        chores.run(store, now_s, idle=True)
        settled.append(store.settled)

    assert settled == [1, 1, 2, 2]


def test_what_is_sure_needs_no_judging_again() -> None:
    store, chores = MemoryStore(), upkeep()
    chores.run(store, 0.0, idle=True)

    chores.wrote([batch(refusal(1), other(2))], 10.0)
    chores.run(store, 30.0, idle=True)

    assert store.settled == 1


def test_the_collector_says_that_it_lives_every_two_seconds() -> None:
    store, chores = MemoryStore(), upkeep()

    for now_s in (0.0, 1.0, STATUS_EVERY_S, STATUS_EVERY_S + 1.0):
        chores.run(store, now_s, idle=False)

    assert len(store.statuses) == 2


def test_clearing_goes_on_while_nothing_waits_and_ends_with_folding_the_log() -> None:
    store, chores = CountingStore(left=3 * CLEAR_ROWS + 1), upkeep()

    pruned = [chores.run(store, CLEAR_EVERY_S + n / 100, idle=True).pruned for n in range(5)]

    assert pruned == [CLEAR_ROWS, CLEAR_ROWS, CLEAR_ROWS, 1, 0]
    assert store.checkpoints == 1


def test_packing_goes_on_until_nothing_is_left_and_ends_with_folding_the_log() -> None:
    store, chores = CountingStore(), upkeep()
    store.unpacked = 2 * PACK_ROWS + 1

    for n in range(3):
        assert store.checkpoints == 0
        chores.run(store, CLEAR_EVERY_S + n / 100, idle=True)

    assert store.unpacked == 0
    assert store.checkpoints == 1


def test_replacing_addresses_goes_on_until_the_round_is_over() -> None:
    store, chores = CountingStore(), upkeep()
    store.named = 2 * PSEUDONYM_ROWS + 1

    for n in range(3):
        assert store.checkpoints == 0
        chores.run(store, CLEAR_EVERY_S + n / 100, idle=True)

    assert store.named == 0
    assert store.checkpoints == 1


def test_under_load_clearing_goes_on_now_and_then() -> None:
    """Else a collector that is never idle would keep everything for ever."""
    store, chores = CountingStore(left=3 * CLEAR_ROWS), upkeep()

    times_s = [CLEAR_EVERY_S + n * CLEAR_BUSY_EVERY_S / 2 for n in range(5)]
    pruned = [chores.run(store, now_s, idle=False).pruned for now_s in times_s]

    assert pruned == [CLEAR_ROWS, 0, CLEAR_ROWS, 0, CLEAR_ROWS]


def test_the_log_is_not_folded_when_nothing_was_written() -> None:
    store, chores = CountingStore(), upkeep()
    for now_s in (CLEAR_EVERY_S, 2 * CLEAR_EVERY_S):
        chores.run(store, now_s, idle=True)

    assert store.checkpoints == 1


def test_a_busy_store_is_left_alone_for_a_while() -> None:
    store, chores = CountingStore(left=1), upkeep()
    store.is_busy = True
    chores.run(store, CLEAR_EVERY_S, idle=True)
    store.is_busy = False

    pruned = [
        chores.run(store, CLEAR_EVERY_S + after_s, idle=True).pruned
        for after_s in (POSTPONE_S - 1, POSTPONE_S)
    ]

    assert pruned == [0, 1]


@pytest.mark.parametrize(
    ("now_s", "due_s"), [(0.0, 0.0), (1.0, 1.0), (STATUS_EVERY_S, 0.0)], ids=["at once", "soon", "now"]
)
def test_when_the_next_chore_is_due(now_s: float, due_s: float) -> None:
    chores = upkeep()
    if now_s:
        chores.run(MemoryStore(), 0.0, idle=True)

    assert chores.due_in_s(now_s) == due_s


def test_retention_from_end_to_end(tmp_path: Path) -> None:
    """A real store, ninety-one days later: events go in pieces, totals stay, the log is folded."""
    path = tmp_path / "g.db"
    later_ms = NOW_MS + 91 * DAY_MS
    with opened(path) as store:
        for start in range(0, 6_000, 1_000):
            put(store, *(refusal(n) for n in range(start, start + 1_000)))
        chores = Upkeep(0.0, lambda: later_ms, status)
        pruned = [chores.run(store, CLEAR_EVERY_S + n, idle=True).pruned for n in range(5)]

        assert pruned[0] == CLEAR_ROWS
        assert (tmp_path / "g.db-wal").stat().st_size == 0
    assert one(path, "SELECT count(*) FROM events") == 0
    assert one(path, "SELECT sum(limited) FROM activity WHERE res = 3 AND dim = 0") == 6_000
