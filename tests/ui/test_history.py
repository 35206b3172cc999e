"""A history laid out beside what is usual."""

from __future__ import annotations

import pytest

from domain.baseline import Band, Baseline, Basis, Past, Standing
from domain.windows import DAY_MS, HOUR_MS, Window
from storage.batches import Gap
from ui.history import History, Measure, counts_of, history_of, past_of

START_MS = 1_795_000_000_000 // DAY_MS * DAY_MS
WINDOW = Window(START_MS, START_MS + 4 * HOUR_MS)
LATER_MS = WINDOW.to_ms + 1
ACTIVITY = (
    (START_MS, 100, 2, 1),
    (START_MS + 2 * HOUR_MS, 300, 40, 0),
)


def learned() -> Baseline:
    return Baseline(Past({}, HOUR_MS, Window(START_MS - 21 * DAY_MS, START_MS), 0))


def test_what_the_store_told_is_laid_out_bucket_by_bucket() -> None:
    found = history_of(ACTIVITY, Measure.VIOLATIONS, WINDOW, HOUR_MS, learned(), 0)

    assert (found.sure, found.probable, found.totals) == ((2, 0, 40, 0), (1, 0, 0, 0), (3, 0, 40, 0))
    assert [band.high for band in found.usual if band] == [0, 0, 0, 0]


def test_requests_have_no_probable_part() -> None:
    found = history_of(ACTIVITY, Measure.REQUESTS, WINDOW, HOUR_MS, learned(), 0)

    assert (found.sure, found.probable) == ((100, 0, 300, 0), (0, 0, 0, 0))


def test_buckets_before_anyone_listened_are_compared_with_nothing() -> None:
    found = history_of(ACTIVITY, Measure.VIOLATIONS, WINDOW, HOUR_MS, learned(), START_MS + 2 * HOUR_MS)

    assert [band is None for band in found.usual] == [True, True, False, False]


@pytest.mark.parametrize(
    ("measure", "counts"),
    [
        (Measure.VIOLATIONS, {START_MS: 3, START_MS + 2 * HOUR_MS: 40}),
        (Measure.REQUESTS, {START_MS: 100, START_MS + 2 * HOUR_MS: 300}),
    ],
)
def test_the_past_counts_what_is_measured(measure: Measure, counts: dict[int, int]) -> None:
    gap = Gap(source="gw-1", from_ms=5, to_ms=9, cause="restart")

    past = past_of(ACTIVITY, measure, HOUR_MS, WINDOW, 7, [gap])

    assert past == Past(counts, HOUR_MS, WINDOW, 7, ((5, 9),))
    assert counts_of(ACTIVITY, measure) == counts


def test_an_unfinished_bucket_is_not_called_low_yet() -> None:
    busy = Band(low=90, middle=100, high=110, samples=12, basis=Basis.HOUR_OF_WEEK)
    found = History(
        window=WINDOW,
        bucket_ms=HOUR_MS,
        measure=Measure.VIOLATIONS,
        sure=(100, 100, 100, 3),
        probable=(0,) * 4,
        usual=(busy,) * 4,
        known_from_ms=0,
    )

    assert found.standings(WINDOW.to_ms - 1)[-1] == Standing.USUAL
    assert found.standings(LATER_MS)[-1] == Standing.BELOW
