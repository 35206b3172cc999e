"""What followed each change: the spans are read from the store, `domain.change_verdict` judges."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from domain.change_effects import Effect, effect_of
from domain.change_verdict import (
    BUCKET_MS,
    SPAN_MS,
    Observed,
    Span,
    Usual,
    Verdict,
    judge,
    new_limits,
    spans_around,
)
from domain.changes import Change, Names, Scope, cascades, scope_of, sentence
from domain.errors import DeadlineExceeded
from domain.events import Kind
from domain.filters import Dimension, Filters
from domain.kong_entities import reference
from domain.windows import DAY_MS, MINUTE_MS, SECOND_MS, Window
from storage.change_book import ChangeBook
from storage.change_facts import record_verdict
from storage.changes_reader import ChangesReader
from storage.protocol import Reader
from storage.rows import EventQuery

log = logging.getLogger("gatewatch.changes")

FINAL_AFTER_MS = SPAN_MS + 30 * SECOND_MS
"""The span after a change has passed, and what was late has arrived."""
FIRST_AFTER_MS = 80 * SECOND_MS
"""A first word on a change that something followed at once."""
EARLIER_DAYS = 14
MAX_AGE_MS = 2 * DAY_MS
"""Older changes whose verdict was missed get none: totals of ten seconds are kept for two days."""


class Verdicts:
    """Judges changes, a round at a time.

    Args:
        reader: Totals and events.
        changes: Changes.
        now_ms: The time.
    """

    def __init__(self, reader: Reader, changes: ChangesReader, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._changes = changes
        self._now_ms = now_ms
        self._next_ms: dict[int, int] = {}

    def round(self, book: ChangeBook) -> int:
        """Judge what is due; returns how many were judged."""
        now_ms, judged = self._now_ms(), 0
        for row in self._changes.unjudged(now_ms - MAX_AGE_MS):
            seq, age_ms = row.change.seq, now_ms - row.change.at_ms
            if age_ms < FIRST_AFTER_MS or now_ms < self._next_ms.get(seq, 0):
                continue
            try:
                verdict = self.judge(row.change, now_ms)
            except DeadlineExceeded:
                self._next_ms[seq] = now_ms + 5 * MINUTE_MS
                continue
            is_final = age_ms >= FINAL_AFTER_MS
            record_verdict(book, seq, verdict, now_ms, is_final=is_final)
            self._next_ms[seq] = now_ms + MINUTE_MS
            if is_final:
                self._next_ms.pop(seq, None)
            judged += 1
        return judged

    def judge(self, change: Change, now_ms: int) -> Verdict:
        """What followed one change, as far as is known.

        Raises:
            DeadlineExceeded: Reading took too long.
            StoreError: The store cannot be read.
        """
        around = Window(change.at_ms - SPAN_MS, change.at_ms + SPAN_MS)
        near = [row.change for row in self._changes.changes(around)]
        parents = cascades([*near, change])
        others = [c for c in near if c.seq != change.seq and parents.get(c.seq) != change.seq]
        others = [c for c in others if parents.get(change.seq) != c.seq]
        before, after = spans_around(change, others, self._known(now_ms))
        names = self._names([change, *others])
        filters = self._filters(scope_of(change))
        named, naming = self._named(change, after, filters)
        seen = Observed(
            before=self._span(before, filters),
            after=self._span(after, filters),
            usual=self._usual(change, before, after, filters),
            named=named,
            naming=naming,
            unhealthy_targets=self._unhealthy(_upstream_of(change, names), after),
            others=self._rivals(change, others, after, names),
            is_over=now_ms >= change.at_ms + FINAL_AFTER_MS,
        )
        return judge(change, sentence(change, names), seen)

    def _names(self, changes: Sequence[Change]) -> Names:
        known = self._changes.names_in(changes)
        return lambda collection, entity_id: known.get((collection, entity_id))

    def _known(self, now_ms: int) -> Window:
        """The time for which totals of ten seconds are known: from the first arrival to the newest."""
        freshness = self._reader.freshness()
        first = [s.first_received_ms for s in freshness.sources]
        last = freshness.last_received_ms
        if not first or last is None:
            return Window(now_ms, now_ms)
        oldest = self._reader.health().oldest_event_ms
        from_ms = min([*first, *([oldest] if oldest is not None else [])])
        is_live = now_ms - last < MINUTE_MS
        newest = now_ms if is_live else self._newest_ms(now_ms)
        return Window(min(from_ms, newest), newest)

    def _newest_ms(self, now_ms: int) -> int:
        """Where what is known ends, when nothing arrives any more: recorded time may lie far back."""
        newest = self._reader.health().newest_event_ms
        return now_ms if newest is None else min(now_ms, newest + BUCKET_MS)

    def _filters(self, scope: Scope) -> Filters:
        filters = Filters()
        for dimension, entity_id in (
            (Dimension.SERVICE, scope.service_id),
            (Dimension.ROUTE, scope.route_id),
            (Dimension.CONSUMER, scope.consumer_id),
        ):
            if entity_id is not None:
                filters = filters.adding(dimension, entity_id)
        return filters

    def _span(self, window: Window, filters: Filters) -> Span:
        if not window.length_ms:
            return Span(window=window, refusals=())
        series = self._reader.series(window, filters, None, BUCKET_MS)
        if series.bucket_ms != BUCKET_MS:
            return Span(window=window, refusals=())
        refusals = [sum(values) for values in zip(*(g.values for g in series.groups), strict=True)]
        refusals = refusals or [0] * series.buckets
        totals = self._reader.totals(window, filters)
        return Span(
            window=window,
            refusals=tuple(refusals[: window.length_ms // BUCKET_MS]),
            requests=totals.requests,
            server_errors=None if totals.requests is None else totals.server_errors,
            gap_ms=totals.gap_ms,
        )

    def _usual(self, change: Change, before: Window, after: Window, filters: Filters) -> Usual | None:
        """The same spans of earlier days, those without a gap."""
        if not before.length_ms or not after.length_ms or effect_of(change) is Effect.NONE:
            return None
        days, had, has = 0, 0, 0
        freshness = self._reader.freshness()
        first_ms = min((s.first_received_ms for s in freshness.sources), default=before.to_ms)
        for back in range(1, EARLIER_DAYS + 1):
            shift = back * DAY_MS
            if before.from_ms - shift < first_ms:
                break
            old = self._reader.totals(Window(before.from_ms - shift, before.to_ms - shift), filters)
            new = self._reader.totals(Window(after.from_ms - shift, after.to_ms - shift), filters)
            if old.gap_ms or new.gap_ms:
                continue
            days, had, has = days + 1, had + old.violations, has + new.violations
        return Usual(days=days, before=had, after=has) if days else None

    def _named(self, change: Change, after: Window, filters: Filters) -> tuple[int | None, int]:
        """Refusals that name the new limit, and those that name any."""
        wanted = {(limit.name, limit.value) for limit in new_limits(change)}
        if not wanted or not after.length_ms:
            return None, 0
        named = naming = 0
        query = EventQuery(window=after, filters=filters, kinds=(Kind.RATE_LIMITING,), violations_only=True)
        for row in self._reader.stream_events(query):
            if row.limit_name is not None and row.counted:
                naming += 1
                named += (row.limit_name, row.limit_value) in wanted
        return named, naming

    def _unhealthy(self, upstream: str | None, after: Window) -> int:
        """Targets of an upstream that turned unhealthy."""
        if upstream is None or not after.length_ms:
            return 0
        query = EventQuery(window=after, kinds=(Kind.CLUSTER,), events=("target_unhealthy",))
        found = self._reader.stream_events(query)
        return len({row.target for row in found if row.upstream == upstream})

    def _rivals(
        self, change: Change, others: Sequence[Change], after: Window, names: Names
    ) -> tuple[str, ...]:
        """Other changes in the span after, or right before, that can have done the same there."""
        scope = scope_of(change)
        return tuple(
            sentence(other, names)
            for other in others
            if change.at_ms - MINUTE_MS <= other.at_ms < after.to_ms
            and effect_of(other) is not Effect.NONE
            and effect_of(other) is not Effect.EITHER
            and scope.overlaps(scope_of(other))
        )


def _upstream_of(change: Change, names: Names) -> str | None:
    """The name of the upstream whose targets a change can make ill; a service's host may be one."""
    if change.entity_type == "upstreams":
        return change.entity_name
    if change.entity_type == "targets":
        upstream = reference(change.entity, "upstream")
        return names("upstreams", upstream) if upstream else None
    host = change.entity.get("host") if change.entity_type == "services" else None
    return host if isinstance(host, str) else None
