"""Spans of time, buckets, and how a span splits into the rollups that answer it.

All spans are half-open: `from_ms` is inside, `to_ms` is not. All values are UTC milliseconds.
"""

from __future__ import annotations

import dataclasses

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

RESOLUTIONS_MS = (10_000, MINUTE_MS, HOUR_MS, DAY_MS)
"""The widths of the stored rollups, finest first; each divides the next."""

MAX_POINTS = 300
"""More points than this are thinner than the pixels of a chart 1440 px wide."""

_NICE_WIDTHS_MS = (
    10_000,
    30_000,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time."""

    from_ms: int
    to_ms: int

    def __post_init__(self) -> None:
        if self.to_ms < self.from_ms:
            raise ValueError(f"a window ends before it starts: {self.from_ms} to {self.to_ms}")

    @property
    def length_ms(self) -> int:
        """Milliseconds from start to end."""
        return self.to_ms - self.from_ms

    def previous(self) -> Window:
        """The span of the same length that ends where this one starts."""
        return Window(self.from_ms - self.length_ms, self.from_ms)

    def aligned(self, width_ms: int) -> Window:
        """The smallest span of whole buckets that holds this one."""
        return Window(floor_ms(self.from_ms, width_ms), ceil_ms(self.to_ms, width_ms))


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A part of a window that one resolution answers with whole buckets."""

    resolution_ms: int
    from_ms: int
    to_ms: int


def floor_ms(at_ms: int, width_ms: int) -> int:
    """The start of the bucket that holds `at_ms`."""
    return at_ms - at_ms % width_ms


def ceil_ms(at_ms: int, width_ms: int) -> int:
    """The first bucket start at or after `at_ms`."""
    return -(-at_ms // width_ms) * width_ms


def bucket_width_ms(window: Window, max_points: int = MAX_POINTS) -> int:
    """The narrowest sensible bucket that keeps a chart of `window` within `max_points`.

    Fifteen minutes gives 10 s, an hour 30 s, a day 5 min, a week 1 h, a month 6 h.
    """
    for width_ms in _NICE_WIDTHS_MS:
        if window.length_ms <= width_ms * max_points:
            return width_ms
    return ceil_ms(window.length_ms // max_points, 7 * DAY_MS)


def resolution_for(width_ms: int) -> int:
    """The widest stored resolution that buckets of `width_ms` can be summed from."""
    return max(res for res in RESOLUTIONS_MS if width_ms % res == 0)


def pieces(window: Window, finest_ms: int = RESOLUTIONS_MS[0]) -> list[Piece]:
    """Split a window into the fewest whole buckets: days inside hours inside minutes inside tens.

    The ends are widened to whole buckets of `finest_ms`, the narrowest resolution still kept for that
    time. Order is by time; pieces touch and never overlap, so sums over them are exact, and there are
    at most seven whatever the length.
    """
    span = window.aligned(finest_ms)
    return _split(span.from_ms, span.to_ms, len(RESOLUTIONS_MS) - 1, finest_ms)


def _split(from_ms: int, to_ms: int, level: int, finest_ms: int) -> list[Piece]:
    if from_ms >= to_ms:
        return []
    width_ms = RESOLUTIONS_MS[level]
    if width_ms == finest_ms:
        return [Piece(width_ms, from_ms, to_ms)]
    start_ms, end_ms = ceil_ms(from_ms, width_ms), floor_ms(to_ms, width_ms)
    if start_ms >= end_ms:
        return _split(from_ms, to_ms, level - 1, finest_ms)
    return [
        *_split(from_ms, start_ms, level - 1, finest_ms),
        Piece(width_ms, start_ms, end_ms),
        *_split(end_ms, to_ms, level - 1, finest_ms),
    ]
