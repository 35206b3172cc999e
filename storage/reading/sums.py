"""Totals per name in a window.

Of services, routes, nodes and limits there are few: without filters on anything else their sums stand in
`activity`. Consumers and addresses, and everything under filters, are summed from entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import COLUMN_OF, MAX_VIOLATION, MEASURES, Dim
from storage.packs import PASSED, REFUSED
from storage.reading.arrays import IntArray, adds_to, grouped, merge, summed
from storage.reading.entries import Entries, read_entries
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.words import as_list

MANY = (Dim.CONSUMER, Dim.IP)
"""Dimensions with so many names that their rows in `activity` are too many to sum for a long window."""
TOP_MEASURES = ("requests", "limited", "probable", "s401")
LONGEST_S, NEVER_S = 2**62, -(2**62)


class KeySums(NamedTuple):
    """One place per name, in the order of their numbers; names that were joined are one."""

    keys: IntArray
    measures: dict[str, IntArray]
    """Of `storage.codes.MEASURES` those that were asked for, one value per name."""
    first_s: IntArray
    """Start of the first bucket in which it did anything."""
    last_s: IntArray
    refused_s: IntArray
    """Start of the last bucket in which it was refused; -2**62 when never."""

    @property
    def violations(self) -> IntArray:
        """Limited and probable together."""
        return self.measures["limited"] + self.measures["probable"]

    def only(self, keep: npt.NDArray[Any]) -> KeySums:
        """Some of the names: a mask, or places in a wanted order."""
        measures = {name: values[keep] for name, values in self.measures.items()}
        return KeySums(self.keys[keep], measures, self.first_s[keep], self.last_s[keep], self.refused_s[keep])


class Ranking(NamedTuple):
    """Every name that did anything, and what decides its place."""

    keys: IntArray
    violations: IntArray
    requests: IntArray
    """As far as they were read: with `refused_only` those of the violations."""
    detail: Callable[[IntArray], KeySums]
    """Everything about some of the names, in the order of their numbers."""

    def only(self, keep: npt.NDArray[Any]) -> Ranking:
        """Some of the names."""
        return Ranking(self.keys[keep], self.violations[keep], self.requests[keep], self.detail)


def read_ranking(
    snapshot: Snapshot,
    spans: Sequence[Span],
    dim: Dim,
    restriction: Restriction,
    merged: dict[int, int],
    *,
    refused_only: bool = False,
) -> Ranking:
    """Rank the names of a dimension; with `refused_only` by violations alone, without the other requests."""
    if dim not in MANY and may_use_activity(dim, restriction):
        sums = read_activity(snapshot, spans, dim, restriction, merged)
        return Ranking(
            sums.keys,
            sums.violations,
            sums.measures["requests"],
            lambda keys: sums.only(np.isin(sums.keys, keys)),
        )
    parts = (REFUSED,) if refused_only else (REFUSED, PASSED)
    entries = read_entries(snapshot, spans, restriction, (dim,), parts)
    return Ranking(*entries.ranks(dim, merged), lambda keys: sums_of(entries, dim, keys, merged))


def sums_of(entries: Entries, dim: Dim, keys: IntArray, merged: dict[int, int]) -> KeySums:
    """Sum the entries of some names."""
    wanted = set(keys.tolist())
    bare = {key for key, known in merged.items() if known in wanted}
    columns = entries.of_names(dim, wanted | bare)
    outcome, n, bucket_s = columns["outcome"], columns["n"], columns["bucket_s"]
    names, places = grouped(merge(columns[COLUMN_OF[dim]], merged))
    measures = {}
    for name in TOP_MEASURES:
        counts = adds_to(name)[outcome]
        measures[name] = summed(places[counts], n[counts], len(names))
    first_s = np.full(len(names), LONGEST_S, np.int64)
    last_s, refused_s = np.full((2, len(names)), NEVER_S, np.int64)
    np.minimum.at(first_s, places, bucket_s)
    np.maximum.at(last_s, places, bucket_s)
    is_refused = outcome <= MAX_VIOLATION
    np.maximum.at(refused_s, places[is_refused], bucket_s[is_refused])
    return KeySums(names, measures, first_s, last_s, refused_s)


def read_requests(
    snapshot: Snapshot,
    spans: Sequence[Span],
    dim: Dim,
    refused: KeySums,
    restriction: Restriction,
    merged: dict[int, int],
) -> dict[int, int]:
    """All requests of some names whose violations are known."""
    if not may_use_activity(dim, restriction):
        entries = read_entries(snapshot, spans, restriction, (dim,), (PASSED,))
        passed = sums_of(entries, dim, refused.keys, merged)
        found = dict(zip(refused.keys.tolist(), refused.measures["requests"].tolist(), strict=True))
        for key, n in zip(passed.keys.tolist(), passed.measures["requests"].tolist(), strict=True):
            found[key] += n
        return found
    found = dict.fromkeys(refused.keys.tolist(), 0)
    means = {key: key for key in found} | {bare: key for bare, key in merged.items() if key in found}
    for span in spans:
        source, values = activity_of(span, dim, means)
        for key, n in snapshot.rows(f"SELECT a.key, sum(a.requests) FROM {source} GROUP BY a.key", values):
            found[means[key]] += n
    return found


def activity_of(span: Span, dim: Dim, keys: Iterable[int]) -> tuple[str, list[Any]]:
    """Where the rows `a` of some names stand, and what is bound to it.

    Consumers and addresses are many and have an index by name; of the others each bucket holds few rows.
    """
    if dim in MANY:
        source = (
            "json_each(?) j CROSS JOIN activity a INDEXED BY activity_by_key ON a.key = j.value"
            f" WHERE a.dim = {int(dim)} AND a.dim BETWEEN 1 AND 2 AND a.res = ?"
            " AND a.bucket_s >= ? AND a.bucket_s < ?"
        )
        return source, [as_list(keys), *span]
    source = (
        f"activity a WHERE a.res = ? AND a.dim = {int(dim)} AND a.bucket_s >= ? AND a.bucket_s < ?"
        " AND a.key IN (SELECT value FROM json_each(?))"
    )
    return source, [*span, as_list(keys)]


def may_use_activity(dim: Dim, restriction: Restriction) -> bool:
    """Whether `activity` can answer: no other dimension is restricted.

    Requests without any limit are not counted under "no limit" there, so a filter on limits needs entries.
    """
    return restriction.dims <= {dim} and not (dim == Dim.LIMIT and restriction.dims)


def read_activity(
    snapshot: Snapshot,
    spans: Sequence[Span],
    dim: Dim,
    restriction: Restriction,
    merged: dict[int, int],
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
    rows = (
        []
        if not parts
        else snapshot.rows(
            f"SELECT key, min(bucket_s), max(bucket_s),"
            f" max(CASE WHEN limited + probable > 0 THEN bucket_s ELSE {NEVER_S} END),"
            f" {', '.join(f'sum({name})' for name in MEASURES)}"
            f" FROM ({' UNION ALL '.join(parts)}) GROUP BY key",
            values,
        )
    )
    table = np.array(rows, np.int64).reshape(len(rows), 4 + len(MEASURES)).T
    return _joined(KeySums(table[0], dict(zip(MEASURES, table[4:], strict=True)), *table[1:4]), merged)


def _joined(sums: KeySums, merged: dict[int, int]) -> KeySums:
    keys, places = grouped(merge(sums.keys, merged))
    first_s = np.full(len(keys), LONGEST_S, np.int64)
    last_s, refused_s = np.full((2, len(keys)), NEVER_S, np.int64)
    np.minimum.at(first_s, places, sums.first_s)
    np.maximum.at(last_s, places, sums.last_s)
    np.maximum.at(refused_s, places, sums.refused_s)
    measures = {name: summed(places, values, len(keys)) for name, values in sums.measures.items()}
    return KeySums(keys, measures, first_s, last_s, refused_s)
