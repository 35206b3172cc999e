from __future__ import annotations

import pytest

from domain.filters import Dimension
from domain.windows import MINUTE_MS
from ui import wording_live as words
from ui.live_state import Cause, Feed, FeedState, Screen

SPAN_MS = 15 * MINUTE_MS


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (None, 5, ("none", "")),
        (5, None, ("none", "")),
        (5, 5, ("same", "same as 15 min before")),
        (0, 0, ("same", "same as 15 min before")),
        (5, 0, ("up", "none 15 min before")),
        (0, 5, ("down", "\N{MINUS SIGN}100 % vs 15 min before")),
        (1001, 1000, ("same", "about the same as 15 min before")),
        (412, 100, ("up", "+312 % vs 15 min before")),
        (50, 100, ("down", "\N{MINUS SIGN}50 % vs 15 min before")),
        (1200, 100, ("up", "12 x vs 15 min before")),
    ],
)
def test_a_change_is_said_against_the_span_before(
    now: float | None, before: float | None, expected: tuple[str, str]
) -> None:
    assert words.change(now, before, SPAN_MS) == expected


def feed(state: FeedState, cause: Cause = Cause.NONE, detail: str = "") -> Feed:
    return Feed(state=state, as_of_ms=1000, age_ms=5, cause=cause, detail=detail)


def test_every_screen_but_the_normal_one_says_something_of_its_own() -> None:
    silent = feed(FeedState.STALE, Cause.NOTHING_ARRIVES)
    gone = feed(FeedState.DISCONNECTED, Cause.COLLECTOR_SILENT)

    said = {
        screen: words.screen_sentence(screen, gone if screen == Screen.BLIND else silent, 9, SPAN_MS)
        for screen in Screen
    }

    assert said[Screen.NORMAL] == said[Screen.EMPTY] == ""
    assert "the collector is not running" in said[Screen.BLIND]
    assert "{at:1000}" in said[Screen.BLIND]
    assert "nothing arrives" in said[Screen.STALE]
    assert said[Screen.FILTERED] == "0 of 9 violations match the filters."
    assert said[Screen.QUIET] == "No violations in 15 min. Last sign of life {ago:1000}."


def test_quiet_goes_back_no_further_than_anything_was_heard() -> None:
    live = feed(FeedState.LIVE)

    said = words.screen_sentence(Screen.QUIET, live, None, SPAN_MS, heard_from_ms=900)

    assert (
        said == "No violations since {at:900}; nothing had been heard before. Last sign of life {ago:1000}."
    )


def test_the_collectors_own_reason_goes_before_ours() -> None:
    full = feed(FeedState.STALE, Cause.CANNOT_STORE, "the disk is full")

    assert "the disk is full" in words.screen_sentence(Screen.STALE, full, None, SPAN_MS)


def test_every_state_and_cause_has_its_words() -> None:
    assert set(words.FEED_WORDS) == set(FeedState)
    assert set(words.CAUSES) == set(Cause)
    icons = [icon for icon, _ in words.FEED_WORDS.values()]
    assert len(set(icons)) == len(icons)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [(5, "Violations per 10 s by address"), (6, "Violations per 10 s by address, top 5 and Other")],
)
def test_the_chart_says_what_it_counts_per_what_and_by_what(groups: int, expected: str) -> None:
    assert words.chart_title(Dimension.IP, 10_000, groups) == expected
