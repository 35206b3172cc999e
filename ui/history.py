"""One consumer's or address's past as its page shows it: counts per bucket beside what is usual. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from enum import StrEnum

from domain.baseline import Band, Baseline, Past, Standing, judge
from domain.windows import Window
from storage.batches import Gap

Activity = Sequence[tuple[int, int, int, int]]
"""(bucket start, requests, limited, probable), oldest first, no empty buckets: what a store answers."""


class Measure(StrEnum):
    """What a history counts. The value is the noun, and the word in the URL."""

    VIOLATIONS = "violations"
    REQUESTS = "requests"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Counts per bucket, oldest first, and what is usual in each."""

    window: Window
    """Whole buckets."""
    bucket_ms: int
    measure: Measure
    sure: tuple[int, ...]
    probable: tuple[int, ...]
    """Violations that the entry alone cannot prove; always zero for requests."""
    usual: tuple[Band | None, ...]
    known_from_ms: int
    """Before this nobody listened: silence there is no zero."""

    @property
    def starts(self) -> range:
        """Where each bucket starts."""
        return range(self.window.from_ms, self.window.to_ms, self.bucket_ms)

    @property
    def totals(self) -> tuple[int, ...]:
        """Sure and probable together."""
        return tuple(a + b for a, b in zip(self.sure, self.probable, strict=True))

    def standings(self, now_ms: int) -> tuple[Standing, ...]:
        """How each bucket compares; one that is not over yet is not called low."""
        found = []
        for start_ms, total, band in zip(self.starts, self.totals, self.usual, strict=True):
            standing = judge(total, band)
            unfinished = start_ms + self.bucket_ms > now_ms
            found.append(Standing.USUAL if unfinished and standing == Standing.BELOW else standing)
        return tuple(found)


def counts_of(activity: Activity, measure: Measure) -> dict[int, int]:
    """Bucket start -> count."""
    if measure == Measure.REQUESTS:
        return {at: requests for at, requests, _, _ in activity if requests}
    return {at: limited + probable for at, _, limited, probable in activity if limited + probable}


def past_of(
    activity: Activity,
    measure: Measure,
    width_ms: int,
    span: Window,
    known_from_ms: int,
    gaps: Iterable[Gap] = (),
) -> Past:
    """What a store told of a span, ready to learn from."""
    spans = tuple((gap.from_ms, gap.to_ms) for gap in gaps)
    return Past(counts_of(activity, measure), width_ms, span, known_from_ms, spans)


def history_of(
    activity: Activity,
    measure: Measure,
    window: Window,
    bucket_ms: int,
    baseline: Baseline,
    known_from_ms: int,
) -> History:
    """Lay out what a store told of `window`, which is whole buckets, beside what was usual before it."""
    rows = {at: (requests, limited, probable) for at, requests, limited, probable in activity}
    none = (0, 0, 0)
    starts = range(window.from_ms, window.to_ms, bucket_ms)
    found = [rows.get(at, none) for at in starts]
    is_requests = measure == Measure.REQUESTS
    return History(
        window=window,
        bucket_ms=bucket_ms,
        measure=measure,
        sure=tuple(requests if is_requests else limited for requests, limited, _ in found),
        probable=tuple(0 if is_requests else probable for _, _, probable in found),
        usual=tuple(baseline.band_at(at) if at >= known_from_ms else None for at in starts),
        known_from_ms=known_from_ms,
    )
