"""Packs are made of what is over, thrown away when it changes, and hold what the rows hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.windows import DAY_MS, HOUR_MS
from storage.packs import COLUMNS, MAX_N, PASSED, REFUSED, WIDTHS, column_id, pack_column
from tests.storage.filling import NOW_MS, SETTINGS, opened, put, refusal, request, row, rows

HOUR_S, DAY_S = NOW_MS // 1000, NOW_MS // DAY_MS * DAY_MS // 1000
PACKS = "SELECT res, bucket_s, refused, passed FROM packs ORDER BY res, bucket_s"
AFTER_HOUR_MS = NOW_MS + HOUR_MS + 600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def test_an_hour_is_packed_when_it_has_been_over_for_ten_minutes(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(), request())

        early = store.pack(AFTER_HOUR_MS - 1_000, 100)
        due = store.pack(AFTER_HOUR_MS, 100)

        assert (early, due) == (0, 2)
        assert rows(path, PACKS) == [(2, HOUR_S, 1, 1)]


def test_a_day_is_packed_too(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(), request())
        store.pack(NOW_MS + 2 * DAY_MS, 100)

        assert rows(path, PACKS) == [(2, HOUR_S, 1, 1), (3, DAY_S, 1, 1)]


def test_what_comes_late_throws_away_its_hour_and_its_day_and_no_other(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(1), refusal(2, at_ms=NOW_MS + HOUR_MS), refusal(3, at_ms=NOW_MS + DAY_MS))
        store.pack(NOW_MS + 3 * DAY_MS, 100)

        put(store, request(9))

        left = rows(path, "SELECT res, bucket_s FROM packs ORDER BY 1, 2")
        assert left == [(2, HOUR_S + 3_600), (2, HOUR_S + 86_400), (3, DAY_S + 86_400)]
        columns = len(COLUMNS) * len(left)
        assert row(path, "SELECT count(*) FROM pack_columns") == (columns,)


def test_packing_goes_on_where_it_was_left(path: Path) -> None:
    with opened(path) as store:
        put(store, *(refusal(n, at_ms=NOW_MS + n * HOUR_MS) for n in range(3)))

        done = [store.pack(NOW_MS + HOUR_MS * 5, 1) for _ in range(4)]

        assert done == [1, 1, 1, 0]
        assert [found[1] for found in rows(path, PACKS)] == [HOUR_S, HOUR_S + 3_600, HOUR_S + 7_200]


def test_packs_go_with_the_totals_they_say_again(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal())
        store.pack(NOW_MS + 2 * DAY_MS, 100)

        store.prune(NOW_MS + (SETTINGS.hours_rollup_days + 2) * DAY_MS, 1_000)

        assert rows(path, "SELECT res FROM packs") == [(3,)]


def test_a_count_too_large_for_a_column_is_split(path: Path) -> None:
    with opened(path) as store:
        put(store, *(request(number, count=10**9) for number in range(5)))
        store.pack(AFTER_HOUR_MS, 100)

        assert rows(path, PACKS) == [(2, HOUR_S, 0, 3)]
        (pack,) = row(path, "SELECT pack FROM packs")
        place = column_id(pack, PASSED, "n")
        (body,) = row(path, "SELECT body FROM pack_columns WHERE place = ?", place)
        counts = [int.from_bytes(body[at : at + 4], "little") for at in (0, 4, 8)]
        assert counts == [MAX_N, MAX_N, 5 * 10**9 - 2 * MAX_N]


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError):
        pack_column("consumer", [2**32])
    with pytest.raises(OverflowError):
        pack_column("outcome", [256])


def test_columns_of_all_packs_have_places_of_their_own() -> None:
    places = [
        column_id(pack, part, name) for pack in (1, 2) for part in (REFUSED, PASSED) for name in COLUMNS
    ]

    assert len(set(places)) == 4 * len(COLUMNS)
    assert places == sorted(places)
    assert pack_column("ip", [1, 2]) == b"\1\0\0\0\2\0\0\0"
    assert set(WIDTHS) == set(COLUMNS)
