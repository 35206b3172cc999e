"""Sums per name that are added up once: they say what the entries say, and nothing old."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, Window
from storage.reading import names, packed, pairs
from storage.reading.packed import PackPart
from storage.reading.snapshot import Snapshot
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put, refusal, request

TODAY = NOW_MS // DAY_MS * DAY_MS
LATER = NOW_MS + 3 * DAY_MS
WINDOWS = [
    Window(TODAY - 40 * DAY_MS, TODAY + 2 * DAY_MS),
    Window(TODAY, TODAY + DAY_MS),
    Window(TODAY - DAY_MS, NOW_MS // HOUR_MS * HOUR_MS),
    Window(NOW_MS // HOUR_MS * HOUR_MS, NOW_MS // HOUR_MS * HOUR_MS + HOUR_MS),
    Window(TODAY - 40 * DAY_MS, TODAY - 40 * DAY_MS),
]
NO_FILTERS = Filters()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Names old and new, busy and idle, refused and not, over 41 days; two groups of days, not all packed."""
    found = tmp_path / "g.db"
    with opened(found) as store:
        for day in range(0, 41, 8):
            at_ms = NOW_MS - day * DAY_MS
            put(
                store,
                refusal(3 * day, at_ms=at_ms),
                refusal(3 * day + 1, at_ms=at_ms + 5_000, consumer_id="c-2", consumer="bob", ip="10.0.0.2"),
                refusal(3 * day + 2, at_ms=at_ms + HOUR_MS, ip=f"10.0.1.{day}", certainty="probable"),
                request(day, at_ms=at_ms + 2 * HOUR_MS, count=7, ip="10.0.2.1"),
                request(day + 1_000, at_ms=at_ms, status=401, consumer_id="c-3", consumer="eve"),
            )
        store.pack(NOW_MS - DAY_MS, 10_000)
    return found


def _answers(path: Path) -> list[object]:
    reader = SqliteReader(path, 2_000)
    try:
        return [
            answer
            for window in WINDOWS
            for dimension, other in ((Dimension.CONSUMER, Dimension.IP), (Dimension.IP, Dimension.CONSUMER))
            for answer in (
                reader.totals(window, NO_FILTERS),
                reader.breakdown(dimension, window, NO_FILTERS),
                reader.top(dimension, window, NO_FILTERS, 2),
                reader.series(window, NO_FILTERS, dimension, DAY_MS, 2),
                reader.spread(dimension, other, ("acme", "bob", "eve", "10.0.0.2"), window, NO_FILTERS),
            )
        ]
    finally:
        reader.close()


def _from_entries(path: Path) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "MOST_NUMBERS", 0)
        return _answers(path)


def test_sums_of_packs_say_what_their_entries_say(path: Path) -> None:
    assert _answers(path) == _from_entries(path)


def test_they_do_so_however_few_packs_are_held_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "AT_ONCE", 1)

    assert _answers(path) == _from_entries(path)


@pytest.mark.parametrize("marks", [0, 10**9])
def test_spreads_of_packs_are_those_of_rows(path: Path, monkeypatch: pytest.MonkeyPatch, marks: int) -> None:
    monkeypatch.setattr(pairs, "MOST_MARKS", marks)
    reader = SqliteReader(path, 2_000)
    everyone = Filters((), ((Dimension.CONSUMER, "nobody"),))  # leaves out nothing, and so reads entries

    for window in WINDOWS:
        for of, by, tokens in (
            (Dimension.CONSUMER, Dimension.IP, ("acme", "bob", "eve")),
            (Dimension.IP, Dimension.CONSUMER, ("10.0.0.1", "10.0.0.2", "10.0.1.8")),
        ):
            found = reader.spread(of, by, tokens, window, NO_FILTERS)
            assert found == reader.spread(of, by, tokens, window, everyone)
    assert reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme", "eve"), WINDOWS[0], NO_FILTERS) == {
        "acme": 7,
        "eve": 0,
    }
    reader.close()


def test_and_where_nothing_is_packed(path: Path) -> None:
    before = _answers(path)
    with opened(path) as store:
        put(
            store,
            *(refusal(900 + day, at_ms=NOW_MS - day * DAY_MS, ip="10.9.9.9") for day in range(0, 41, 8)),
        )

    found = _answers(path)

    assert found == _from_entries(path)
    assert found != before


def test_something_late_is_in_the_next_answer_and_only_its_group_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as store:
        store.pack(LATER, 10_000)
    reader = SqliteReader(path, 2_000)
    before = reader.breakdown(Dimension.IP, WINDOWS[0], NO_FILTERS)
    with opened(path) as store:
        put(store, refusal(999, at_ms=NOW_MS - 40 * DAY_MS, ip="10.0.0.2"))
        store.pack(LATER, 10_000)
    read: list[int] = []
    whole = packed.read_column

    def counted(snapshot: Snapshot, packs: Sequence[PackPart], part: int, name: str) -> object:
        read.extend(pack.bucket_s for pack in packs)
        return whole(snapshot, packs, part, name)

    monkeypatch.setattr(names, "read_column", counted)

    after = reader.breakdown(Dimension.IP, WINDOWS[0], NO_FILTERS)
    again = reader.breakdown(Dimension.IP, WINDOWS[0], NO_FILTERS)
    reader.close()

    counts = [{row.token: row.limited for row in rows}["10.0.0.2"] for rows in (before, after, again)]
    assert counts == [counts[0], counts[0] + 1, counts[0] + 1]
    late_s = (TODAY - 40 * DAY_MS) // 1000
    group_s = max(names.GROUP_S.values())
    assert late_s in read
    assert {start_s // group_s for start_s in read} == {late_s // group_s}
