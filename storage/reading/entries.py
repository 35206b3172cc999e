"""What was counted in a window, one entry per combination and bucket, as columns of numbers.

Hours and days that are over come from packs, a column at a time; the rest are rows of `cells`. Filters are
applied to either, so an answer does not depend on what is packed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import COLUMN_OF, MAX_VIOLATION, MEASURES, MEASURES_OF, VIOLATIONS, Dim, Outcome
from storage.packs import PACKED, PASSED, REFUSED
from storage.reading.cells import cells_of
from storage.reading.connections import Snapshot
from storage.reading.packed import has_packs, unpacked, view_packs
from storage.reading.restriction import Restriction
from storage.reading.spans import Span

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
SPANS_AT_ONCE = 100
"""SQLite takes at most 500 statements joined by UNION ALL."""
OUTCOMES = {
    REFUSED: tuple(Outcome(outcome) for outcome in VIOLATIONS),
    PASSED: tuple(outcome for outcome in Outcome if outcome > MAX_VIOLATION),
}
"""What a part holds."""


class Entries(NamedTuple):
    """Columns of equal length."""

    columns: dict[Dim, npt.NDArray[Any]]
    """Of the dimensions that were asked for."""
    outcome: npt.NDArray[Any]
    n: npt.NDArray[Any]
    bucket_s: npt.NDArray[Any]
    """Start of the bucket that it was counted in, as wide as the span was read at."""

    def only(self, keep: npt.NDArray[Any]) -> Entries:
        """Some of them."""
        columns = {dim: column[keep] for dim, column in self.columns.items()}
        return Entries(columns, self.outcome[keep], self.n[keep], self.bucket_s[keep])

    def counted_as(self, measure: str) -> BoolArray:
        """Which of them a measure of `storage.codes.MEASURES` counts."""
        adds = np.zeros(max(MEASURES_OF) + 1, np.bool_)
        adds[[outcome for outcome, places in MEASURES_OF.items() if MEASURES.index(measure) in places]] = True
        found: BoolArray = adds[self.outcome]
        return found

    def total(self, measure: str) -> int:
        """One measure over all of them."""
        return int(self.n[self.counted_as(measure)].sum(dtype=np.int64))


def read_entries(
    snapshot: Snapshot,
    spans: Sequence[Span],
    restriction: Restriction,
    columns: Iterable[Dim] = (),
    parts: Sequence[int] = (REFUSED, PASSED),
) -> Entries:
    """Everything that filters leave in a window; the oldest span first.

    Args:
        snapshot: What is read.
        spans: The window.
        restriction: What is left out.
        columns: Which numbers are wanted; fewer are read sooner.
        parts: Violations, or the rest, or both.
    """
    wanted = tuple(dict.fromkeys(columns))
    found: list[Entries] = []
    if not restriction.is_impossible:
        for span in spans:
            found += _of_span(snapshot, span, restriction, wanted, parts)
    return _together(found, wanted)


def _of_span(
    snapshot: Snapshot, span: Span, restriction: Restriction, wanted: tuple[Dim, ...], parts: Sequence[int]
) -> list[Entries]:
    if span.res not in PACKED:
        return [_rows(snapshot, [span], restriction, wanted, part) for part in parts]
    found = [_packed(snapshot, span, restriction, wanted, part) for part in parts]
    rows_of: list[Span] = []
    for bare in unpacked(snapshot, span):
        if span.res > min(PACKED) and has_packs(snapshot, Span(min(PACKED), bare.from_s, bare.to_s)):
            # the day that is going on: its hours are packed, but for the last
            hours = Span(min(PACKED), bare.from_s, bare.to_s)
            found += _of_span(snapshot, hours, restriction, wanted, parts)
        else:
            rows_of.append(bare)
    for start in range(0, len(rows_of), SPANS_AT_ONCE):
        some = rows_of[start : start + SPANS_AT_ONCE]
        found += [_rows(snapshot, some, restriction, wanted, part) for part in parts]
    return found


def merge(keys: npt.NDArray[Any], merged: dict[int, int]) -> npt.NDArray[Any]:
    """Bare names as the ids that they turned out to mean."""
    if not merged or not len(keys):
        return keys
    means = np.arange(max(int(keys.max()), *merged, *merged.values()) + 1)
    means[list(merged)] = list(merged.values())
    found: npt.NDArray[Any] = means[keys]
    return found


def grouped(keys: npt.NDArray[Any]) -> tuple[IntArray, IntArray]:
    """The different numbers in order, and the place among them of each.

    Numbers of names lie close together, so they are told apart by marking rather than by sorting: 2 million
    in 10 ms instead of 200.
    """
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    span = int(keys.max()) + 1
    if span > 4 * len(keys) + 1_000_000:
        names, places = np.unique(keys, return_inverse=True)
        return names.astype(np.int64), places
    is_there = np.zeros(span, np.bool_)
    is_there[keys] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[keys]


def summed(places: IntArray, n: npt.NDArray[Any], count: int) -> IntArray:
    """The sum of each place. Exact: sums stay far below 2**53."""
    return np.bincount(places, n, count).astype(np.int64)


def _packed(
    snapshot: Snapshot, span: Span, restriction: Restriction, wanted: tuple[Dim, ...], part: int
) -> Entries:
    view = view_packs(snapshot, span, part, restriction)
    found = Entries(
        {dim: view.column(snapshot, COLUMN_OF[dim]) for dim in wanted},
        view.column(snapshot, "outcome"),
        view.column(snapshot, "n"),
        view.column(snapshot, "bucket_s"),
    )
    snapshot.remembered.trim()
    return found


def _rows(
    snapshot: Snapshot, spans: Sequence[Span], restriction: Restriction, wanted: tuple[Dim, ...], part: int
) -> Entries:
    statement, values = cells_of(snapshot, spans, restriction, OUTCOMES[part], wanted)
    rows = snapshot.rows(statement, values)
    table = np.array(rows, np.int64).reshape(len(rows), 3 + len(wanted)).T
    columns = {dim: column.astype(np.uint32) for dim, column in zip(wanted, table[3:], strict=True)}
    return Entries(columns, table[1].astype(np.uint8), table[2], table[0])


def _together(found: list[Entries], wanted: tuple[Dim, ...]) -> Entries:
    if not found:
        nothing = np.zeros(0, np.uint32)
        return Entries(dict.fromkeys(wanted, nothing), nothing, nothing, nothing)
    if len(found) == 1:
        return found[0]
    return Entries(
        {dim: np.concatenate([some.columns[dim] for some in found]) for dim in wanted},
        np.concatenate([some.outcome for some in found]),
        np.concatenate([some.n for some in found]),
        np.concatenate([some.bucket_s for some in found]),
    )
