"""Columns of packs: read once, shared, and never believed when they are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import StoreCorrupt
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, Window
from storage.reading import entries
from storage.reading.snapshot import Snapshot
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put, refusal, request, stored_again

DAY = Window(NOW_MS // DAY_MS * DAY_MS, NOW_MS // DAY_MS * DAY_MS + DAY_MS)
ACME = Filters(((Dimension.CONSUMER, "acme"),))
NOT_BOB = Filters((), ((Dimension.CONSUMER, "bob"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        put(store, refusal(1), refusal(2, consumer_id="c-2", consumer="bob"), request(1, count=7))
        store.pack(NOW_MS + 3 * DAY_MS, 1_000)
    return found


def test_the_second_question_about_the_same_packs_reads_no_column(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rows = Snapshot.rows
    monkeypatch.setattr(
        Snapshot, "rows", lambda self, query, values=(): asked.append(query) or rows(self, query, values)
    )
    reader = SqliteReader(path, 2_000)

    first = reader.totals(DAY, NOT_BOB)
    read_first = sum("pack_columns" in query for query in asked)
    asked.clear()
    second = reader.totals(DAY, NOT_BOB)

    assert first == second
    assert (first.limited, first.requests) == (1, 8)
    assert read_first
    assert not any("pack_columns" in query for query in asked)
    reader.close()


@pytest.mark.parametrize("filters", [ACME, NOT_BOB, Filters(((Dimension.NODE, "n-1"),), NOT_BOB.exclude)])
def test_packs_say_what_the_index_on_combinations_says(
    path: Path, monkeypatch: pytest.MonkeyPatch, filters: Filters
) -> None:
    def answers() -> list[object]:
        reader = SqliteReader(path, 2_000)
        found = [
            reader.totals(DAY, filters),
            reader.breakdown(Dimension.IP, DAY, filters),
            reader.series(DAY, filters, Dimension.ROUTE, HOUR_MS),
            reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme", "bob"), DAY, filters),
        ]
        reader.close()
        return found

    followed = answers()
    monkeypatch.setattr(entries, "MAX_FOLLOWED", -1)

    assert answers() == followed


def test_other_filters_on_the_same_packs_are_another_question(path: Path) -> None:
    reader = SqliteReader(path, 2_000)

    counts = [
        reader.totals(DAY, Filters(((Dimension.CONSUMER, name),))).limited for name in ("acme", "bob", "x")
    ]

    assert counts == [1, 1, 0]
    reader.close()


def test_a_pack_that_is_made_again_is_read_again(path: Path) -> None:
    reader = SqliteReader(path, 2_000)
    before = reader.totals(DAY, ACME).limited
    with opened(path) as store:
        put(store, refusal(3))
        between = reader.totals(DAY, ACME).limited
        store.pack(NOW_MS + 3 * DAY_MS, 1_000)

    assert (before, between, reader.totals(DAY, ACME).limited) == (1, 2, 2)
    reader.close()


@pytest.mark.parametrize(
    "damage", ["DELETE FROM pack_columns", "UPDATE pack_columns SET body = substr(body, 2)"]
)
def test_a_pack_that_is_not_whole_is_damage_and_no_number(path: Path, damage: str) -> None:
    connection = stored_again(path)
    connection.execute(damage)
    connection.close()
    reader = SqliteReader(path, 2_000)

    with pytest.raises(StoreCorrupt, match="packs hold"):
        reader.totals(DAY, Filters())
    reader.close()


def test_a_file_without_packs_gives_the_same_numbers(path: Path) -> None:
    reader = SqliteReader(path, 2_000)
    packed = [reader.totals(DAY, ACME), reader.breakdown(Dimension.IP, DAY, Filters())]
    connection = stored_again(path)
    connection.execute("DELETE FROM packs")
    connection.close()

    bare = [reader.totals(DAY, ACME), reader.breakdown(Dimension.IP, DAY, Filters())]

    assert packed == bare
    reader.close()
