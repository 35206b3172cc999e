"""One consumer or address as its page shows it: everything that is read, and what follows from it.

Pure but for the reader.
"""

from __future__ import annotations

import dataclasses

from domain.baseline import Band, Baseline, Past, Standing, judge, learning_span_ms, usual_total
from domain.egress import range_of
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, Window, bucket_width_ms, ceil_ms, floor_ms
from storage.batches import Gap
from storage.protocol import Reader
from storage.rows import Entity, Freshness, Marker, Totals
from ui.history import Activity, History, Measure, history_of, past_of

WEEKS_SHOWN = 8
MAX_GAPS = 1_000
MAX_BUCKETS = 200
"""Bars of a page's history: each still 4 px wide at 1024 px."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What is known of one consumer or address in a span."""

    dimension: Dimension
    token: str
    entity: Entity | None
    """None when nothing is known of it."""
    window: Window
    """Whole buckets."""
    bucket_ms: int
    filters: Filters
    """The page's, and this one."""
    totals: Totals
    activity: Activity
    """In the window, per bucket."""
    learned: Activity
    """Before the window, per bucket."""
    learned_span: Window
    hours: Activity
    """Up to the window's end, per hour."""
    hours_span: Window
    gaps: tuple[Gap, ...]
    markers: tuple[Marker, ...]
    known_from_ms: int
    """Before this nobody listened."""
    known_to_ms: int | None
    """After this nothing was heard any more; None while something is."""
    born_ms: int
    """Before this there is nothing to learn from: nobody listened, or it had never been seen."""

    @property
    def is_unheard(self) -> bool:
        """The whole window lies before the first arrival, or after the last sign of life."""
        is_later = self.known_to_ms is not None and self.known_to_ms <= self.window.from_ms
        return is_later or self.window.to_ms <= self.known_from_ms

    @property
    def name(self) -> str:
        """What people call it."""
        return self.entity.label if self.entity is not None else self.token

    def history(self, measure: Measure) -> History:
        """Its history beside what was usual before the window."""
        past = past_of(self.learned, measure, self.bucket_ms, self.learned_span, self.born_ms, self._missing)
        return history_of(
            self.activity, measure, self.window, self.bucket_ms, Baseline(past), self.known_from_ms
        )

    @property
    def _missing(self) -> tuple[Gap, ...]:
        """Gaps, and what came after the last sign of life: neither is a past to learn from."""
        to_ms = self.hours_span.to_ms
        if self.known_to_ms is None or self.known_to_ms >= to_ms:
            return self.gaps
        return (*self.gaps, Gap(source="", from_ms=self.known_to_ms, to_ms=to_ms, cause="nothing heard"))

    def week(self, measure: Measure) -> Past:
        """Its hours of the last weeks, for the map of the week; the last one may not be over."""
        to_ms = self.hours_span.to_ms
        if self.known_to_ms is not None:
            to_ms = max(self.hours_span.from_ms, min(to_ms, ceil_ms(self.known_to_ms, HOUR_MS)))
        span = Window(self.hours_span.from_ms, to_ms)
        return past_of(self.hours, measure, HOUR_MS, span, self.known_from_ms, self.gaps)

    def usual(self, measure: Measure) -> Band | None:
        """What spans as long as the window came to before it; None when too little is known."""
        if self.window.length_ms >= HOUR_MS:
            from_ms = self.hours_span.from_ms
            before = Window(from_ms, max(from_ms, self.window.from_ms))
            past = past_of(self.hours, measure, HOUR_MS, before, self.born_ms, self._missing)
        else:
            past = past_of(
                self.learned, measure, self.bucket_ms, self.learned_span, self.born_ms, self._missing
            )
        return usual_total(past, self.window)

    def standing(self, measure: Measure) -> Standing:
        """Whether the window's total is out of the ordinary."""
        total = self.totals.violations if measure == Measure.VIOLATIONS else self.totals.requests
        return Standing.NEW if total is None else judge(total, self.usual(measure))


def snapped(reader: Reader, window: Window, *, moves: bool) -> tuple[Window, int]:
    """A page's span as whole buckets, and their width, so that bars add up to totals.

    One that moves ends with the bucket that is not over yet, and keeps its length; that way it stays the same
    for as long as that bucket lasts, and viewers share what is read for it. Buckets are wider than the span
    would need where the store keeps no finer totals of it any more.
    """
    width_ms = reader.width_ms(window, bucket_width_ms(window, MAX_BUCKETS))
    shown = _whole(window, width_ms, moves=moves)
    kept_ms = reader.width_ms(shown, width_ms)
    return (shown, width_ms) if kept_ms == width_ms else (_whole(window, kept_ms, moves=moves), kept_ms)


