"""What is usual, and when nothing may be called so."""

from __future__ import annotations

import random

import pytest

from domain import baseline
from domain.baseline import Band, Baseline, Basis, Past, Standing, judge, learning_span_ms, usual_total
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window

WEEK_MS = 7 * DAY_MS
NOW_MS = 3_000 * WEEK_MS


def weeks(count: int, of_hour: dict[int, int], **known: object) -> Past:
    """A past of whole weeks up to NOW_MS, the same every week: hour of the week -> count."""
    start_ms = NOW_MS - count * WEEK_MS
    counts = {
        start_ms + week * WEEK_MS + hour * HOUR_MS: n for week in range(count) for hour, n in of_hour.items()
    }
    given: dict[str, object] = {"known_from_ms": 0, "gaps": ()} | known
    return Past(counts, HOUR_MS, Window(start_ms, NOW_MS), **given)  # type: ignore[arg-type]


def test_a_busy_hour_of_the_week_is_usual_in_that_hour_and_not_in_others() -> None:
    learned = Baseline(weeks(4, {9: 50, 10: 50, 11: 50}))

    monday = learned.band_at(NOW_MS + 10 * HOUR_MS)
    tuesday = learned.band_at(NOW_MS + DAY_MS + 10 * HOUR_MS)

    assert learned.basis == Basis.HOUR_OF_WEEK
    assert monday == Band(low=50, middle=50, high=50, samples=12, basis=Basis.HOUR_OF_WEEK)
    assert tuesday is not None
    assert tuesday.high == 0


def test_an_hour_learns_from_its_neighbours_across_the_end_of_the_week() -> None:
    learned = Baseline(weeks(3, {167: 30}))

    band = learned.band_at(NOW_MS)

    assert band is not None
    assert (band.samples, band.middle, band.high) == (9, 0, 30)


def test_hours_that_a_gap_touches_are_no_samples() -> None:
    gap = (NOW_MS - WEEK_MS + 9 * HOUR_MS + 1, NOW_MS - WEEK_MS + 10 * HOUR_MS + 1)
    whole, holed = Baseline(weeks(3, {})), Baseline(weeks(3, {}, gaps=(gap,)))

    whole_band, holed_band = whole.band_at(NOW_MS + 10 * HOUR_MS), holed.band_at(NOW_MS + 10 * HOUR_MS)

    assert whole_band is not None
    assert holed_band is not None
    assert (whole_band.samples, holed_band.samples) == (9, 7)
    assert whole.observed_ms - holed.observed_ms == 2 * HOUR_MS


def test_a_gap_without_length_still_spoils_its_hour() -> None:
    at_ms = NOW_MS - WEEK_MS

    assert at_ms not in dict(weeks(3, {}, gaps=((at_ms, at_ms),)).samples())


def test_silence_before_anyone_listened_is_not_zero() -> None:
    known_from_ms = NOW_MS - 2 * DAY_MS - 1

    samples = weeks(4, {}, known_from_ms=known_from_ms).samples()

    assert len(samples) == 48
    assert samples[0][0] >= known_from_ms


@pytest.mark.parametrize(
    ("known_ms", "basis"),
    [
        pytest.param(23 * HOUR_MS, Basis.NONE, id="under two dozen samples: nothing is usual"),
        pytest.param(24 * HOUR_MS, Basis.LEVEL, id="a day: one level"),
        pytest.param(3 * DAY_MS - HOUR_MS, Basis.LEVEL, id="nearly three days: one level"),
        pytest.param(3 * DAY_MS, Basis.HOUR_OF_DAY, id="three days: hours of the day"),
        pytest.param(14 * DAY_MS - HOUR_MS, Basis.HOUR_OF_DAY, id="nearly two weeks: hours of the day"),
        pytest.param(14 * DAY_MS, Basis.HOUR_OF_WEEK, id="two weeks: hours of the week"),
    ],
)
def test_the_comparison_gets_finer_as_more_is_known(known_ms: int, basis: Basis) -> None:
    learned = Baseline(weeks(4, {}, known_from_ms=NOW_MS - known_ms))

    band = learned.band_at(NOW_MS)

    assert learned.basis == basis
    assert (band.basis if band else Basis.NONE) == basis


def test_a_slot_that_gaps_left_too_empty_falls_back_to_the_hour_of_the_day() -> None:
    gaps = tuple((NOW_MS - n * WEEK_MS, NOW_MS - n * WEEK_MS + 3 * HOUR_MS) for n in (1, 2))
    learned = Baseline(weeks(3, {}, gaps=gaps))

    band = learned.band_at(NOW_MS + HOUR_MS)

    assert learned.basis == Basis.HOUR_OF_WEEK
    assert band is not None
    assert band.basis == Basis.HOUR_OF_DAY


def test_buckets_finer_than_an_hour_learn_from_the_whole_hour() -> None:
    start_ms = NOW_MS - WEEK_MS
    width_ms = 5 * MINUTE_MS
    counts = {start_ms + i * width_ms: i % 12 for i in range(7 * 24 * 12)}
    learned = Baseline(Past(counts, width_ms, Window(start_ms, NOW_MS), 0))

    band = learned.band_at(NOW_MS + 13 * HOUR_MS + 35 * MINUTE_MS)

    assert band is not None
    assert band == Band(low=1, middle=5.5, high=10, samples=252, basis=Basis.HOUR_OF_DAY)


@pytest.mark.parametrize("width_ms", [DAY_MS, WEEK_MS, 14 * DAY_MS])
def test_wide_buckets_are_compared_with_what_their_width_can_tell_apart(width_ms: int) -> None:
    start_ms = NOW_MS - 40 * width_ms
    learned = Baseline(Past({}, width_ms, Window(start_ms, NOW_MS), 0))

    band = learned.band_at(NOW_MS)

    assert band is not None
    assert band.basis == (Basis.HOUR_OF_WEEK if width_ms == DAY_MS else Basis.LEVEL)


