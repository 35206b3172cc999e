"""The line that says how current a page is. It ages by itself and asks for a refresh every few seconds.

Numbers on a page are as old as its last run; the line counts on in the browser, so that a page left open
never looks newer than it is. A page whose span moves is run again every ten seconds while it is looked at
and not paused.
"""

from __future__ import annotations

import functools
from typing import Any

from ui import wording_live as words
from ui.components.browser_part import declare
from ui.live_state import Feed
from ui.safe_text import visible
from ui.server.assets import browser_path
from ui.zones import Zone

REFRESH_EVERY_MS = 10_000

CSS = """
:host { display: block; }
.gw-fresh {
  display: flex; gap: .75rem; align-items: baseline; font-size: 13px; color: var(--st-gray-text-color);
}
.gw-fresh .state { font-weight: 600; color: var(--st-text-color); }
.gw-fresh .state[data-state=live] .icon { color: var(--st-green-color); }
.gw-fresh .state[data-state=delayed] .icon { color: var(--st-orange-color); }
.gw-fresh .state[data-state=stale] .icon, .gw-fresh .state[data-state=disconnected] .icon {
  color: var(--st-red-color);
}
.gw-fresh button {
  font: inherit; color: var(--st-link-color); background: none; border: 0; padding: 0; cursor: pointer;
}
.gw-fresh button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
HTML = '<div class="gw-fresh" role="status"></div>'


@functools.cache
def _component() -> Any:
    return declare("freshness", HTML, CSS)


def freshness_line(feed: Feed, now_ms: int, zone: Zone, *, moves: bool) -> None:
    """Draw the line. `moves`: whether the page's span does, so that it is worth a refresh."""
    icon, word = words.FEED_WORDS[feed.state]
    _component()(
        key="gw-freshness",
        data={
            "module": browser_path("freshness.js"),
            "state": str(feed.state),
            "icon": icon,
            "word": word,
            "why": visible(feed.detail or words.CAUSES[feed.cause], 300),
            "heardMs": feed.as_of_ms,
            "nowMs": now_ms,
            "zone": zone.name,
            "zoneLabel": zone.label(now_ms),
            "everyMs": REFRESH_EVERY_MS if moves else None,
        },
        on_refresh_change=_nothing,
    )


def _nothing() -> None:
    """The run that the trigger causes is all that is wanted."""
