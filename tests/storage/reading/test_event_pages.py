"""Walking down the arrival numbers: bounded for every page, and led by the totals to what is rare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.reading import event_pages
from storage.reading.snapshot import Snapshot
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, batch, opened, other, refusal

COUNT = 5 * 1_024
WINDOW = Window(NOW_MS - 2 * DAY_MS, NOW_MS + HOUR_MS)
RARE = Filters(((Dimension.SERVICE, "rare"),))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five blocks of events, a second apart; three of a rare service, one of a rare kind, far down."""
    found = tmp_path_factory.mktemp("pages") / "g.db"
    events = []
    for number in range(1, COUNT + 1):
        at_ms = NOW_MS - (COUNT - number) * 1_000
        rare = {"service_id": "s-9", "service": "rare"} if number in {1_500, 1_501, 3_500} else {}
        if number == 2_600:
            events.append(other(number, kind="crud", event="routes.deleted", at_ms=at_ms))
        else:
            events.append(refusal(number, at_ms=at_ms, ip=f"10.0.{number % 50}.1", **rare))
    with opened(found) as store:
        store.write([batch(*events)])
    return found


@pytest.fixture
def reader(path: Path) -> Iterator[SqliteReader]:
    found = SqliteReader(path, 10_000)
    yield found
    found.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many arrival numbers each statement on `events` covered; totals are asked after one block."""
    monkeypatch.setattr(event_pages, "BLOCKS_BEFORE_ASKING", 1)
    found: list[int] = []
    rows = Snapshot.rows

    def counted(snapshot: Snapshot, query: str, values: Any = ()) -> Any:
        if "FROM events e WHERE e.seq >= ?" in query:
            found.append(values[1] - values[0])
        return rows(snapshot, query, values)

    monkeypatch.setattr(Snapshot, "rows", counted)
    return found


def test_the_totals_lead_to_what_is_rare(reader: SqliteReader, reads: list[int]) -> None:
    page = reader.events(EventQuery(window=WINDOW, filters=RARE, violations_only=True))

    assert [row.seq for row in page.rows] == [3_500, 1_501, 1_500]
    assert (page.total, page.next_seq) == (3, None)
    assert sum(reads) <= 4 * 1_024


def test_the_counts_of_kinds_lead_to_a_rare_kind(reader: SqliteReader, reads: list[int]) -> None:
    page = reader.events(EventQuery(window=WINDOW, kinds=("crud",)))

    assert [row.seq for row in page.rows] == [2_600]
    assert sum(reads) <= 6 * 1_024


def test_a_page_that_would_cost_too_much_ends_early_and_says_where_to_go_on(
    reader: SqliteReader, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    monkeypatch.setattr(event_pages, "BLOCKS_PER_PAGE", 2)
    monkeypatch.setattr(event_pages, "BLOCKS_AT_ONCE", 1)
    query = EventQuery(window=WINDOW, filters=RARE)  # ruled-out ones too: totals cannot lead

    found, sizes, before = [], [], None
    while True:
        page = reader.events(query, before)
        found += [row.seq for row in page.rows]
        sizes.append(sum(reads))
        reads.clear()
        if page.next_seq is None:
            break
        before = page.next_seq

    assert found == [3_500, 1_501, 1_500]
    assert len(sizes) > 2
    assert max(sizes) <= 2 * 1_024


def test_a_busy_address_is_walked_in_bounded_steps(
    reader: SqliteReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_pages, "KEY_ROWS_PER_PAGE", 60)
    both = RARE.adding(Dimension.IP, "10.0.0.1").adding(Dimension.IP, "10.0.1.1")
    query = EventQuery(window=WINDOW, filters=both)

    pages, before = 0, None
    found = []
    while True:
        page = reader.events(query, before, limit=10)
        found += [row.seq for row in page.rows]
        pages += 1
        if page.next_seq is None:
            break
        assert before is None or page.next_seq < before
        before = page.next_seq

    assert found == [3_500, 1_501, 1_500]
    assert pages > 3


def test_several_addresses_come_in_one_order(reader: SqliteReader) -> None:
    both = Filters(((Dimension.IP, "10.0.3.1"), (Dimension.IP, "10.0.4.1")))

    found = [row.seq for row in reader.stream_events(EventQuery(window=WINDOW, filters=both))]

    assert found == [number for number in range(COUNT, 0, -1) if number % 50 in {3, 4}]


def test_a_window_in_the_past_does_not_read_what_came_after(reader: SqliteReader, reads: list[int]) -> None:
    start_ms = NOW_MS - (COUNT - 2_000) * 1_000
    page = reader.events(EventQuery(window=Window(start_ms, start_ms + MINUTE_MS)), limit=100)

    assert len(page.rows) == 60
    assert sum(reads) <= 2 * 1_024


def test_a_tail_reads_only_what_is_new(reader: SqliteReader, reads: list[int]) -> None:
    rows = reader.tail(EventQuery(window=WINDOW), COUNT - 3)

    assert [row.seq for row in rows] == [COUNT, COUNT - 1, COUNT - 2]
    assert sum(reads) <= 1_024 + 2


def test_a_tail_of_what_never_comes_costs_little(reader: SqliteReader, reads: list[int]) -> None:
    nobody = Filters(((Dimension.SERVICE, "nobody"),))

    assert reader.tail(EventQuery(window=WINDOW, filters=nobody, violations_only=True), 0) == ()
    assert not reads
