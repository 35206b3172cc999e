"""The publisher over its outbox: what is acknowledged is on the bus or on this disk, in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector.bus import outbox as outboxes
from collector.bus import publisher as publishers
from collector.bus.outbox import Outbox
from collector.bus.parcels import SIGNS, Parcel, decode
from collector.bus.publisher import Publisher
from collector.bus.spool import Spool
from domain.errors import StoreBusy
from storage.batches import Batch, Member, SourceBeat
from tests.collector.bus.memory_bus import MemoryBus
from tests.storage.filling import NOW_MS, batch, refusal, request

MEMBER = Member(member="a:1", role="collector", beat_ms=1, started_ms=1, version="1", state="ok")


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "RETRY_S", 0.01)
    monkeypatch.setattr(publishers, "RETRY_S", 0.01)
    monkeypatch.setattr(publishers, "SIGN_EVERY_S", 0.02)


class Stored:
    """How far sequences have come in the store."""

    def __init__(self) -> None:
        self.cursors: dict[tuple[str, str], int] = {}
        self.is_away = False

    async def find(self, source: str, epoch: str) -> int:
        if self.is_away:
            raise StoreBusy("no server answers")
        return self.cursors.get((source, epoch), 0)


@contextlib.asynccontextmanager
async def running(
    bus: MemoryBus, folder: Path | None = None, stored: Stored | None = None, most_bytes: int = 1_000_000
) -> AsyncIterator[Publisher]:
    spool = None if folder is None else Spool(folder / "spool", most_bytes)
    find = (stored or Stored()).find
    publisher = Publisher(bus, Outbox(bus, spool), 64, "boot", find, lambda: MEMBER)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop(0.05)


def numbered(first: int, upto: int, source: str = "gw-1") -> Batch:
    events = [refusal(number) for number in range(first, upto + 1)]
    return batch(*events, source=source, way="stream", epoch="e", first=first, upto=upto)


def on(bus: MemoryBus) -> list[Batch]:
    return [one for m in bus.published if m.subject != SIGNS for one in decode(m.body).batches]


def places(batches: list[Batch]) -> list[tuple[int | None, int | None]]:
    return [(one.first, one.upto) for one in batches]


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


async def test_a_batch_is_done_when_the_bus_has_it() -> None:
    bus = MemoryBus()
    async with running(bus) as publisher:
        written = await publisher.store(batch(refusal(1), request(2), source="http-log"))

        assert (written.is_queued, written.events, written.traffic) == (True, 1, 1)
        assert [one.decoded for one in on(bus)] == [batch(refusal(1), request(2)).decoded]
        assert publisher.waiting == 0


async def test_batches_of_one_sequence_go_in_order_and_together_where_they_wait() -> None:
    bus = MemoryBus()
    async with running(bus) as publisher:
        await asyncio.gather(*(publisher.store(numbered(n, n + 9)) for n in range(1, 200, 10)))

        assert places(on(bus)) == [(n, n + 9) for n in range(1, 200, 10)]
        assert len([m for m in bus.published if m.subject != SIGNS]) <= 4, "ten at a time go together"


async def test_a_message_that_was_taken_without_a_word_is_not_there_twice(tmp_path: Path) -> None:
    bus = MemoryBus()
    bus.loses_acks = 2
    async with running(bus, tmp_path) as publisher:
        await publisher.store(numbered(1, 10))
        await publisher.store(numbered(11, 20))

        await until(lambda: not publisher.notice)
        assert places(on(bus)) == [(1, 10), (11, 20)]


async def test_while_the_bus_is_away_what_is_acknowledged_is_on_this_disk(tmp_path: Path) -> None:
    bus = MemoryBus()
    async with running(bus, tmp_path) as publisher:
        bus.is_away = True
        for first in (1, 11, 21):
            await publisher.store(numbered(first, first + 9))
        assert publisher.health.state == "ok"
        assert "3 are on this machine's disk" in publisher.notice
        assert on(bus) == []

        bus.is_away = False
        await until(lambda: not publisher.notice)
        await publisher.store(numbered(31, 40))

        assert places(on(bus)) == [(1, 10), (11, 20), (21, 30), (31, 40)]


async def test_what_a_killed_collector_had_on_its_disk_is_sent_by_the_next(tmp_path: Path) -> None:
    bus = MemoryBus()
    bus.is_away = True
    async with running(bus, tmp_path) as publisher:
        await publisher.store(numbered(1, 10))

    bus.is_away = False
    async with running(bus, tmp_path) as publisher:
        await publisher.store(numbered(11, 20))
        await until(lambda: not publisher.notice)

    assert places(on(bus)) == [(1, 10), (11, 20)]


async def test_with_neither_bus_nor_disk_nothing_is_acknowledged(tmp_path: Path) -> None:
    bus = MemoryBus()
    async with running(bus, tmp_path, most_bytes=0) as publisher:
        bus.is_away = True
        waiting = asyncio.ensure_future(publisher.store(numbered(1, 10)))
        await until(lambda: publisher.health.state == "degraded")
        assert "of 0 bytes" in publisher.health.detail
        assert not waiting.done()

        bus.is_away = False
        await waiting

        assert publisher.health.state == "ok"
        assert places(on(bus)) == [(1, 10)]


async def test_a_full_bus_makes_senders_wait_where_there_is_no_disk() -> None:
    bus = MemoryBus()
    async with running(bus) as publisher:
        bus.is_full = True
        waiting = asyncio.ensure_future(publisher.store(numbered(1, 10)))
        await until(lambda: publisher.health.state == "degraded")
        assert "maximum bytes exceeded" in publisher.health.detail

        bus.is_full = False
        await waiting


async def test_batches_without_a_sequence_get_one_so_that_a_copy_is_known() -> None:
    bus = MemoryBus()
    async with running(bus) as publisher:
        for number in range(20):
            await publisher.store(batch(refusal(number), source="http-log"))

    found = {(one.epoch, one.upto) for one in on(bus)}
    assert len(found) == 20
    assert all(epoch is not None and epoch.startswith("boot/") for epoch, _ in found)


async def test_a_body_longer_than_a_message_goes_in_parts_and_is_answered_as_one() -> None:
    bus = MemoryBus()
    async with running(bus) as publisher:
        written = await publisher.store(batch(*(refusal(n) for n in range(250)), source="http-log"))

    assert written.events == 250
    assert sorted(len(one.decoded.events) for one in on(bus)) == [50, 100, 100]


async def test_what_no_message_can_hold_is_in_quarantine_on_the_bus() -> None:
    bus = MemoryBus()
    bus.most_bytes = 3_000
    async with running(bus) as publisher:
        await publisher.store(batch(refusal(1, consumer="\udc00"), refusal(2)))
        noise = random.Random(1).randbytes(9_000)  # noqa: S311 - it is only not to be compressed
        await publisher.store(batch(refusal(3, payload=noise)))

    first, second = (one.decoded for one in on(bus))
    assert [event.id for event in first.events] == [refusal(2).id]
    assert "lone surrogate" in first.quarantined[0].why
    assert second.events == []
    assert "longer than a message of the bus may be" in second.quarantined[0].why


async def test_signs_of_life_go_out_within_a_second_and_are_not_kept(tmp_path: Path) -> None:
    bus = MemoryBus()
    beat = SourceBeat(source="gw-1", way="stream", connected=True, at_ms=NOW_MS)
    async with running(bus, tmp_path) as publisher:
        bus.is_away = True
        publisher.beat(beat)
        await asyncio.sleep(0.06)
        assert publisher.notice == ""

        bus.is_away = False
        publisher.beat(beat)
        await until(lambda: any(m.subject == SIGNS for m in bus.published))

    (first, *_) = [decode(m.body) for m in bus.published if m.subject == SIGNS]
    assert first == Parcel(beats=(beat,), member=MEMBER)


# ---- how far a source has come


async def test_a_cursor_is_the_highest_of_what_is_on_the_bus_and_in_the_store() -> None:
    bus, stored = MemoryBus(), Stored()
    async with running(bus) as earlier:
        await earlier.store(numbered(1, 10))
        await earlier.store(numbered(11, 20))

    async with running(bus, stored=stored) as publisher:
        assert await publisher.find_cursor("gw-1", "e", 1) == 20
        assert await publisher.find_cursor("gw-1", "another epoch", 1) == 0

        bus.held.clear()  # a writer stored them
        stored.cursors["gw-1", "e"] = 20
        assert await publisher.find_cursor("gw-1", "e", 1) == 20


async def test_what_is_only_on_this_disk_counts_for_the_cursor(tmp_path: Path) -> None:
    bus = MemoryBus()
    async with running(bus, tmp_path) as publisher:
        bus.is_away = True
        await publisher.store(numbered(1, 10))

        assert await publisher.find_cursor("gw-1", "e", 11) == 10


async def test_a_sender_that_has_all_that_follows_goes_on_while_the_store_is_away() -> None:
    bus, stored = MemoryBus(), Stored()
    async with running(bus, stored=stored) as publisher:
        await publisher.store(numbered(1, 10))
        stored.is_away = True

        assert await publisher.find_cursor("gw-1", "e", 11) == 10
        assert await publisher.find_cursor("gw-9", "e", 1) == 0


async def test_a_sender_waits_where_it_might_be_told_that_something_is_lost() -> None:
    """It dropped 1 to 50 because they were acknowledged; only the store can know that."""
    bus, stored = MemoryBus(), Stored()
    stored.cursors["gw-1", "e"] = 50
    async with running(bus, stored=stored) as publisher:
        stored.is_away = True
        waiting = asyncio.ensure_future(publisher.find_cursor("gw-1", "e", 51))
        await asyncio.sleep(0.05)
        assert not waiting.done()

        stored.is_away = False
        assert await waiting == 50