def test_a_day_is_compared_with_the_same_weekday() -> None:
    past = weeks(4, dict.fromkeys(range(24), 100))

    monday = usual_total(past, Window(NOW_MS, NOW_MS + DAY_MS))
    tuesday = usual_total(past, Window(NOW_MS + DAY_MS, NOW_MS + 2 * DAY_MS))

    assert monday is not None
    assert tuesday is not None
    assert (monday.middle, monday.samples, monday.basis) == (2400, 4, Basis.HOUR_OF_WEEK)
    assert tuesday.middle == 0


def test_a_young_past_compares_with_the_days_there_are() -> None:
    past = weeks(4, dict.fromkeys(range(168), 1), known_from_ms=NOW_MS - 5 * DAY_MS)

    band = usual_total(past, Window(NOW_MS, NOW_MS + HOUR_MS))

    assert band == Band(low=1, middle=1, high=1, samples=5, basis=Basis.HOUR_OF_DAY)


def test_a_past_of_hours_compares_with_the_spans_right_before() -> None:
    past = weeks(1, dict.fromkeys(range(168), 3), known_from_ms=NOW_MS - 6 * HOUR_MS)

    band = usual_total(past, Window(NOW_MS, NOW_MS + HOUR_MS))

    assert band == Band(low=3, middle=3, high=3, samples=6, basis=Basis.LEVEL)


def test_a_week_is_compared_with_earlier_weeks() -> None:
    band = usual_total(weeks(5, {3: 7}), Window(NOW_MS, NOW_MS + WEEK_MS))

    assert band == Band(low=7, middle=7, high=7, samples=5, basis=Basis.HOUR_OF_WEEK)


def test_earlier_spans_that_lie_in_gaps_are_not_compared_with() -> None:
    gap = (NOW_MS - DAY_MS, NOW_MS - DAY_MS + 3 * HOUR_MS)
    past = weeks(1, dict.fromkeys(range(168), 1), gaps=(gap,))

    band = usual_total(past, Window(NOW_MS, NOW_MS + DAY_MS))

    assert band is not None
    assert (band.middle, band.samples) == (24, 6)


def test_a_window_that_is_part_of_what_was_read_does_not_judge_itself() -> None:
    past = weeks(4, dict.fromkeys(range(168), 2))
    window = Window(NOW_MS - DAY_MS, NOW_MS)

    band = usual_total(past, window)

    assert band is not None
    assert band.samples == 3


def test_an_end_that_cuts_a_bucket_takes_its_share() -> None:
    past = weeks(1, {hour: 8 if hour % 2 else 2 for hour in range(168)})
    half_hour = HOUR_MS // 2

    band = usual_total(past, Window(NOW_MS + half_hour, NOW_MS + HOUR_MS + half_hour))

    assert band is not None
    assert (band.low, band.middle, band.high) == (5, 5, 5)


def test_nothing_is_usual_for_one_who_came_an_hour_ago() -> None:
    past = weeks(4, {}, known_from_ms=NOW_MS - HOUR_MS)

    assert usual_total(past, Window(NOW_MS, NOW_MS + DAY_MS)) is None
    assert usual_total(past, Window(NOW_MS, NOW_MS)) is None


@pytest.mark.parametrize(
    ("count", "usual", "standing"),
    [
        (0, (0, 0, 0), Standing.USUAL),
        (9, (0, 0, 0), Standing.USUAL),
        (10, (0, 0, 0), Standing.ABOVE),
        (120, (90, 100, 110), Standing.USUAL),
        (141, (90, 100, 110), Standing.ABOVE),
        (59, (90, 100, 110), Standing.BELOW),
        (300, (0, 100, 400), Standing.USUAL),
        (0, (0, 2, 5), Standing.USUAL),
    ],
)
def test_a_count_is_unusual_when_it_is_far_off_and_not_tiny(
    count: int, usual: tuple[int, int, int], standing: Standing
) -> None:
    low, middle, high = usual

    assert judge(count, Band(low=low, middle=middle, high=high, samples=9, basis=Basis.LEVEL)) == standing


def test_without_a_past_a_count_is_neither_usual_nor_unusual() -> None:
    assert judge(1_000_000, None) == Standing.NEW


def test_a_steady_source_is_hardly_ever_called_unusual() -> None:
    """Poisson noise alone: four sigmas of a month of hours."""
    rng = random.Random(7)  # noqa: S311 - noise, not a secret

    def draw() -> int:
        return sum(1 for _ in range(200) if rng.random() < 0.1)

    counts = {NOW_MS - (i + 1) * HOUR_MS: draw() for i in range(8 * 168)}
    learned = Baseline(Past(counts, HOUR_MS, Window(NOW_MS - 8 * WEEK_MS, NOW_MS), 0))
    called = [
        hour
        for hour in range(720)
        if judge(draw(), learned.band_at(NOW_MS + hour * HOUR_MS)) != Standing.USUAL
    ]

    assert len(called) <= 1


def test_the_past_that_is_read_is_what_the_store_still_has() -> None:
    spans = [learning_span_ms(width) for width in (10_000, MINUTE_MS, 30 * MINUTE_MS, HOUR_MS, DAY_MS)]

    assert spans == [DAY_MS, WEEK_MS, WEEK_MS, 8 * WEEK_MS, 8 * WEEK_MS]
    assert baseline.learning_span_ms(MINUTE_MS) // MINUTE_MS == 10_080
