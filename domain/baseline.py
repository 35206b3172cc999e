"""What is usual for one consumer or address, learned from its own past.

Never learned from what is being judged, nor from spans that we know to have missed something: a bucket
that a gap touches is no sample, and one without requests is a zero only if we were listening. Places in the
week are those of UTC; summer time moves them by an hour, one reason why an hour learns from its neighbours.

Cold start: with two weeks of samples an hour of the week is compared with itself, with three days an hour
of the day, with two dozen samples anything with the level of all of them; with less nothing is called usual.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window, ceil_ms, floor_ms

WEEK_MS = 7 * DAY_MS
WEEKLY_AFTER_MS = 2 * WEEK_MS
DAILY_AFTER_MS = 3 * DAY_MS
MIN_SAMPLES = 24
"""Fewer samples than this say nothing about a tenth and nine tenths of them."""
MIN_SLOT_SAMPLES = 5
"""Two weeks give an hour of the week and its two neighbours six samples; gaps may take one."""
MIN_SPANS = 3
"""Earlier spans of the same length that a total is compared with, at least."""
MAX_SPANS = 56
GAP_SHARE = 0.1
"""An earlier span that lies in gaps by more than this is not compared with."""

UNUSUAL_Z = 4.0
UNUSUAL_COUNT = 10
"""Neither two refusals where none are usual, nor one day in ten, are worth a word."""
_SIGMAS_BETWEEN_TENTHS = 2.563
"""Of a normal distribution, from the 10 % to the 90 % quantile."""


class Basis(StrEnum):
    """What a comparison rests on."""

    HOUR_OF_WEEK = "hour-of-week"
    HOUR_OF_DAY = "hour-of-day"
    LEVEL = "level"
    NONE = "none"
    """Too little is known."""


class Standing(StrEnum):
    """How a count compares with what is usual."""

    USUAL = "usual"
    ABOVE = "above"
    BELOW = "below"
    NEW = "new"
    """Too little is known to say."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is usual: the middle of the samples, and where eight tenths of them lie."""

    low: float
    middle: float
    high: float
    samples: int
    basis: Basis


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """What is known of the time before: counts, and for which time they are known at all.

    Args:
        counts: (bucket start, count); buckets that are absent counted nothing.
        width_ms: Of a bucket.
        span: What `counts` were asked for.
        known_from_ms: Before this nobody listened, or the one it is about did not exist.
        gaps: (from, to) of spans in which something is missing.
    """

    counts: Mapping[int, int]
    width_ms: int
    span: Window
    known_from_ms: int
    gaps: tuple[tuple[int, int], ...] = ()

    def known(self) -> Window:
        """The whole buckets for which an absent count is a zero, gaps aside."""
        from_ms = ceil_ms(max(self.span.from_ms, self.known_from_ms), self.width_ms)
        return Window(from_ms, max(from_ms, floor_ms(self.span.to_ms, self.width_ms)))

    def samples(self) -> list[tuple[int, int]]:
        """(bucket start, count) of every bucket that we can vouch for, oldest first."""
        known, width_ms = self.known(), self.width_ms
        missing = _touched(self.gaps, known, width_ms)
        return [
            (start_ms, self.counts.get(start_ms, 0))
            for start_ms in range(known.from_ms, known.to_ms, width_ms)
            if start_ms not in missing
        ]


