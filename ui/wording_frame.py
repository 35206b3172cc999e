"""Sentences of the frame around every page."""

from __future__ import annotations

from ui.live_state import Feed, FeedState
from ui.safe_text import visible
from ui.wording import ago, moment
from ui.wording_live import CAUSES, SAMPLE_NOTE, STOP_SAMPLE
from ui.zones import Zone

__all__ = ["SAMPLE_NOTE", "STOP_SAMPLE", "not_current", "tab_title", "too_slow", "unreadable"]

ADD_FILTER = "Filter"
CLEAR_FILTERS = "Clear all"
SHARE = "Share"
SHARE_HELP = "This address shows the same to anyone who can reach this dashboard."
SHARE_PINNED = "With the span as it is now (does not move with time)"
SHARE_MOVING = "With a span that moves with time"
SEARCH_HINT = "Name, address, range or id"
NOTHING_FOUND = "Nothing known matches. It can be filtered by all the same."


def tab_title(shown: str) -> str:
    """What the browser's tab, its history and a bookmark say: what is shown first, a tab is narrow."""
    return f"{visible(shown, 60)} · Gatewatch"


def not_current(feed: Feed, now_ms: int, zone: Zone) -> str:
    """Why the numbers of a page are not the present."""
    why = feed.detail or CAUSES[feed.cause] or "nothing arrives"
    if feed.as_of_ms is None:
        return f"Nothing has been received: {why}."
    seen = "We cannot see" if feed.state == FeedState.DISCONNECTED else "This is not the present"
    as_of = f"{moment(feed.as_of_ms, zone)}, {ago(feed.as_of_ms, now_ms)}"
    return f"{seen}: {why}. What is shown is as of {as_of}."


def too_slow(deadline_ms: int) -> str:
    """A read ran past its deadline."""
    return (
        f"The database did not answer within {deadline_ms / 1000:g} s, so this part is not shown. "
        "Choose a shorter span or fewer filters; the Health page shows how large the database is."
    )


def unreadable(problem: str) -> str:
    """The database cannot be read."""
    return f"The database cannot be read: {problem}. The Health page and the collector's log say more."
