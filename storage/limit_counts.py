"""Requests per minute of each of those whom a limit counts: what-if limits are computed from it."""

from __future__ import annotations

from pathlib import Path

from domain.filters import Dimension, Filters
from domain.what_if import Counts
from domain.windows import MINUTE_MS, Window
from storage.codes import COLUMN_OF, DIM_OF, OTHER_KEY, RES_CODES, Outcome
from storage.reading.choosing import open_snapshots
from storage.reading.restriction import read_restriction
from storage.reading.snapshot import Snapshot, Snapshots
from storage.reading.words import read_merged, read_words

MAX_ROWS = 1_000_000
"""A week of minutes of a hundred consumers; more takes longer than a page may."""
_ASIDE = (Outcome.LIMITED_ASIDE, Outcome.PROBABLE_ASIDE)
"""Violations that are no requests of their own."""


class TooMuch(Exception):  # noqa: N818 - reads as what it says
    """More minutes than can be looked at in one go: narrow the scope or the span."""


def read_counts(
    connections: Snapshots, window: Window, filters: Filters, per: Dimension, *, gap_ms: int
) -> Counts:
    """Requests per minute, within filters, of each consumer or address.

    Args:
        connections: To the store.
        window: Widened to whole minutes.
        filters: The scope of the limit.
        per: What the limit counts by.
        gap_ms: How much of the window lies in gaps.

    Raises:
        TooMuch: There are more than a million.
        DeadlineExceeded: It took too long.
    """
    span = window.aligned(MINUTE_MS)
    with connections.snapshot() as snapshot:
        rows = _rows(snapshot, span, filters, per)
        merged = read_merged(snapshot)
        words = read_words(snapshot, {merged.get(key, key) for key, _, _ in rows})
    by: dict[str, dict[int, int]] = {}
    labels: dict[str, str] = {}
    for key, bucket_s, n in rows:
        word = words.get(merged.get(key, key))
        if word is None or word.key <= OTHER_KEY:
            continue
        labels[word.value] = word.label
        buckets = by.setdefault(word.value, {})
        buckets[bucket_s * 1000] = buckets.get(bucket_s * 1000, 0) + n
    return Counts(by=by, bucket_ms=MINUTE_MS, window=span, labels=labels, gap_ms=gap_ms)


def _rows(snapshot: Snapshot, span: Window, filters: Filters, per: Dimension) -> list[tuple[int, int, int]]:
    restriction = read_restriction(snapshot, filters)
    if restriction.is_impossible:
        return []
    condition, values = restriction.clause("c")
    column = COLUMN_OF[DIM_OF[per]]
    aside = ", ".join(str(int(outcome)) for outcome in _ASIDE)
    rows = snapshot.rows(
        f"SELECT c.{column}, x.bucket_s, sum(x.n) FROM combos c CROSS JOIN cells x INDEXED BY cells_by_combo"
        f" ON x.combo = c.combo AND x.res = ? AND x.bucket_s >= ? AND x.bucket_s < ?"
        f" WHERE {condition} AND c.outcome NOT IN ({aside}) GROUP BY c.{column}, x.bucket_s LIMIT ?",
        (RES_CODES[MINUTE_MS], span.from_ms // 1000, span.to_ms // 1000, *values, MAX_ROWS + 1),
    )
    if len(rows) > MAX_ROWS:
        raise TooMuch(f"more than {MAX_ROWS:,} minutes with requests: choose a shorter span or one route")
    return [(int(key), int(bucket_s), int(n)) for key, bucket_s, n in rows]


class LimitCounts:
    """The same on a store; safe to share between threads.

    Args:
        database: The file, or the URL.
        deadline_ms: Longest that it may take.
    """

    def __init__(self, database: str | Path, deadline_ms: int) -> None:
        self._connections = open_snapshots(database, deadline_ms)

    def read(self, window: Window, filters: Filters, per: Dimension, *, gap_ms: int) -> Counts:
        """See `read_counts`."""
        return read_counts(self._connections, window, filters, per, gap_ms=gap_ms)

    def close(self) -> None:
        """Release the file."""
        self._connections.close()