def _whole(window: Window, width_ms: int, *, moves: bool) -> Window:
    if not moves:
        return Window(window.from_ms, max(window.to_ms, window.from_ms + 1)).aligned(width_ms)
    buckets = max(1, ceil_ms(window.length_ms, width_ms) // width_ms)
    end_ms = floor_ms(window.to_ms, width_ms) + width_ms
    return Window(end_ms - buckets * width_ms, end_ms)


def listening_since_ms(freshness: Freshness, oldest_event_ms: int | None, now_ms: int) -> int:
    """Since when silence means that nothing happened; the present when nothing was ever received."""
    since = [source.first_received_ms for source in freshness.sources]
    if oldest_event_ms is not None:
        since.append(oldest_event_ms)
    return min(since, default=now_ms)


def read_portrait(
    reader: Reader,
    dimension: Dimension,
    token: str,
    window: Window,
    bucket_ms: int,
    *,
    filters: Filters,
    known_from_ms: int,
    known_to_ms: int | None = None,
) -> Portrait:
    """Read what a page about one consumer or address is made of.

    With other filters than itself its past is read from the combinations that they leave.

    Args:
        reader: The store.
        dimension: Consumer or address.
        token: Which.
        window: Whole buckets of `bucket_ms`.
        bucket_ms: Width of a bar.
        filters: The page's own, without this one.
        known_from_ms: See `listening_since_ms`.
        known_to_ms: When something was last heard, None for now; what follows teaches nothing.
    """
    entity = reader.resolve(dimension, token)
    together = filters.without(dimension).adding(dimension, token)
    learned_span = _kept(reader, _before(window, bucket_ms), bucket_ms)
    hours_span = _kept(
        reader,
        Window(floor_ms(window.to_ms - WEEKS_SHOWN * 7 * DAY_MS, HOUR_MS), ceil_ms(window.to_ms, HOUR_MS)),
        HOUR_MS,
    )
    learned_from_ms = min(learned_span.from_ms, hours_span.from_ms)
    gaps = reader.gaps(Window(learned_from_ms, window.to_ms), MAX_GAPS)
    first_ms = entity.first_seen_ms if entity is not None else None
    return Portrait(
        dimension=dimension,
        token=token,
        entity=entity,
        window=window,
        bucket_ms=bucket_ms,
        filters=together,
        totals=reader.totals(window, together),
        activity=_activity(reader, window, dimension, token, bucket_ms, filters),
        learned=_activity(reader, learned_span, dimension, token, bucket_ms, filters),
        learned_span=learned_span,
        hours=_activity(reader, hours_span, dimension, token, HOUR_MS, filters),
        hours_span=hours_span,
        gaps=gaps,
        markers=reader.markers(window),
        known_from_ms=known_from_ms,
        known_to_ms=known_to_ms,
        born_ms=max(known_from_ms, first_ms or 0),
    )


def _before(window: Window, bucket_ms: int) -> Window:
    """What the window's buckets are compared with."""
    return Window(window.from_ms - ceil_ms(learning_span_ms(bucket_ms), bucket_ms), window.from_ms)


def _kept(reader: Reader, span: Window, width_ms: int) -> Window:
    """The newest part of a span that the store still has in buckets of that width; empty when it has none."""
    for share in (1, 2, 4, 8):
        part = Window(span.to_ms - floor_ms(span.length_ms // share, width_ms), span.to_ms)
        if reader.width_ms(part, width_ms) == width_ms:
            return part
    return Window(span.to_ms, span.to_ms)


def _activity(
    reader: Reader, window: Window, dimension: Dimension, token: str, bucket_ms: int, filters: Filters
) -> Activity:
    if not window.length_ms:
        return ()
    # a range of addresses costs `activity` as much as it has addresses: a second for 50,000, here 26 ms
    if not filters.without(dimension) and range_of(token) is None:
        return reader.activity(window, dimension, token, bucket_ms)
    series = reader.series(window, filters.without(dimension).adding(dimension, token), None, bucket_ms)
    violations = [sum(values) for values in zip(*(group.values for group in series.groups), strict=True)]
    requests = series.requests or (0,) * series.buckets
    rows = zip(violations or (0,) * series.buckets, requests, strict=True)
    return tuple(
        (series.from_ms + place * series.bucket_ms, asked, refused, 0)
        for place, (refused, asked) in enumerate(rows)
        if asked or refused
    )
