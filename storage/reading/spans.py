"""A window as the stored resolutions that answer it: whole buckets that touch and never overlap.

Finer totals are kept for a shorter time. `meta` says from when on each is whole (`kept_from.0` for those of
10 seconds, ...); before that the next coarser one answers, and the window's ends are widened to its buckets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.windows import DAY_MS, RESOLUTIONS_MS, Window, ceil_ms, pieces, resolution_for
from storage.codes import RES_CODES, WIDTHS_S, meta_kept_from
from storage.reading.snapshot import Snapshot

MAX_BUCKETS = 20_000
"""Two years of hours, and more than any chart shows."""


class Span(NamedTuple):
    """Whole buckets of one resolution; seconds since 1970, half-open."""

    res: int
    from_s: int
    to_s: int

    @property
    def width_s(self) -> int:
        """Seconds of one bucket."""
        return WIDTHS_S[self.res]

    @property
    def buckets(self) -> int:
        """How many there are."""
        return (self.to_s - self.from_s) // self.width_s


class Kept(NamedTuple):
    """From when on each resolution but the coarsest is whole, in milliseconds; the finest first."""

    from_ms: tuple[int, ...]

    def finest_ms(self, at_ms: int) -> int:
        """The narrowest resolution that is whole from `at_ms` on."""
        for width_ms, from_ms in zip(RESOLUTIONS_MS, self.from_ms, strict=False):
            if at_ms >= from_ms:
                return width_ms
        return RESOLUTIONS_MS[-1]


def read_kept(snapshot: Snapshot) -> Kept:
    """What retention has left. Moments are moved to the next whole day, so that spans meet."""
    return snapshot.once("kept", lambda: _read_kept(snapshot))


def _read_kept(snapshot: Snapshot) -> Kept:
    finer = range(len(RESOLUTIONS_MS) - 1)
    names = [meta_kept_from(res) for res in finer]
    marks = ", ".join("?" * len(names))
    kept_from_s = dict(snapshot.rows(f"SELECT name, value FROM meta WHERE name IN ({marks})", names))
    found: list[int] = []
    for res in reversed(finer):
        from_s = kept_from_s.get(meta_kept_from(res))
        # a finer resolution is of use only where the coarser ones inside its days are whole too
        found.append(max([ceil_ms((from_s or 0) * 1000, DAY_MS), *found[-1:]]))
    return Kept(tuple(reversed(found)))


def spans(window: Window, kept: Kept) -> list[Span]:
    """The fewest whole buckets that hold a window, oldest first."""
    found: list[Span] = []
    from_ms = window.from_ms
    while from_ms < window.to_ms:
        finest_ms = kept.finest_ms(from_ms)
        later = [edge for edge in kept.from_ms if edge > from_ms]
        to_ms = min([window.to_ms, *later])
        found += [
            Span(RES_CODES[piece.resolution_ms], piece.from_ms // 1000, piece.to_ms // 1000)
            for piece in pieces(Window(from_ms, to_ms), finest_ms)
        ]
        from_ms = to_ms
    return found


def is_exact(window: Window, kept: Kept) -> bool:
    """Whether the spans of a window are the window itself, not widened."""
    return all(
        edge % kept.finest_ms(min(edge, window.to_ms - 1)) == 0 for edge in (window.from_ms, window.to_ms)
    )


def chart_width_ms(window: Window, bucket_ms: int, kept: Kept) -> int:
    """The bucket width nearest above `bucket_ms` that the store can answer for the whole window."""
    return ceil_ms(max(bucket_ms, 1), kept.finest_ms(window.from_ms))


class Buckets(NamedTuple):
    """A chart's buckets, and the one resolution that they are summed from."""

    res: int
    from_ms: int
    width_ms: int
    n: int

    @property
    def to_ms(self) -> int:
        """The end of the last one."""
        return self.from_ms + self.n * self.width_ms

    @property
    def span(self) -> Span:
        """All of them, at the resolution that they are summed from."""
        return Span(self.res, self.from_ms // 1000, self.to_ms // 1000)

    def place(self, bucket_s: Any) -> Any:
        """Which bucket, from 0, holds what begins at `bucket_s` (one, or an array of them)."""
        return (np.asarray(bucket_s, np.int64) * 1000 - self.from_ms) // self.width_ms

    def spread(self, bucket_s: npt.NDArray[Any], n: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Sums per bucket."""
        return np.bincount(self.place(bucket_s), n, self.n).astype(np.int64)


def buckets(window: Window, bucket_ms: int, kept: Kept) -> Buckets:
    """A window in buckets of `bucket_ms`, or wider where finer totals are gone.

    Raises:
        ValueError: There would be more than 20,000.
    """
    width_ms = chart_width_ms(window, bucket_ms, kept)
    whole = window.aligned(width_ms)
    count = whole.length_ms // width_ms
    if count > MAX_BUCKETS:
        raise ValueError(f"{count} buckets of {width_ms} ms, expected at most {MAX_BUCKETS}")
    return Buckets(RES_CODES[resolution_for(width_ms)], whole.from_ms, width_ms, count)
