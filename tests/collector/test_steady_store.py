"""A store that outlives trouble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collector.steady_store import Health, SteadyStore, move_aside
from domain.errors import StoreBusy, StoreForeign
from domain.events import Decoded, Event
from storage.batches import Batch, CollectorStatus
from storage.protocol import Store
from tests.collector.memory_store import BUSY, CORRUPT, MemoryStore

NOW_MS = 1_800_000_000_000


class Pauses:
    """Waits no time; after `most` pauses there is no more time."""

    def __init__(self, most: int = 100) -> None:
        self.waited_s: list[float] = []
        self.most = most

    def __call__(self, wait_s: float) -> bool:
        """Whether there is time for one more try."""
        self.waited_s.append(wait_s)
        return len(self.waited_s) <= self.most


def steady(
    opens: list[Store | Exception], folder: Path, pauses: Callable[[float], bool] | None = None
) -> SteadyStore:
    """A steady store whose opening gives these, one after the other."""

    def open_next() -> Store:
        found = opens.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    store = SteadyStore(open_next, folder / "g.db", lambda: NOW_MS, pauses or Pauses())
    store.failures = []  # type: ignore[attr-defined]
    store.on_failure = store.failures.append  # type: ignore[attr-defined]
    return store


def batch(*ids: str) -> Batch:
    events = [Event(id=i, kind="plugin", event="e", at_ms=NOW_MS) for i in ids]
    return Batch(source="s", way="events", received_ms=NOW_MS, decoded=Decoded(events=events, entries=1))


def test_a_file_that_is_busy_at_the_start_is_opened_when_it_is_free(tmp_path: Path) -> None:
    pauses = Pauses()
    store = steady([BUSY, BUSY, MemoryStore()], tmp_path, pauses)

    store.open()

    assert store.health == Health("ok")
    assert len(pauses.waited_s) == 2
    assert pauses.waited_s[0] < pauses.waited_s[1]


def test_a_stop_ends_waiting_for_a_busy_file(tmp_path: Path) -> None:
    store = steady([BUSY, BUSY], tmp_path, Pauses(most=1))

    with pytest.raises(StoreBusy):
        store.open()


def test_a_file_that_is_damaged_at_the_start_is_kept_aside_loudly(tmp_path: Path) -> None:
    (tmp_path / "g.db").write_text("no database", encoding="utf-8")
    store = steady([CORRUPT, MemoryStore()], tmp_path)

    store.open()

    kept = tmp_path / "g.db.corrupt-20270115T080000000Z"
    assert kept.read_text(encoding="utf-8") == "no database"
    assert store.notice == (
        f"the database was damaged (file is not a database); it was kept as {kept}, and a new one begun"
    )
    assert store.failures == ["corrupt"]  # type: ignore[attr-defined]


def test_a_file_that_is_not_ours_is_left_where_it_is(tmp_path: Path) -> None:
    """A typing error in --database, or an older program, must not rename what is whole."""
    (tmp_path / "g.db").write_text("another program's", encoding="utf-8")
    store = steady([StoreForeign("made by a newer version")], tmp_path)

    with pytest.raises(StoreForeign):
        store.open()

    assert [path.name for path in tmp_path.iterdir()] == ["g.db"]


def test_a_write_that_meets_damage_goes_into_the_new_file(tmp_path: Path) -> None:
    damaged, fresh = MemoryStore(), MemoryStore()
    damaged.failures = [CORRUPT]
    store = steady([damaged, fresh], tmp_path)
    store.open()
    replaced = []
    store.on_replaced = lambda: replaced.append(1)

    written = store.write([batch("a")], [])

    assert written is not None
    assert written[0].events == 1
    assert (damaged.closed, list(fresh.events), replaced) == (1, ["a"], [1])
    assert store.health == Health("ok")


def test_a_damaged_file_that_cannot_be_replaced_yet_is_tried_again(tmp_path: Path) -> None:
    """Nothing may be acknowledged meanwhile, and nothing be lost."""
    damaged, fresh = MemoryStore(), MemoryStore()
    damaged.failures = [CORRUPT]
    store = steady([damaged, BUSY, BUSY, fresh], tmp_path)
    store.open()

    written = store.write([batch("a")], [])

    assert written is not None
    assert list(fresh.events) == ["a"]


def test_an_unforeseen_failure_loses_no_batch(tmp_path: Path) -> None:
    """Later batches would move the cursor past it."""
    memory = MemoryStore()
    memory.failures = [RuntimeError("x"), RuntimeError("x"), RuntimeError("x")]
    store = steady([memory], tmp_path)
    store.open()

    written = store.write([batch("a")], [])

    assert written is not None
    assert list(memory.events) == ["a"]
    assert store.failures == ["unexpected", "busy"]  # type: ignore[attr-defined]


def test_a_stop_leaves_unstored_what_cannot_be_stored(tmp_path: Path) -> None:
    memory = MemoryStore()
    memory.failures = [BUSY] * 9
    store = steady([memory], tmp_path, Pauses(most=2))
    store.open()

    written = store.write([batch("a")], [])

    assert written is None
    assert memory.events == {}
    assert store.health == Health("degraded", "database or disk is full")


def test_the_last_word_of_a_store_that_was_given_up_is_nothing(tmp_path: Path) -> None:
    memory = MemoryStore()
    store = steady([memory], tmp_path)
    store.open()
    store.replace(CORRUPT)

    store.finish(NOW_MS, _status())

    assert memory.statuses == []


def test_moving_aside_takes_only_the_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "g.db").write_text("x", encoding="utf-8")

    kept = move_aside(tmp_path / "g.db", NOW_MS)

    assert kept == tmp_path / "g.db.corrupt-20270115T080000000Z"
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]


def _status() -> CollectorStatus:
    return CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="w", http="h", state="ok", detail=""
    )
