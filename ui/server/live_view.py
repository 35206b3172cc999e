"""One subscription computed from a reader: a full picture, and the small news in between.

Every method reads; the hub calls them on the store's own thread, never two at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.filters import OTHER_TOKEN, Dimension, Filters
from domain.windows import MINUTE_MS, Window, ceil_ms, floor_ms
from storage.alert_rows import StoredIncident
from storage.protocol import Reader
from storage.rows import EventQuery, Freshness, Totals
from ui import wording_live as words
from ui.charts.axes import assign_colours, mark_key
from ui.charts.live import live_figure
from ui.live_state import decide_screen, heard_span, listening_since_ms
from ui.server.attention import Alerts, NoAlerts, alert_markers, attention
from ui.server.live_frame import TOP_ROWS, TOPS, feed_now, screen_json, tail_json, top_json
from ui.server.node_line import node_line
from ui.server.subscription import Subscription
from ui.server.tiles import Hearing, Numbers, tiles
from ui.unheard import unheard

TAIL_ROWS = 200
SPARK_POINTS = 15
AHEAD_MS = 5 * MINUTE_MS
"""How far ahead a sender's clock may run and its events still belong to a window that ends now."""


def hearing_of(span: Window, heard: Window) -> Hearing:
    """How much of a span we can vouch for."""
    if heard.from_ms <= span.from_ms and span.to_ms <= heard.to_ms:
        return Hearing.WHOLE
    inside = min(span.to_ms, heard.to_ms) > max(span.from_ms, heard.from_ms)
    return Hearing.PART if inside else Hearing.NONE


