"""What the page of one consumer or address reads, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.baseline import Basis, Standing
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window, bucket_width_ms
from storage.batches import Gap
from storage.rows import Entity, Series, SeriesGroup
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    live_freshness,
    source_state,
    totals,
)
from ui.history import Measure
from ui.portrait import MAX_BUCKETS, Portrait, listening_since_ms, read_portrait, snapped

DAY = Window(NOW_MS - DAY_MS, NOW_MS)


def hourly(window: Window, *_: Any) -> tuple[tuple[int, int, int, int], ...]:
    """Every hour 100 requests and 2 violations."""
    start_ms = -(-window.from_ms // HOUR_MS) * HOUR_MS
    return tuple((at, 100, 2, 0) for at in range(start_ms, window.to_ms, HOUR_MS))


def entity(**changes: Any) -> Entity:
    given: dict[str, Any] = {
        "dimension": Dimension.CONSUMER,
        "token": "acme",
        "id": "c-1",
        "label": "acme",
        "names": (),
        "deleted_ms": None,
        "attributes": {},
        "first_seen_ms": NOW_MS - 90 * DAY_MS,
        "last_seen_ms": NOW_MS,
    }
    return Entity(**(given | changes))


def read(reader: ScriptedReader, window: Window = DAY, known_from_ms: int = 0, **more: Any) -> Portrait:
    given: dict[str, Any] = {"filters": Filters()} | more
    return read_portrait(
        reader,  # type: ignore[arg-type]
        Dimension.CONSUMER,
        "acme",
        window,
        HOUR_MS,
        known_from_ms=known_from_ms,
        **given,
    )


def normal(**answers: Any) -> ScriptedReader:
    given: dict[str, Any] = {
        "activity": hourly,
        "resolve": entity(),
        "totals": totals(requests=2_400, limited=48),
    }
    return ScriptedReader(**(given | answers))


# ---- spans


@pytest.mark.parametrize("length_ms", [15 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS])
def test_a_moving_span_is_whole_buckets_that_end_with_the_one_that_is_not_over(length_ms: int) -> None:
    reader: Any = ScriptedReader()
    now_ms = NOW_MS + 1_234

    window, width_ms = snapped(reader, Window(now_ms - length_ms, now_ms), moves=True)

    assert window.from_ms % width_ms == window.to_ms % width_ms == 0
    assert window.to_ms - width_ms <= now_ms < window.to_ms
    assert window.length_ms >= length_ms
    assert window.length_ms // width_ms <= MAX_BUCKETS


def test_a_moving_span_stays_the_same_for_a_whole_bucket_so_that_viewers_share_it() -> None:
    reader: Any = ScriptedReader()
    spans = {
        snapped(reader, Window(at - DAY_MS, at), moves=True)
        for at in (NOW_MS, NOW_MS + 1, NOW_MS + 5 * MINUTE_MS - 1)
    }

    assert len(spans) == 1


def test_a_span_that_stands_still_is_widened_to_whole_buckets() -> None:
    reader: Any = ScriptedReader()

    window, width_ms = snapped(reader, Window(NOW_MS + 1, NOW_MS + HOUR_MS - 1), moves=False)

    assert (window, width_ms) == (Window(NOW_MS, NOW_MS + HOUR_MS), 30_000)


def test_bars_are_no_finer_than_what_the_store_still_has() -> None:
    """A minute's total in a bar of ten seconds would be called six times what it was."""
    reader: Any = ScriptedReader(width_ms=lambda _window, wanted_ms: max(wanted_ms, MINUTE_MS))

    window, width_ms = snapped(reader, Window(NOW_MS + 10_000, NOW_MS + 910_000), moves=False)

    assert width_ms == MINUTE_MS
    assert window == Window(NOW_MS, NOW_MS + 16 * MINUTE_MS)
    assert bucket_width_ms(Window(0, 900_000), MAX_BUCKETS) == 10_000


@pytest.mark.parametrize(
    ("oldest_ms", "since_ms"), [(None, NOW_MS - 9 * DAY_MS), (NOW_MS - 30 * DAY_MS, NOW_MS - 30 * DAY_MS)]
)
def test_silence_is_known_since_the_first_arrival_or_the_oldest_event(
    oldest_ms: int | None, since_ms: int
) -> None:
    sources = (source_state(first_received_ms=NOW_MS - 9 * DAY_MS), source_state(first_received_ms=NOW_MS))

    assert listening_since_ms(live_freshness(sources=sources), oldest_ms, NOW_MS) == since_ms
    assert listening_since_ms(NO_FRESHNESS, None, NOW_MS) == NOW_MS


