"""The large database of the benches is one that the store itself could have written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import fill
from bench.input import gateway
from domain.filters import Filters
from domain.windows import DAY_MS, Window
from storage.codes import WIDTHS_S
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import opened, put, refusal, row, rows
from tests.storage.recount import stored_activity, stored_cells

EVENTS = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two days of a small gateway, with little traffic beside the refusals."""
    found = tmp_path_factory.mktemp("fill") / "small.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "CONSUMERS", 80)
        patch.setattr(gateway, "ADDRESSES", 2_000)
        patch.setattr(gateway, "INVALIDATIONS", 100)
        yield fill.fill(found, EVENTS, days=2, passed_a_minute=0.1, quiet=True)


def test_every_refusal_is_in_the_totals_and_among_the_events(path: Path) -> None:
    reader = SqliteReader(path, 20_000)
    everything = Window(
        gateway.NOW_MS - gateway.NOW_MS % DAY_MS - DAY_MS, gateway.NOW_MS - gateway.NOW_MS % DAY_MS + DAY_MS
    )

    totals = reader.totals(everything, Filters())
    page = reader.events(EventQuery(window=everything, violations_only=True), limit=5_000)

    assert totals.violations == len(page.rows) == page.total == EVENTS
    assert totals.requests is not None
    assert totals.requests > EVENTS
    assert (totals.config_changes, totals.cache_invalidations) == (
        2 * gateway.CHANGES,
        2 * gateway.INVALIDATIONS,
    )
    assert reader.health().events == EVENTS + 2 * (gateway.CHANGES + gateway.INVALIDATIONS)
    reader.close()


def test_totals_per_name_say_what_totals_per_combination_say(path: Path) -> None:
    assert stored_activity(path) == stored_cells(path)


@pytest.mark.parametrize("coarse", [2, 3])
def test_coarser_totals_are_sums_of_finer_ones(path: Path, coarse: int) -> None:
    width_s = WIDTHS_S[coarse]
    summed = rows(
        path,
        f"SELECT bucket_s / {width_s} * {width_s}, combo, sum(n) FROM cells WHERE res = 1 GROUP BY 1, 2",
    )

    assert summed == rows(path, "SELECT bucket_s, combo, n FROM cells WHERE res = ? ORDER BY 1, 2", coarse)


def test_the_store_goes_on_where_the_filling_ended(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    (before,) = row(copy, "SELECT max(seq) FROM events")

    with opened(copy) as store:
        written = put(store, refusal(1, at_ms=gateway.NOW_MS), received_ms=gateway.NOW_MS)

    assert written.last_seq == before + 1
