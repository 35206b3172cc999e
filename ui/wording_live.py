"""Every sentence of the Live page.

Sentences go out once for all who watch, so they hold no zone and no age: `{at:MS}` stands for an instant and
`{ago:MS}` for the time since it; the browser writes both, the first in its viewer's zone.
"""

from __future__ import annotations

from domain.filters import Dimension
from ui.live_state import Cause, Feed, FeedState, Screen
from ui.wording import SINGULARS, count, per, span

NOTHING_YET = "nothing had been received yet"
NOTHING_SINCE = "nothing has been received since"
NOTHING_HEARD = "nothing received in this span"
TOO_MANY = "at least: too many to name"
"""By a count of different names, where there were more than are told apart."""

TOP_GROUPS = 5
"""Told apart in the main chart; the rest is Other."""

FEED_WORDS = {
    FeedState.WAITING: ("○", "Waiting"),
    FeedState.LIVE: ("●", "Live"),
    FeedState.DELAYED: ("◐", "Delayed"),
    FeedState.STALE: ("▲", "Stale"),
    FeedState.DISCONNECTED: ("✕", "Disconnected"),
}
"""Icon and word, always together: a colour alone says nothing to one man in twelve."""

CAUSES = {
    Cause.NONE: "",
    Cause.NO_COLLECTOR: "no collector has written to this database yet",
    Cause.COLLECTOR_SILENT: "the collector is not running",
    Cause.CANNOT_STORE: "the collector cannot store what arrives",
    Cause.SENDERS_GONE: "every sender is disconnected",
    Cause.NOTHING_ARRIVES: "nothing arrives; Kong's http-log is silent too when no request comes",
}

HTTP_LOG_SNIPPET = """\
curl -sS -X POST http://localhost:8001/plugins \\
  -H 'content-type: application/json' -d '
  {"name": "http-log",
   "config": {"http_endpoint": "http://ADDRESS/intake/http-log",
     "queue": {"max_batch_size": 200, "max_coalescing_delay": 1, "max_retry_time": 300}}}'
"""
EMPTY_TITLE = "Nothing has been received yet"
EMPTY_STEPS = (
    "Tell Kong to report here. Its own http-log plugin is enough; run this where Kong's Admin API answers:",
    "Send a request through Kong. It shows up here about a second later.",
    "Refused requests are judged, stored and drawn by themselves; docs/connect-kong.md has more ways in.",
)
PLAY_SAMPLE = "Play a recorded Kong trace"
SAMPLE_NOTE = "Recorded sample, not your Kong"
STOP_SAMPLE = "Back to your own data"


def change(now: float | None, before: float | None, length_ms: int) -> tuple[str, str]:
    """(direction, sentence) against the span before; direction is `up`, `down`, `same` or `none`."""
    if now is None or before is None:
        return "none", ""
    against = f"vs {span(length_ms)} before"
    if now == before:
        return "same", f"same as {span(length_ms)} before"
    if before == 0:
        return "up", f"none {span(length_ms)} before"
    direction = "up" if now > before else "down"
    sign = "+" if now > before else "\N{MINUS SIGN}"
    factor = now / before
    if abs(factor - 1) < 0.005:  # noqa: PLR2004 - it would be read as 0 %
        return "same", f"about the same as {span(length_ms)} before"
    if factor >= 10:  # noqa: PLR2004 - 1,200 % is read more slowly than 13 times
        return direction, f"{factor:,.0f} x {against}"
    return direction, f"{sign}{abs(factor - 1) * 100:.0f} % {against}"


def screen_sentence(
    screen: Screen, feed: Feed, unfiltered: int | None, length_ms: int, heard_from_ms: int | None = None
) -> str:
    """What a screen that is not the normal one says; empty for the normal one.

    `heard_from_ms` is when the first thing ever was heard, where that is later than the span's begin.
    """
    why = feed.detail or CAUSES[feed.cause]
    since = "" if feed.as_of_ms is None else f"since {{at:{feed.as_of_ms}}} ({{ago:{feed.as_of_ms}}})"
    as_of = "" if feed.as_of_ms is None else f" What is shown is as of {{at:{feed.as_of_ms}}}."
    if screen in (Screen.BLIND, Screen.STALE):
        return f"Nothing received {since}: {why}.{as_of}"
    if screen == Screen.FILTERED:
        return f"0 of {count(unfiltered)} violations match the filters."
    if screen == Screen.UNHEARD:
        return "No violation is known of this span, but nothing was heard in all or some of it."
    if screen == Screen.QUIET:
        heard = "" if feed.as_of_ms is None else f" Last sign of life {{ago:{feed.as_of_ms}}}."
        if heard_from_ms is not None:
            return f"No violations since {{at:{heard_from_ms}}}; nothing had been heard before.{heard}"
        return f"No violations in {span(length_ms)}.{heard}"
    return ""


def chart_title(group: Dimension, bucket_ms: int, groups: int) -> str:
    """The main chart's heading."""
    return f"Violations per {per(bucket_ms)} by {SINGULARS[group]}" + (
        ", top 5 and Other" if groups > TOP_GROUPS else ""
    )
