"""Sums per name as they stand in `activity`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from storage.codes import MEASURES, Dim
from storage.reading.key_sums import NEVER_S, KeySums, together
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.words import as_list

MANY = (Dim.CONSUMER, Dim.IP)
"""Dimensions with so many names that their rows in `activity` are too many to sum for a long window."""


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
    # in the order that sums are in: PostgreSQL's own order of groups is none
    rows = (
        []
        if not parts
        else snapshot.rows(
            f"SELECT key, min(bucket_s), max(bucket_s),"
            f" max(CASE WHEN limited + probable > 0 THEN bucket_s ELSE {NEVER_S} END),"
            f" {', '.join(f'sum({name})' for name in MEASURES)}"
            f" FROM ({' UNION ALL '.join(parts)}) GROUP BY key ORDER BY key",
            values,
        )
    )
    table = np.array(rows, np.int64).reshape(len(rows), 4 + len(MEASURES)).T
    found = KeySums(table[0], dict(zip(MEASURES, table[4:], strict=True)), *table[1:4])
    return together([found], merged, MEASURES)
