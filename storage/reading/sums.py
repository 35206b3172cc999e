"""Totals per name in a window.

Without filters they stand in `activity`, one row per bucket and name. Under filters they are summed from
`cells`, one row per bucket and combination of consumer, address, service, route, node, limit and outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import COLUMN_OF, MAX_VIOLATION, MEASURES, MEASURES_OF, NONE_KEY, Dim, Outcome
from storage.reading.connections import Snapshot
from storage.reading.restriction import Restriction
from storage.reading.spans import Span
from storage.reading.words import as_list

IntArray = npt.NDArray[np.int64]

PLACE = {name: place for place, name in enumerate(MEASURES)}
_FEW_COMBOS = 2_000
"""So few combinations are followed through the index on `cells`; more are met by going through buckets."""
_NEVER_S = -(2**62)


class KeySums(NamedTuple):
    """One place per name, in no particular order; names that were joined are one."""

    keys: IntArray
    measures: IntArray
    """One row per measure of `storage.codes.MEASURES`, one column per name."""
    first_s: IntArray
    """Start of the first bucket in which it did anything."""
    last_s: IntArray
    refused_s: IntArray
    """Start of the last bucket in which it was refused; -2**62 when never."""

    def of(self, measure: str) -> IntArray:
        """One measure, one value per name."""
        found: IntArray = self.measures[PLACE[measure]]
        return found

    @property
    def violations(self) -> IntArray:
        """Limited and probable together."""
        return self.of("limited") + self.of("probable")

    def total(self, measure: str) -> int:
        """One measure over all names."""
        return int(self.of(measure).sum())

    def only(self, keep: npt.NDArray[Any]) -> KeySums:
        """Some of the names: a mask, or places in a wanted order."""
        return KeySums(
            self.keys[keep],
            self.measures[:, keep],
            self.first_s[keep],
            self.last_s[keep],
            self.refused_s[keep],
        )


class ComboSums(NamedTuple):
    """One place per combination that did anything in a window."""

    columns: dict[Dim, IntArray]
    outcome: IntArray
    n: IntArray
    first_s: IntArray
    last_s: IntArray

    def by(self, dim: Dim, merged: dict[int, int]) -> KeySums:
        """Summed per name of a dimension."""
        is_violation = self.outcome <= MAX_VIOLATION
        measures = np.zeros((len(MEASURES), len(self.n)), np.int64)
        for outcome, places in MEASURES_OF.items():
            for place in places:
                measures[place] += np.where(self.outcome == outcome, self.n, 0)
        keys = np.zeros_like(self.n) if dim == Dim.ALL else self.columns[dim]
        refused_s = np.where(is_violation, self.last_s, _NEVER_S)
        return joined(KeySums(keys, measures, self.first_s, self.last_s, refused_s), merged)


def joined(sums: KeySums, merged: dict[int, int]) -> KeySums:
    """Places of the same name brought together, bare names with the id that they turned out to mean."""
    keys = sums.keys
    if merged and len(keys):
        bare, ids = np.array(list(merged)), np.array(list(merged.values()))
        order = np.argsort(bare)
        places = np.minimum(np.searchsorted(bare, keys, sorter=order), len(bare) - 1)
        found = bare[order][places] == keys
        keys = np.where(found, ids[order][places], keys)
    names, inverse = np.unique(keys, return_inverse=True)
    if len(names) == len(keys):
        return sums._replace(keys=keys)
    measures = np.zeros((len(MEASURES), len(names)), np.int64)
    for place in range(len(MEASURES)):
        np.add.at(measures[place], inverse, sums.measures[place])
    first_s = np.full(len(names), 2**62, np.int64)
    last_s, refused_s = np.full((2, len(names)), _NEVER_S, np.int64)
    np.minimum.at(first_s, inverse, sums.first_s)
    np.maximum.at(last_s, inverse, sums.last_s)
    np.maximum.at(refused_s, inverse, sums.refused_s)
    return KeySums(names, measures, first_s, last_s, refused_s)


def read_activity(
    snapshot: Snapshot, spans: Sequence[Span], dim: Dim, restriction: Restriction, merged: dict[int, int]
) -> KeySums:
    """Totals of every name of a dimension that did anything; only filters on `dim` are looked at."""
    condition, bound = restriction.of(dim, "key")
    parts: list[str] = []
    values: list[Any] = []
    for span in spans:
        parts.append(
            f"SELECT key, bucket_s, {', '.join(MEASURES)} FROM activity"
            f" WHERE res = ? AND dim = ? AND bucket_s >= ? AND bucket_s < ? AND {condition}"
        )
        values += [span.res, dim, span.from_s, span.to_s, *bound]
    if not parts:
        return _key_sums([])
    rows = snapshot.rows(
        f"SELECT key, min(bucket_s), max(bucket_s),"
        f" max(CASE WHEN limited + probable > 0 THEN bucket_s ELSE {_NEVER_S} END),"
        f" {', '.join(f'sum({name})' for name in MEASURES)}"
        f" FROM ({' UNION ALL '.join(parts)}) GROUP BY key",
        values,
    )
    return joined(_key_sums(rows), merged)


def _key_sums(rows: list[tuple[Any, ...]]) -> KeySums:
    table = np.array(rows, np.int64).reshape(len(rows), 4 + len(MEASURES)).T
    return KeySums(table[0], table[4:], table[1], table[2], table[3])


def read_cells(
    snapshot: Snapshot, spans: Sequence[Span], restriction: Restriction, outcomes: Iterable[int] = ()
) -> ComboSums:
    """Totals of every combination that filters leave."""
    rows: list[tuple[Any, ...]] = []
    if spans and not restriction.is_impossible:
        source, values = cells_of(snapshot, spans, restriction, outcomes)
        columns = ", ".join(f"c.{name}" for name in COLUMN_OF.values())
        rows = snapshot.rows(
            f"SELECT {columns}, c.outcome, t.n, t.first_s, t.last_s FROM (SELECT combo, sum(n) AS n,"
            f" min(bucket_s) AS first_s, max(bucket_s) AS last_s FROM ({source}) GROUP BY combo) t"
            " CROSS JOIN combos c ON c.combo = t.combo",
            values,
        )
    table = np.array(rows, np.int64).reshape(len(rows), len(COLUMN_OF) + 4).T
    return ComboSums(dict(zip(COLUMN_OF, table, strict=False)), *table[len(COLUMN_OF) :])


def few_combos(
    snapshot: Snapshot, restriction: Restriction, outcomes: Iterable[int] = ()
) -> list[int] | None:
    """The combinations that filters leave; None when there are more than 2,000, or nothing is included."""
    if not restriction.include:
        return None
    condition, bound = _condition(restriction, outcomes)
    rows = snapshot.rows(f"SELECT combo FROM combos c WHERE {condition} LIMIT {_FEW_COMBOS + 1}", bound)
    return None if len(rows) > _FEW_COMBOS else [combo for (combo,) in rows]


def cells_of(
    snapshot: Snapshot, spans: Sequence[Span], restriction: Restriction, outcomes: Iterable[int] = ()
) -> tuple[str, list[Any]]:
    """A statement that gives `combo, bucket_s, n` of what filters leave, and what is bound to it."""
    few = few_combos(snapshot, restriction, outcomes)
    if few is not None:
        return cells_of_few(few, spans)
    condition, bound = _condition(restriction, outcomes)
    parts: list[str] = []
    values: list[Any] = []
    for span in spans:
        parts.append(
            "SELECT x.combo, x.bucket_s, x.n FROM cells x CROSS JOIN combos c ON c.combo = x.combo"
            f" WHERE x.res = ? AND x.bucket_s >= ? AND x.bucket_s < ? AND {condition}"
        )
        values += [span.res, span.from_s, span.to_s, *bound]
    return " UNION ALL ".join(parts), values


def cells_of_few(combos: list[int], spans: Sequence[Span]) -> tuple[str, list[Any]]:
    """The same for combinations that are known."""
    parts: list[str] = []
    values: list[Any] = []
    for span in spans:
        parts.append(
            "SELECT x.combo, x.bucket_s, x.n FROM json_each(?) j CROSS JOIN cells x INDEXED BY cells_by_combo"
            " ON x.combo = j.value AND x.res = ? AND x.bucket_s >= ? AND x.bucket_s < ?"
        )
        values += [as_list(combos), span.res, span.from_s, span.to_s]
    return " UNION ALL ".join(parts), values


def _condition(restriction: Restriction, outcomes: Iterable[int]) -> tuple[str, list[Any]]:
    condition, bound = restriction.clause("c")
    wanted = ", ".join(str(int(Outcome(outcome))) for outcome in outcomes)
    return condition + (f" AND c.outcome IN ({wanted})" if wanted else ""), bound


def read_sums(
    snapshot: Snapshot, spans: Sequence[Span], dim: Dim, restriction: Restriction, merged: dict[int, int]
) -> KeySums:
    """Totals per name of a dimension under filters, from wherever they stand already summed."""
    if restriction.is_impossible:
        return _key_sums([])
    if may_use_activity(dim, restriction):
        return read_activity(snapshot, spans, dim, restriction, merged)
    return read_cells(snapshot, spans, restriction).by(dim, merged)


def may_use_activity(dim: Dim, restriction: Restriction) -> bool:
    """Whether `activity` can answer: no other dimension is restricted.

    Requests without any limit are not counted under "no limit" there, so a filter on limits needs `cells`.
    """
    return restriction.dims <= {dim} and not (dim == Dim.LIMIT and restriction.dims)


def has_key(sums: KeySums, key: int) -> bool:
    """Whether a name did anything."""
    return bool((sums.keys == key).any())


def is_real(sums: KeySums) -> npt.NDArray[np.bool_]:
    """Which places are names, and not "none" or "other"."""
    return sums.keys > NONE_KEY + 1
