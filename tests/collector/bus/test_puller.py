"""The puller: off the bus when it is stored, not before, and each once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.bus import puller as pullers
from collector.bus.parcels import SIGNS, Message, Parcel, encode, subject_of
from collector.bus.puller import MOST_DELIVERIES, Puller
from collector.writer import Writer
from domain.errors import StoreBusy
from storage.batches import CollectorStatus, Member, SourceBeat
from storage.protocol import Store
from storage.sqlite_store import SqliteStore
from tests.collector.bus.memory_bus import MemoryBus
from tests.collector.memory_store import MemoryStore
from tests.storage.filling import NOW_MS, SETTINGS, batch, refusal, rows


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_S", "KEEP_EVERY_S"):
        monkeypatch.setattr(pullers, name, 0.02)


def status() -> CollectorStatus:
    return CollectorStatus(
        pid=1, version="1", started_ms=1, beat_ms=NOW_MS, ws="", http="", state="ok", detail=""
    )


@contextlib.asynccontextmanager
async def running(bus: MemoryBus, make: Callable[[], Store], folder: Path) -> AsyncIterator[Puller]:
    writer = Writer(make, folder / "g.db", 64, lambda: NOW_MS, status)
    await writer.start()
    puller = Puller(bus, writer, lambda: NOW_MS)
    await puller.start()
    try:
        yield puller
    finally:
        await puller.stop(0.1)
        await writer.stop()


def message(first: int, upto: int) -> Message:
    events = [refusal(number) for number in range(first, upto + 1)]
    one = batch(*events, source="gw-1", way="stream", epoch="e", first=first, upto=upto)
    return encode(Parcel(batches=(one,)), subject_of("gw-1", "e"))


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


async def test_a_message_leaves_the_bus_when_it_is_stored(tmp_path: Path) -> None:
    bus = MemoryBus()
    store = MemoryStore()
    store.gate.clear()
    async with running(bus, lambda: store, tmp_path):
        await bus.publish(message(1, 3))
        await until(lambda: bus.kept)  # the bus is told that it is not forgotten
        assert list(bus.held) == [1]

        store.gate.set()
        await until(lambda: not bus.held)

    assert len(store.events) == 3


async def test_what_is_given_out_again_after_it_was_stored_is_stored_once(tmp_path: Path) -> None:
    bus = MemoryBus()

    def make() -> SqliteStore:
        return SqliteStore(tmp_path / "g.db", SETTINGS)

    async with running(bus, make, tmp_path) as puller:
        redelivered: list[int] = []
        puller.on_redelivered = lambda: redelivered.append(1)
        await bus.publish(message(1, 3))
        held = dict(bus.held)
        await until(lambda: not bus.held)
        bus.held |= held
        bus.fall_silent()
        await until(lambda: not bus.held)

    assert rows(tmp_path / "g.db", "SELECT count(*) FROM events") == [(3,)]
    assert rows(tmp_path / "g.db", "SELECT sum(duplicates) FROM sources") == [(3,)]
    assert redelivered == [1]


async def test_while_nothing_can_be_stored_nothing_more_is_taken(tmp_path: Path) -> None:
    bus = MemoryBus()
    store = MemoryStore()
    store.failures = [StoreBusy("full")]
    async with running(bus, lambda: store, tmp_path):
        await bus.publish(message(1, 3))
        await until(lambda: not bus.held)

    assert len(store.events) == 3


@pytest.mark.parametrize(
    ("body", "why"), [(b"junk", "begins with 6a"), (b"\x01junk", "bus message")], ids=["foreign", "damaged"]
)
async def test_what_cannot_be_read_is_laid_aside_and_the_next_is_stored(
    tmp_path: Path, body: bytes, why: str
) -> None:
    bus = MemoryBus()
    store = MemoryStore()
    async with running(bus, lambda: store, tmp_path):
        await bus.publish(Message("gatewatch.batches.x", "n", body))
        await bus.publish(message(1, 3))
        await until(lambda: not bus.held)

    assert [raw for raw, _ in bus.dead] == [body]
    assert why in bus.dead[0][1]
    assert len(store.events) == 3


async def test_a_message_that_many_writers_died_over_is_laid_aside(tmp_path: Path) -> None:
    bus = MemoryBus()
    await bus.publish(message(1, 3))
    bus.held[1].deliveries = MOST_DELIVERIES
    store = MemoryStore()
    async with running(bus, lambda: store, tmp_path):
        await until(lambda: not bus.held)

    assert bus.dead[0][1] == f"given out {MOST_DELIVERIES + 1} times, and never stored"
    assert store.events == {}


async def test_what_is_put_back_after_others_went_ahead_is_stored_once(tmp_path: Path) -> None:
    bus = MemoryBus()
    await bus.publish(message(1, 3))
    await bus.publish(message(4, 6))
    await bus.publish(message(7, 9))
    bus.held[2].deliveries = MOST_DELIVERIES

    async with running(bus, lambda: SqliteStore(tmp_path / "g.db", SETTINGS), tmp_path):
        await until(lambda: not bus.held)
        without = rows(tmp_path / "g.db", "SELECT count(*) FROM events")
        assert await bus.put_back(9) == 1
        await until(lambda: not bus.held)

    assert without == [(6,)]
    assert rows(tmp_path / "g.db", "SELECT count(*) FROM events") == [(9,)]
    assert bus.dead == []


async def test_a_writer_that_stops_gives_back_what_it_could_not_store(tmp_path: Path) -> None:
    bus = MemoryBus()
    store = MemoryStore()
    async with running(bus, lambda: store, tmp_path):
        store.gate.clear()
        await bus.publish(message(1, 3))
        await until(lambda: bus.held[1].deliveries)
        await asyncio.sleep(0.03)
        asyncio.get_running_loop().call_later(0.3, store.gate.set)

    assert list(bus.free) == [1]


async def test_signs_of_life_and_other_processes_are_heard(tmp_path: Path) -> None:
    bus = MemoryBus()
    member = Member(member="a:1", role="collector", beat_ms=NOW_MS, started_ms=1, version="1", state="ok")
    beat = SourceBeat(source="gw-1", way="stream", connected=True, at_ms=NOW_MS)
    store = MemoryStore()
    async with running(bus, lambda: store, tmp_path) as puller:
        await bus.publish(encode(Parcel(beats=(beat,), member=member), SIGNS))
        await until(lambda: not bus.held and store.beats)

        assert puller.members == {"a:1": member}


async def test_a_bus_that_is_away_is_asked_again(tmp_path: Path) -> None:
    bus = MemoryBus()
    bus.is_away = True
    store = MemoryStore()
    async with running(bus, lambda: store, tmp_path):
        await asyncio.sleep(0.05)
        bus.is_away = False
        await bus.publish(message(1, 1))
        await until(lambda: not bus.held)

    assert len(store.events) == 1
