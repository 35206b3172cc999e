"""Pieces that the lists of one consumer or address share."""
# ruff: noqa: S106 - a token is what stands in a URL for a name

from __future__ import annotations

import pytest

from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.rows import PairRow
from ui.components.portrait_lists import Lists, asked_pairs, names_of, scope_words, seen_at
from ui.zones import UTC, Zone

MIDNIGHT_MS = 1_795_384_800_000 - 22 * HOUR_MS
PLACE = PairRow(
    token="orders",
    label="orders",
    id="s-1",
    by_token="list",
    by_label="list",
    by_id="r-1",
    requests=1,
    limited=0,
    probable=0,
    last_ms=0,
)
LISTS = Lists(others=(), services=(), limits=(), places=(PLACE, PLACE))


@pytest.mark.parametrize(
    ("at_ms", "window", "expected"),
    [
        pytest.param(
            MIDNIGHT_MS, Window(MIDNIGHT_MS - DAY_MS, MIDNIGHT_MS + DAY_MS), "2026-11-22", id="told by a day"
        ),
        pytest.param(
            MIDNIGHT_MS + HOUR_MS,
            Window(MIDNIGHT_MS + HOUR_MS, MIDNIGHT_MS + 5 * HOUR_MS),
            "2026-11-22 01-02 h",
            id="told by an hour",
        ),
        pytest.param(
            MIDNIGHT_MS + MINUTE_MS,
            Window(MIDNIGHT_MS + MINUTE_MS, MIDNIGHT_MS + 5 * MINUTE_MS),
            "2026-11-22 00:01",
            id="told by a minute",
        ),
        pytest.param(
            MIDNIGHT_MS + 10_000,
            Window(MIDNIGHT_MS + 10_000, MIDNIGHT_MS + 40_000),
            "2026-11-22 00:00:10",
            id="told by ten seconds",
        ),
    ],
)
def test_when_somebody_was_seen_is_no_more_precise_than_what_tells_it(
    at_ms: int, window: Window, expected: str
) -> None:
    assert seen_at(at_ms, window, UTC) == expected


def test_it_is_told_in_the_shown_zone() -> None:
    window = Window(MIDNIGHT_MS + HOUR_MS, MIDNIGHT_MS + 5 * HOUR_MS)

    assert seen_at(MIDNIGHT_MS + HOUR_MS, window, Zone("Asia/Tokyo")) == "2026-11-22 10-11 h"


def test_places_are_asked_about_once_each() -> None:
    assert asked_pairs(LISTS) == [("s-1", "r-1")]
    assert names_of(LISTS) == {"s-1": "service orders", "r-1": "route list"}


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ((None, None, None), "everywhere"),
        (("r-1", "s-1", None), "service orders, route list"),
        ((None, "s-9", "c-1"), "this consumer, s-9"),
    ],
)
def test_what_a_plugin_is_set_on_is_said(
    ids: tuple[str | None, str | None, str | None], expected: str
) -> None:
    assert scope_words(names_of(LISTS), *ids) == expected