class Baseline:
    """The usual count of a bucket, by its place in the week.

    Example:
        >>> hours = {hour * HOUR_MS: 5 for hour in range(24 * 21)}
        >>> past = Past(hours, HOUR_MS, Window(0, 21 * DAY_MS), known_from_ms=0)
        >>> Baseline(past).band_at(22 * DAY_MS).middle
        5.0
    """

    def __init__(self, past: Past) -> None:
        samples = past.samples()
        self.width_ms = past.width_ms
        self.observed_ms = len(samples) * past.width_ms
        self.basis = _basis(self.observed_ms, len(samples), past.width_ms)
        self._slot_ms = max(HOUR_MS, past.width_ms)
        self._levels = [
            (basis, period_ms, _by_slot(samples, period_ms, self._slot_ms))
            for basis, period_ms in ((Basis.HOUR_OF_WEEK, WEEK_MS), (Basis.HOUR_OF_DAY, DAY_MS))
            if _is_at_least(self.basis, basis) and past.width_ms < period_ms
        ]
        self._all = sorted(count for _, count in samples) if self.basis != Basis.NONE else []
        self._bands: dict[tuple[Basis, int], Band] = {}

    def band_at(self, at_ms: int) -> Band | None:
        """What is usual for the bucket that starts at `at_ms`; None when too little is known."""
        for basis, period_ms, slots in self._levels:
            slot = at_ms % period_ms // self._slot_ms
            band = self._bands.get((basis, slot))
            if band is None:
                found = _with_neighbours(slots, slot, period_ms // self._slot_ms, self._slot_ms)
                if len(found) < MIN_SLOT_SAMPLES:
                    continue
                band = self._bands[basis, slot] = _band(sorted(found), basis)
            return band
        if not self._all:
            return None
        level = self._bands.get((Basis.LEVEL, 0))
        if level is None:
            level = self._bands[Basis.LEVEL, 0] = _band(self._all, Basis.LEVEL)
        return level


def learning_span_ms(width_ms: int) -> int:
    """How much past to learn from: what the store still has at that width, and enough of it.

    Totals of 10 s are kept for two days. A week of finer buckets is at most 10,080 rows, eight weeks of
    hours 1,344.
    """
    if width_ms < MINUTE_MS:
        return DAY_MS
    return WEEK_MS if width_ms < HOUR_MS else 8 * WEEK_MS


def usual_total(past: Past, window: Window) -> Band | None:
    """What spans as long as `window` usually came to before it; None when too few are known.

    Spans of up to a day are compared with the same time of earlier days, of the same weekday where enough
    are known; longer ones with the same days of earlier weeks; and where the past is too short for that,
    with the spans right before. An end that cuts a bucket takes its share of it.
    """
    span = window
    if not span.length_ms:
        return None
    step_ms = DAY_MS if span.length_ms <= DAY_MS else ceil_ms(span.length_ms, WEEK_MS)
    totals = _totals(past, span, step_ms)
    if step_ms == DAY_MS:
        weekly = [count for back, count in totals if back % 7 == 0]
        if len(weekly) >= MIN_SPANS:
            return _band(sorted(weekly), Basis.HOUR_OF_WEEK)
    if len(totals) >= MIN_SPANS:
        basis = Basis.HOUR_OF_DAY if step_ms == DAY_MS else Basis.HOUR_OF_WEEK
        return _band(sorted(count for _, count in totals), basis)
    before = _totals(past, span, span.length_ms)
    if len(before) < MIN_SLOT_SAMPLES:
        return None
    return _band(sorted(count for _, count in before), Basis.LEVEL)


def judge(count: int, band: Band | None) -> Standing:
    """Whether a count is out of the ordinary: far off in the spread that is usual, and not tiny."""
    if band is None:
        return Standing.NEW
    spread = max((band.high - band.low) / _SIGMAS_BETWEEN_TENTHS, max(band.middle, 1.0) ** 0.5)
    off = (count - band.middle) / spread
    if off > UNUSUAL_Z and count >= UNUSUAL_COUNT:
        return Standing.ABOVE
    return Standing.BELOW if off < -UNUSUAL_Z else Standing.USUAL


def _basis(observed_ms: int, samples: int, width_ms: int) -> Basis:
    if samples < MIN_SAMPLES:
        return Basis.NONE
    if observed_ms >= WEEKLY_AFTER_MS and width_ms < WEEK_MS:
        return Basis.HOUR_OF_WEEK
    return Basis.HOUR_OF_DAY if observed_ms >= DAILY_AFTER_MS and width_ms < DAY_MS else Basis.LEVEL


def _is_at_least(basis: Basis, wanted: Basis) -> bool:
    order = (Basis.NONE, Basis.LEVEL, Basis.HOUR_OF_DAY, Basis.HOUR_OF_WEEK)
    return order.index(basis) >= order.index(wanted)


def _touched(gaps: Iterable[tuple[int, int]], known: Window, width_ms: int) -> set[int]:
    """Starts of the buckets that a gap touches."""
    found: set[int] = set()
    for from_ms, to_ms in gaps:
        first = floor_ms(max(from_ms, known.from_ms), width_ms)
        found.update(range(first, min(max(to_ms, from_ms + 1), known.to_ms), width_ms))
    return found


def _by_slot(samples: Sequence[tuple[int, int]], period_ms: int, slot_ms: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for start_ms, count in samples:
        found.setdefault(start_ms % period_ms // slot_ms, []).append(count)
    return found


def _with_neighbours(slots: Mapping[int, list[int]], slot: int, per_period: int, slot_ms: int) -> list[int]:
    """The samples of a slot; of an hour also those of the hours beside it."""
    if slot_ms > HOUR_MS:
        return slots.get(slot, [])
    around = ((slot + step) % per_period for step in (-1, 0, 1))
    return [count for place in around for count in slots.get(place, [])]


def _totals(past: Past, span: Window, step_ms: int) -> list[tuple[int, int]]:
    """(steps back, count) of the earlier spans that are known, nearest first."""
    known = past.known()
    found: list[tuple[int, int]] = []
    for back in range(1, MAX_SPANS + 1):
        from_ms, to_ms = span.from_ms - back * step_ms, span.to_ms - back * step_ms
        if from_ms < known.from_ms:
            break
        if to_ms > known.to_ms or _missing_ms(past.gaps, from_ms, to_ms) > GAP_SHARE * (to_ms - from_ms):
            continue
        found.append((back, _count(past, from_ms, to_ms)))
    return found


def _count(past: Past, from_ms: int, to_ms: int) -> int:
    """What a span counted; of a bucket that it cuts, the part that lies in it."""
    width_ms, total = past.width_ms, 0.0
    for start_ms in range(floor_ms(from_ms, width_ms), to_ms, width_ms):
        inside_ms = min(to_ms, start_ms + width_ms) - max(from_ms, start_ms)
        total += past.counts.get(start_ms, 0) * inside_ms / width_ms
    return round(total)


def _missing_ms(gaps: Iterable[tuple[int, int]], from_ms: int, to_ms: int) -> int:
    """How much of a span lies in gaps; where gaps overlap, it is counted more than once."""
    return sum(max(0, min(to_ms, end_ms) - max(from_ms, start_ms)) for start_ms, end_ms in gaps)


def _band(ordered: Sequence[int], basis: Basis) -> Band:
    return Band(
        low=_quantile(ordered, 0.1),
        middle=_quantile(ordered, 0.5),
        high=_quantile(ordered, 0.9),
        samples=len(ordered),
        basis=basis,
    )


def _quantile(ordered: Sequence[int], share: float) -> float:
    """Linear between the two nearest samples."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
