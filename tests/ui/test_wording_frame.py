from __future__ import annotations

from ui import wording_frame as words
from ui.live_state import Cause, Feed, FeedState
from ui.zones import UTC

NOW_MS = 1_768_296_600_000


def test_a_page_that_is_not_the_present_says_why_and_as_of_when() -> None:
    gone = Feed(
        state=FeedState.DISCONNECTED, as_of_ms=NOW_MS - 420_000, age_ms=420_000, cause=Cause.COLLECTOR_SILENT
    )

    assert words.not_current(gone, NOW_MS, UTC) == (
        "We cannot see: the collector is not running. "
        "What is shown is as of 2026-01-13 09:23:00 (UTC), 7 min ago."
    )


def test_without_anything_received_there_is_no_as_of() -> None:
    nothing = Feed(state=FeedState.WAITING, as_of_ms=None, age_ms=None, cause=Cause.NO_COLLECTOR)

    assert words.not_current(nothing, NOW_MS, UTC) == (
        "Nothing has been received: no collector has written to this database yet."
    )


def test_a_tab_says_first_what_it_shows_and_nothing_that_turns_text() -> None:
    assert words.tab_title("Consumers") == "Consumers · Gatewatch"
    assert words.tab_title("a\u202eb") == "a\\u202eb · Gatewatch"
    assert len(words.tab_title("x" * 500)) < 80


def test_failures_say_what_to_do() -> None:
    assert "within 2 s" in words.too_slow(2_000)
    assert "shorter span" in words.too_slow(2_000)
    assert "Health" in words.unreadable("no such table")