class LiveView:
    """Keeps only what the next picture can build on: colours, slices of the sparklines, the tail."""

    def __init__(
        self, subscription: Subscription, reader: Reader, http: str, alerts: Alerts | None = None
    ) -> None:
        self.subscription = subscription
        self._id = subscription.view_id
        self._reader = reader
        self._alerts = alerts or NoAlerts()
        self._http = http
        self._colours: dict[Dimension, dict[str, str]] = {}
        self._slices: dict[int, Totals] = {}
        self._tail: list[dict[str, Any]] = []
        self._last_seq = 0
        self._screen: dict[str, Any] | None = None

    def fresh(self, freshness: Freshness, now_ms: int) -> dict[str, Any]:
        """How current everything is; no query of its own."""
        _, shown = feed_now(freshness, now_ms)
        return {"t": "fresh", "view": self._id, "now_ms": now_ms, "feed": shown}

    def news(self, now_ms: int) -> dict[str, Any] | None:
        """Rows of the tail that came since the last call, newest first; None when there are none."""
        window = self.subscription.window(now_ms)
        query = EventQuery(
            window=Window(window.from_ms, window.to_ms + AHEAD_MS),
            filters=self.subscription.filters,
            violations_only=True,
        )
        rows = self._reader.tail(query, self._last_seq, TAIL_ROWS)
        if not rows:
            return None
        self._last_seq = rows[0].seq
        shown = [tail_json(row) for row in rows]
        self._tail = (shown + self._tail)[:TAIL_ROWS]
        return {"t": "tail", "view": self._id, "now_ms": now_ms, "rows": shown}

    def whole_tail(self) -> dict[str, Any]:
        """The newest rows, for someone who has just come or fallen behind."""
        return {"t": "tail", "view": self._id, "whole": True, "rows": self._tail}

    def full(self, freshness: Freshness, now_ms: int, live: Sequence[StoredIncident] = ()) -> dict[str, Any]:
        """The whole picture. `live`: the alerts that are not over."""
        sub, window = self.subscription, self.subscription.window(now_ms)
        totals = self._reader.totals(window, sub.filters)
        unfiltered = self._reader.totals(window, Filters()).violations if sub.filters else None
        feed, feed_shown = feed_now(freshness, now_ms)
        heard = heard_span(feed, self._since_ms(freshness, window, now_ms), now_ms)
        screen = decide_screen(
            feed,
            sub.filters,
            totals.violations,
            unfiltered,
            is_past=sub.is_past(now_ms),
            is_heard=hearing_of(window, heard) == Hearing.WHOLE,
        )
        return {
            "t": "full",
            "view": self._id,
            "now_ms": now_ms,
            "from_ms": window.from_ms,
            "to_ms": window.to_ms,
            "bucket_ms": sub.bucket_ms,
            "past": sub.is_past(now_ms),
            "feed": feed_shown,
            "screen": screen_json(
                screen,
                feed,
                sub.filters,
                unfiltered,
                window.length_ms,
                self._http,
                heard.from_ms if heard.from_ms > window.from_ms else None,
            ),
            "matching": None if unfiltered is None else f"{totals.violations:,} of {unfiltered:,} violations",
            "attention": attention(live),
            "tiles": tiles(self._numbers(totals, freshness, heard, now_ms)),
            **self._chart(window, heard, now_ms),
            "nodes": node_line(self._reader.nodes(now_ms), now_ms),
            "tops": [self._top(dimension, window) for dimension in TOPS],
        }

    def _since_ms(self, freshness: Freshness, window: Window, now_ms: int) -> int:
        """Since when silence is known to be silence. A recorded past that was replayed counts as heard."""
        since_ms = listening_since_ms(freshness, None, now_ms)
        if since_ms <= window.from_ms - window.length_ms:
            return since_ms
        return listening_since_ms(freshness, self._reader.health().oldest_event_ms, now_ms)

    def _numbers(self, totals: Totals, freshness: Freshness, heard: Window, now_ms: int) -> Numbers:
        sub, window = self.subscription, self.subscription.window(now_ms)
        before = sub.previous(now_ms)
        hearing = hearing_of(Window(window.from_ms, max(window.from_ms, min(window.to_ms, now_ms))), heard)
        is_comparable = hearing == Hearing.WHOLE and heard.from_ms <= before.from_ms
        return Numbers(
            now=totals,
            before=self._reader.totals(before, sub.filters) if is_comparable else None,
            spark=self._spark(window, heard),
            freshness=freshness,
            hearing=hearing,
            is_filtered=bool(sub.filters),
            length_ms=window.length_ms,
        )

    def _spark(self, window: Window, heard: Window) -> tuple[Totals | None, ...]:
        """Slices that are over are kept; the two newest are read again, for what arrives late.

        None for a slice in which nobody listened.
        """
        width_ms = ceil_ms(max(1, window.length_ms // SPARK_POINTS), self.subscription.bucket_ms)
        starts = range(floor_ms(window.from_ms, width_ms), window.to_ms, width_ms)
        kept = {start: self._slices[start] for start in starts[:-2] if start in self._slices}
        for start in starts:
            if start not in kept:
                kept[start] = self._reader.totals(Window(start, start + width_ms), self.subscription.filters)
        self._slices = kept
        return tuple(
            kept[start] if start + width_ms > heard.from_ms and start <= heard.to_ms else None
            for start in starts
        )

    def _chart(self, window: Window, heard: Window, now_ms: int) -> dict[str, Any]:
        sub = self.subscription
        series = self._reader.series(window, sub.filters, sub.group, sub.bucket_ms)
        tokens = [row.token for row in series.groups]
        colours = assign_colours(sub.group, tokens, self._colours.get(sub.group))
        self._colours[sub.group] = colours
        markers = [*self._reader.markers(window), *unheard(window, heard, now_ms)]
        markers += alert_markers(self._alerts.between(window.from_ms, window.to_ms), window)
        return {
            "title": words.chart_title(sub.group, series.bucket_ms, len(series.groups)),
            "group": str(sub.group),
            "key": mark_key(markers),
            "figure": live_figure(series, markers, sub.group, colours, now_ms),
        }

    def _top(self, dimension: Dimension, window: Window) -> dict[str, Any]:
        top = self._reader.top(dimension, window, self.subscription.filters, TOP_ROWS)
        colours = self._colours.get(dimension, {}) if dimension == self.subscription.group else {}
        shown = {token: colour for token, colour in colours.items() if token != OTHER_TOKEN}
        return top_json(dimension, top, shown)