# ---- one


def test_a_day_is_compared_with_eight_weeks_of_hours() -> None:
    portrait = read(normal())

    band = portrait.usual(Measure.VIOLATIONS)

    assert band is not None
    assert (band.middle, band.basis, band.samples) == (48, Basis.HOUR_OF_WEEK, 7)
    assert portrait.standing(Measure.VIOLATIONS) == Standing.USUAL


def test_more_than_usual_is_seen() -> None:
    portrait = read(normal(totals=totals(requests=2_400, limited=480)))

    assert portrait.standing(Measure.VIOLATIONS) == Standing.ABOVE
    assert portrait.standing(Measure.REQUESTS) == Standing.USUAL


def test_what_it_did_in_the_window_does_not_teach_what_is_usual() -> None:
    def busy_now(window: Window, *_: Any) -> tuple[tuple[int, int, int, int], ...]:
        return tuple((at, 100, 500 if at >= DAY.from_ms else 2, 0) for at, *_ in hourly(window))

    band = read(normal(activity=busy_now)).usual(Measure.VIOLATIONS)

    assert band is not None
    assert band.high == 48


def test_one_who_came_yesterday_is_not_judged() -> None:
    portrait = read(normal(resolve=entity(first_seen_ms=NOW_MS - DAY_MS)))

    assert portrait.usual(Measure.VIOLATIONS) is None
    assert portrait.standing(Measure.VIOLATIONS) == Standing.NEW


def test_unknown_requests_are_not_judged() -> None:
    portrait = read(normal(totals=totals(requests=None, limited=1)))

    assert portrait.standing(Measure.REQUESTS) == Standing.NEW


def test_hours_with_a_gap_are_no_samples_of_the_week() -> None:
    gap = Gap(source="a", from_ms=NOW_MS - 5 * HOUR_MS, to_ms=NOW_MS - 4 * HOUR_MS, cause="x")

    whole, holed = (read(normal(gaps=gaps)).week(Measure.REQUESTS).samples() for gaps in ((), (gap,)))

    assert len(whole) - len(holed) == 1


def test_the_history_lays_the_window_out_beside_what_is_usual() -> None:
    history = read(normal()).history(Measure.VIOLATIONS)

    assert (len(history.sure), sum(history.totals)) == (24, 48)
    assert all(band is not None and band.middle == 2 for band in history.usual)


def test_other_filters_are_asked_of_the_combinations() -> None:
    def series(window: Window, _filters: Filters, _group: object, bucket_ms: int) -> Series:
        count = window.length_ms // bucket_ms
        return Series(
            from_ms=window.from_ms,
            bucket_ms=bucket_ms,
            buckets=count,
            groups=(SeriesGroup(token="", label="", values=(3,) * count),),
            requests=(9,) * count,
        )

    reader = normal(series=series)
    portrait = read(reader, filters=Filters(((Dimension.SERVICE, "orders"), (Dimension.CONSUMER, "else"))))

    assert portrait.filters.to_params() == {"consumer": ["acme"], "service": ["orders"]}
    assert portrait.activity[0] == (DAY.from_ms, 9, 3, 0)
    assert not [name for name, _ in reader.asked if name == "activity"]


def test_a_range_of_addresses_is_asked_of_the_combinations() -> None:
    reader: Any = normal()
    read_portrait(reader, Dimension.IP, "10.0.0.0/16", DAY, HOUR_MS, filters=Filters(), known_from_ms=0)

    assert not [name for name, _ in reader.asked if name == "activity"]
    assert [args[1].to_params() for name, args in reader.asked if name == "series"] == [
        {"ip": ["10.0.0.0/16"]}
    ] * 3


def test_the_past_is_only_what_is_kept_in_buckets_of_that_width() -> None:
    kept_from_ms = NOW_MS - DAY_MS - 10 * HOUR_MS

    def width_ms(window: Window, wanted_ms: int) -> int:
        return wanted_ms if window.from_ms >= kept_from_ms else max(wanted_ms, DAY_MS)

    portrait = read(normal(width_ms=width_ms))

    assert portrait.learned_span.length_ms == 0
    assert portrait.learned == ()
    assert portrait.usual(Measure.VIOLATIONS) is None


def test_the_name_is_the_present_one_or_what_was_asked_for() -> None:
    assert read(normal(resolve=entity(label="acme-new"))).name == "acme-new"
    assert read(normal(resolve=None)).name == "acme"
