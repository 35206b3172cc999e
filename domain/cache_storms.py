"""Minutes in which far more cache keys were dropped than usual. Pure."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

TIMES_USUAL = 5
LEAST = 60
"""One key a second: fewer cost nothing, however unusual they are."""
KEY_LEAST = 30
"""Drops of one key in a minute on one node: somebody writes it in a loop."""


@dataclasses.dataclass(frozen=True, slots=True)
class Storm:
    """A run of buckets far above what is usual."""

    from_ms: int
    to_ms: int
    count: int
    usual: float
    """Per bucket: the median of the buckets in which anything happened, 0 where there are too few."""


def find_storms(counts: Sequence[int], from_ms: int, bucket_ms: int) -> list[Storm]:
    """Runs of buckets with five times the usual, and at least one key a second, newest first.

    The median is taken over buckets that are not empty: quiet nights must not make every morning a storm.
    """
    busy = [count for count in counts if count]
    usual = float(statistics.median(busy)) if len(busy) >= TIMES_USUAL else 0.0
    bar = max(LEAST * bucket_ms / 60_000, TIMES_USUAL * usual)
    found: list[Storm] = []
    for place, count in enumerate(counts):
        if count < bar or not count:
            continue
        start_ms = from_ms + place * bucket_ms
        if found and found[-1].to_ms == start_ms:
            before = found.pop()
            found.append(Storm(before.from_ms, start_ms + bucket_ms, before.count + count, usual))
        else:
            found.append(Storm(start_ms, start_ms + bucket_ms, count, usual))
    return found[::-1]
