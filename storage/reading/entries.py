"""What was counted in a window, one entry per combination and bucket, as columns of numbers.

Hours and days that are over come from packs, a column at a time; the rest are rows of `cells`. Filters are
applied to either, so an answer does not depend on what is packed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from storage.codes import COLUMN_OF, MAX_VIOLATION, VIOLATIONS, Dim, Outcome
from storage.packs import PACKED, PASSED, REFUSED
from storage.reading.arrays import (
    Column,
    IntArray,
    Ranks,
    adds_to,
    by_outcome,
    places_of,
    rank,
    ranked_together,
)
from storage.reading.cells import cells_of, count_few, few_combos
from storage.reading.packed import PackedView, count_packed, split, view_packs
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span

SPANS_AT_ONCE = 100
"""SQLite takes at most 500 statements joined by UNION ALL."""
MAX_FOLLOWED = 150_000
"""A few combinations are followed through the index rather than looked for in packs, where at most so many
rows come of it, 0.3 s, and whole columns need not be read for one of them."""
ENTRIES_A_ROW = 500
"""So many entries of packs are gone through in the time of some rows: 150 for one, and what was left of packs
is remembered for the page's other questions, where rows are read again."""
ALWAYS_FOLLOWED = 1_000
"""So few rows, 3 ms, are never worth more thought."""
OUTCOMES = {
    REFUSED: tuple(Outcome(outcome) for outcome in VIOLATIONS),
    PASSED: tuple(outcome for outcome in Outcome if outcome > MAX_VIOLATION),
}
"""What a part holds."""


class Portion(Protocol):
    """The entries of one span."""

    def column(self, name: str) -> Column:
        """One number per entry; `name` as in `storage.packs.COLUMNS`, or `bucket_s`."""

    def ranks(self, name: str) -> Ranks:
        """What they add to each name of a column."""

    def refused(self) -> Portion | None:
        """The violations among them; None when there cannot be any."""


class _Packed:
    """Entries of one part of packs."""

    def __init__(self, snapshot: Snapshot, view: PackedView, part: int) -> None:
        self._snapshot = snapshot
        self._view = view
        self._part = part

    def column(self, name: str) -> Column:
        return self._view.column(self._snapshot, name)

    def ranks(self, name: str) -> Ranks:
        return self._view.ranks(self._snapshot, name)

    def refused(self) -> Portion | None:
        return self if self._part == REFUSED else None


class _Rows:
    """Entries that were read row by row."""

    def __init__(self, columns: dict[str, Column]) -> None:
        self._columns = columns

    def column(self, name: str) -> Column:
        return self._columns[name]

    def ranks(self, name: str) -> Ranks:
        return rank(*(self._columns[which] for which in (name, "outcome", "n")))

    def refused(self) -> Portion | None:
        is_refused = self._columns["outcome"] <= MAX_VIOLATION
        return _Rows({name: column[is_refused] for name, column in self._columns.items()})


class Entries:
    """Everything that filters leave in a window; good as long as its snapshot is."""

    def __init__(self, portions: Sequence[Portion]) -> None:
        self._portions = portions

    def refused(self) -> Entries:
        """The violations among them."""
        found = (portion.refused() for portion in self._portions)
        return Entries([portion for portion in found if portion is not None])

    def column(self, name: str) -> Column:
        """One number per entry: start of its bucket (`bucket_s`), outcome, count, or a name's number."""
        columns = [portion.column(name) for portion in self._portions]
        return np.concatenate(columns) if columns else np.zeros(0, np.int64)

    def total(self, measure: str) -> int:
        """One measure of `storage.codes.MEASURES` over all of them."""
        counts = self.by_outcome()
        return int(counts[adds_to(measure)].sum())

    def by_outcome(self) -> IntArray:
        """How many ended in each way."""
        return by_outcome(self.column("outcome"), self.column("n"))

    def ranks(self, dim: Dim, merged: dict[int, int]) -> Ranks:
        """What they add to each name of a dimension that was asked for."""
        return ranked_together((portion.ranks(COLUMN_OF[dim]) for portion in self._portions), merged)

    def of_names(self, dim: Dim, keys: Iterable[int]) -> dict[str, Column]:
        """Columns of those alone that have some numbers in a dimension."""
        wanted, name = tuple(keys), COLUMN_OF[dim]
        found: dict[str, list[Column]] = {which: [] for which in (name, "outcome", "n", "bucket_s")}
        for portion in self._portions:
            mine = places_of(portion.column(name), wanted)
            for which, columns in found.items():
                columns.append(portion.column(which)[mine])
        return {
            which: np.concatenate(columns) if columns else np.zeros(0, np.int64)
            for which, columns in found.items()
        }


def read_entries(
    snapshot: Snapshot,
    spans: Sequence[Span],
    restriction: Restriction,
    columns: Iterable[Dim] = (),
    parts: Sequence[int] = (REFUSED, PASSED),
) -> Entries:
    """Everything that filters leave in a window.

    Args:
        snapshot: What is read.
        spans: The window.
        restriction: What is left out.
        columns: Which names are wanted; fewer are read sooner.
        parts: Violations, or the rest, or both.
    """
    wanted = tuple(dict.fromkeys(columns))
    found: list[Portion] = []
    if not restriction.is_impossible:
        for span in spans:
            found += _of_span(snapshot, span, restriction, wanted, parts)
    snapshot.remembered.trim()
    return Entries(found)


def _of_span(
    snapshot: Snapshot, span: Span, restriction: Restriction, wanted: tuple[Dim, ...], parts: Sequence[int]
) -> list[Portion]:
    if span.res not in PACKED or _is_followed(snapshot, span, restriction):
        return [_rows(snapshot, [span], restriction, wanted, parts)]
    packed, rows_of = split(snapshot, span)
    found: list[Portion] = [
        _Packed(snapshot, view_packs(snapshot, some, part, restriction), part)
        for some in packed
        for part in parts
    ]
    for start in range(0, len(rows_of), SPANS_AT_ONCE):
        some = rows_of[start : start + SPANS_AT_ONCE]
        found.append(_rows(snapshot, some, restriction, wanted, parts))
    return found


def _is_followed(snapshot: Snapshot, span: Span, restriction: Restriction) -> bool:
    """Whether the combinations that filters leave are so few, and did so little, that packs cost more."""
    few = few_combos(snapshot, restriction)
    if few is None:
        return False
    most = min(MAX_FOLLOWED, max(ALWAYS_FOLLOWED, count_packed(snapshot, span) // ENTRIES_A_ROW))
    return len(few) * span.buckets <= most or count_few(snapshot, few, span, most) <= most


def _rows(
    snapshot: Snapshot,
    spans: Sequence[Span],
    restriction: Restriction,
    wanted: tuple[Dim, ...],
    parts: Sequence[int],
) -> Portion:
    outcomes = () if len(parts) > 1 else OUTCOMES[parts[0]]
    statement, values = cells_of(snapshot, spans, restriction, outcomes, wanted)
    rows = snapshot.rows(statement, values)
    table = np.array(rows, np.int64).reshape(len(rows), 3 + len(wanted)).T
    names = ("bucket_s", "outcome", "n", *(COLUMN_OF[dim] for dim in wanted))
    return _Rows(dict(zip(names, table, strict=True)))
