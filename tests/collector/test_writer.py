"""The one thread that stores."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.writer import Commit, Writer
from domain.errors import StoreError
from domain.events import Decoded, Event
from storage.batches import Batch, CollectorStatus, SourceBeat
from tests.collector.memory_store import BUSY, CORRUPT, MemoryStore

NOW_MS = 1_800_000_000_000


def status() -> CollectorStatus:
    return CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="w", http="h", state="ok", detail=""
    )


def batch(*ids: str, source: str = "s", upto: int | None = None) -> Batch:
    events = [Event(id=i, kind="plugin", event="e", at_ms=NOW_MS) for i in ids]
    return Batch(
        source=source,
        way="stream",
        received_ms=NOW_MS,
        decoded=Decoded(events=events, entries=len(events)),
        epoch="e" if upto else None,
        first=1 if upto else None,
        upto=upto,
    )


@contextlib.asynccontextmanager
async def running(
    store: MemoryStore, folder: Path, capacity: int = 8, reopen: Callable[[], MemoryStore] | None = None
) -> AsyncIterator[Writer]:
    first = [store]
    writer = Writer(
        lambda: first.pop() if first else (reopen or MemoryStore)(),
        folder / "g.db",
        capacity,
        lambda: NOW_MS,
        status,
    )
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - a thread has nothing to tell an event loop with
            await asyncio.sleep(0.005)


async def test_a_batch_is_answered_when_it_is_stored(tmp_path: Path) -> None:
    store = MemoryStore()

    async with running(store, tmp_path) as writer:
        written = await writer.store(batch("a", "b"))
        again = await writer.store(batch("b", "c"))

    assert (written.events, again.events, again.duplicates) == (2, 1, 1)
    assert store.closed == 1


async def test_what_waits_goes_into_one_transaction(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path) as writer:
        store.gate.clear()
        await writer.room()
        first = writer.submit(batch("0"))
        await until(lambda: not writer._jobs)
        rest = []
        for number in range(1, 6):
            await writer.room()
            rest.append(writer.submit(batch(str(number))))
        store.gate.set()
        await asyncio.gather(first, *rest)

    assert [len(transaction) for transaction in store.transactions] == [1, 5]


async def test_room_is_bounded_and_given_back_by_a_commit(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path, capacity=2) as writer:
        store.gate.clear()
        for number in range(2):
            await writer.room()
            writer.submit(batch(str(number)))
        third = asyncio.create_task(writer.room())
        await asyncio.sleep(0.02)
        was_waiting, was_full = not third.done(), writer.is_full

        store.gate.set()
        await asyncio.wait_for(third, 5)
        writer.leave()

    assert (was_waiting, was_full) == (True, True)


async def test_a_busy_store_keeps_the_batch_and_acknowledges_nothing_until_it_works(tmp_path: Path) -> None:
    store = MemoryStore()
    store.failures = [BUSY]
    async with running(store, tmp_path) as writer:
        await writer.room()
        future = writer.submit(batch("a"))
        await until(lambda: writer.health.state == "degraded")
        detail, was_done = writer.health.detail, future.done()
        written = await future
        await until(lambda: writer.health.state == "ok")

    assert (detail, was_done) == ("database or disk is full", False)
    assert written.events == 1


async def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    store, fresh = MemoryStore(), MemoryStore()
    store.failures = [CORRUPT]
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"g.db{suffix}").write_text(suffix, encoding="utf-8")
    replaced = []

    async with running(store, tmp_path, reopen=lambda: fresh) as writer:
        writer.on_replaced = lambda: replaced.append(1)
        written = await writer.store(batch("a"))
        notice = writer.notice

    kept = sorted(path.name for path in tmp_path.iterdir())  # noqa: ASYNC240
    assert written.events == 1
    assert list(fresh.events) == ["a"]
    assert kept == [f"g.db.corrupt-20270115T080000000Z{suffix}" for suffix in ("", "-shm", "-wal")]
    assert "the database was damaged (file is not a database); it was kept as" in notice
    assert replaced == [1]


async def test_one_bad_batch_does_not_stop_the_others(tmp_path: Path) -> None:
    """With at-least-once delivery it would come again for ever."""
    store = MemoryStore()
    store.poison = {"bad"}
    async with running(store, tmp_path) as writer:
        store.gate.clear()
        futures = []
        for ids in (("0",), ("a",), ("bad", "b"), ("c",)):
            await writer.room()
            futures.append(writer.submit(batch(*ids, source=ids[0], upto=7)))
        store.gate.set()
        written = await asyncio.gather(*futures)

    assert [one.events for one in written] == [1, 1, 0, 1]
    assert store.quarantined == ["could not be stored: OverflowError"]
    assert store.cursors["bad", "e"] == 7


async def test_a_cursor_is_read_after_everything_before_it(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path) as writer:
        store.gate.clear()
        await writer.room()
        writer.submit(batch("a", upto=41))
        cursor = asyncio.create_task(writer.find_cursor("s", "e"))
        await asyncio.sleep(0.02)
        store.gate.set()

        assert await cursor == 41


async def test_beats_are_stored_without_batches_the_latest_of_each_source(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path) as writer:
        store.gate.clear()
        for at_ms in (1, 2):
            writer.beat(SourceBeat(source="gw", way="stream", connected=True, at_ms=at_ms))
        store.gate.set()
        await until(lambda: store.beats)

    assert store.beats[-1].at_ms == 2


async def test_a_stop_stores_what_waits(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path) as writer:
        store.gate.clear()
        for number in range(5):
            await writer.room()
            writer.submit(batch(str(number)))
        store.gate.set()

    assert len(store.events) == 5
    assert store.closed == 1


async def test_commits_are_told_with_their_time(tmp_path: Path) -> None:
    commits: list[Commit] = []
    async with running(MemoryStore(), tmp_path) as writer:
        writer.on_commit = commits.append
        await writer.store(batch("a"))
        await until(lambda: commits)

    assert commits[0].written[0].events == 1
    assert 0 <= commits[0].seconds < 5


async def test_probable_events_are_judged_again_soon(tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(store, tmp_path):
        await until(lambda: store.settled)

    assert store.settled == 1


async def test_a_store_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    def fail() -> MemoryStore:
        raise StoreError("made by a newer version")

    writer = Writer(fail, tmp_path / "g.db", 8, lambda: NOW_MS, status)

    with pytest.raises(StoreError, match="made by a newer version"):
        await writer.start()
