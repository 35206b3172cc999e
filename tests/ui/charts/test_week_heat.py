"""The heat map of the week: where hours go, and that unknown is not zero."""

from __future__ import annotations

from domain.baseline import Past
from domain.windows import DAY_MS, HOUR_MS, Window
from ui.charts.week_heat import WeekGrid, week_figure, week_grid, week_sentence
from ui.zones import UTC, Zone

MONDAY_MS = 1_800_000_000_000 // (7 * DAY_MS) * 7 * DAY_MS + 4 * DAY_MS
"""A Monday at midnight, UTC: 1970 began on a Thursday."""
TWO_WEEKS = Window(MONDAY_MS, MONDAY_MS + 14 * DAY_MS)


def grid(counts: dict[int, int], zone: Zone = UTC, known_from_ms: int = 0, **more: object) -> WeekGrid:
    return week_grid(Past(counts, HOUR_MS, TWO_WEEKS, known_from_ms, **more), zone)  # type: ignore[arg-type]


def test_an_hour_is_the_mean_of_the_same_hours_that_are_known() -> None:
    found = grid({MONDAY_MS + 9 * HOUR_MS: 30, MONDAY_MS + 7 * DAY_MS + 9 * HOUR_MS: 10})

    assert found.mean(0, 9) == 20
    assert found.mean(0, 10) == 0
    assert (found.total, found.observed_hours) == (40, 336)


def test_hours_go_where_they_are_in_the_viewers_week() -> None:
    found = grid({MONDAY_MS + 23 * HOUR_MS: 5}, Zone("Asia/Tokyo"))

    assert found.mean(1, 8) == 2.5


def test_an_hour_that_was_never_watched_is_open_and_not_zero() -> None:
    found = grid({}, known_from_ms=MONDAY_MS + 13 * DAY_MS)
    figure = week_figure(found, "violations", "UTC")
    trace = figure["data"][0]

    assert trace["z"][0][0] is None
    assert trace["z"][6][0] == 0
    assert "not known" in trace["customdata"][0][0]
    assert trace["customdata"][6][0] == "Sun 00 to 01 h: 0 violations per hour, 1 such hour known"


def test_an_hour_with_a_gap_is_left_out_of_the_mean() -> None:
    nine_ms = MONDAY_MS + 9 * HOUR_MS
    found = grid({nine_ms: 2, nine_ms + 7 * DAY_MS: 8}, gaps=((nine_ms, nine_ms + 1),))

    assert found.mean(0, 9) == 8


def test_the_figure_names_its_units_and_its_zone_and_starts_at_zero() -> None:
    figure = week_figure(grid({MONDAY_MS: 4}), "violations", "Europe/Rome, UTC+01:00")
    trace, layout = figure["data"][0], figure["layout"]

    assert layout["xaxis"]["title"]["text"] == "hour of day (Europe/Rome, UTC+01:00)"
    assert layout["yaxis"]["title"]["text"] == "day"
    assert layout["yaxis"]["autorange"] == "reversed"
    assert trace["colorbar"]["title"]["text"] == "violations<br>per hour"
    assert (trace["zmin"], trace["zmax"]) == (0, 2)
    assert [len(row) for row in trace["z"]] == [24] * 7


def test_a_week_without_anything_still_has_a_scale() -> None:
    assert week_figure(grid({}), "violations", "UTC")["data"][0]["zmax"] == 1


def test_the_sentence_tells_the_busiest_hour_and_what_it_rests_on() -> None:
    busy = grid({MONDAY_MS + DAY_MS + 23 * HOUR_MS: 7})

    assert week_sentence(busy, "violations") == (
        "Busiest Tue 23 to 00 h: 3.5 violations per hour, 336 hours known."
    )
    assert week_sentence(grid({}), "violations") == (
        "No violations in any hour of the week, 336 hours known."
    )
    assert week_sentence(grid({}, known_from_ms=TWO_WEEKS.to_ms), "violations") == (
        "No hour of the week is known yet."
    )
