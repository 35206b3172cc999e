"""Violations over time, stacked."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.filters import OTHER_TOKEN
from storage.codes import COLUMN_OF, MAX_VIOLATION, MEASURES_OF, OTHER_KEY, VIOLATIONS, Dim
from storage.reading.connections import Snapshot
from storage.reading.restriction import Restriction
from storage.reading.spans import Buckets, Span
from storage.reading.sums import IntArray, KeySums, cells_of, may_use_activity
from storage.reading.tops import largest
from storage.reading.words import as_list, tokens_of
from storage.rows import Series, SeriesGroup

MAX_GROUPS = 50
INDEXED = (Dim.CONSUMER, Dim.IP)
ALL_TOKEN = ""
"""The one group of a series that is not grouped."""
_REQUESTS = tuple(outcome for outcome, places in MEASURES_OF.items() if 0 in places)


def read_series(
    snapshot: Snapshot,
    shape: Buckets,
    dim: Dim | None,
    sums: KeySums | None,
    restriction: Restriction,
    merged: dict[int, int],
    top: int,
    *,
    tells: bool,
) -> Series:
    """Stack the largest names of a dimension; `sums`, of `dim` over the same buckets, say which they are."""
    everything, requests = _everything(snapshot, shape, restriction)
    groups: list[SeriesGroup] = []
    if dim is None or sums is None:
        groups.append(SeriesGroup(token=ALL_TOKEN, label="", values=tuple(everything.tolist())))
    else:
        named = sums.only((sums.violations > 0) & (sums.keys != OTHER_KEY))
        listed, words = largest(snapshot, named, max(0, min(top, MAX_GROUPS)))
        tokens = tokens_of(snapshot, dim, words.values())
        lines = _lines(snapshot, shape, dim, listed.keys, restriction, merged)
        for key, line in zip(listed.keys.tolist(), lines, strict=True):
            groups.append(SeriesGroup(token=tokens[key], label=words[key].label, values=tuple(line.tolist())))
        other = everything - lines.sum(axis=0)
        if other.any():
            groups.append(SeriesGroup(token=OTHER_TOKEN, label="Other", values=tuple(other.tolist())))
    is_told = tells and not any(d == Dim.LIMIT for d, _ in restriction.include)
    return Series(
        from_ms=shape.from_ms,
        bucket_ms=shape.width_ms,
        buckets=shape.n,
        groups=tuple(groups),
        requests=tuple(requests.tolist()) if is_told and requests.sum() >= everything.sum() else None,
    )


def _everything(snapshot: Snapshot, shape: Buckets, restriction: Restriction) -> tuple[IntArray, IntArray]:
    """Violations and requests per bucket."""
    if restriction.is_impossible:
        return np.zeros((2, shape.n), np.int64)[0], np.zeros(shape.n, np.int64)
    dims = restriction.dims
    dim = next(iter(dims)) if len(dims) == 1 else Dim.ALL
    if may_use_activity(dim, restriction):
        condition, bound = restriction.of(dim, "key")
        rows = snapshot.rows(
            "SELECT bucket_s, sum(limited + probable), sum(requests) FROM activity"
            f" WHERE res = ? AND dim = ? AND bucket_s >= ? AND bucket_s < ? AND {condition}"
            " GROUP BY bucket_s",
            (shape.res, dim, shape.from_ms // 1000, shape.to_ms // 1000, *bound),
        )
        table = np.array(rows, np.int64).reshape(len(rows), 3).T
        return _spread(shape, table[0], table[1]), _spread(shape, table[0], table[2])
    span = Span(shape.res, shape.from_ms // 1000, shape.to_ms // 1000)
    source, values = cells_of(snapshot, [span], restriction)
    rows = snapshot.rows(
        f"SELECT t.bucket_s, c.outcome, sum(t.n) FROM ({source}) t CROSS JOIN combos c ON c.combo = t.combo"
        " GROUP BY t.bucket_s, c.outcome",
        values,
    )
    table = np.array(rows, np.int64).reshape(len(rows), 3).T
    refused, asked = table[:, table[1] <= MAX_VIOLATION], table[:, np.isin(table[1], _REQUESTS)]
    return _spread(shape, refused[0], refused[2]), _spread(shape, asked[0], asked[2])


def _lines(
    snapshot: Snapshot,
    shape: Buckets,
    dim: Dim,
    keys: IntArray,
    restriction: Restriction,
    merged: dict[int, int],
) -> IntArray:
    """Violations per name and bucket: one row per name of `keys`."""
    lines = np.zeros((len(keys), shape.n), np.int64)
    if not len(keys):
        return lines
    wanted = {key: place for place, key in enumerate(keys.tolist())}
    places = wanted | {bare: wanted[key] for bare, key in merged.items() if key in wanted}
    for key, bucket_s, n in _rows(snapshot, shape, dim, list(places), restriction):
        lines[places[key], (bucket_s * 1000 - shape.from_ms) // shape.width_ms] += n
    return lines


def _rows(
    snapshot: Snapshot, shape: Buckets, dim: Dim, keys: list[int], restriction: Restriction
) -> list[tuple[Any, ...]]:
    from_s, to_s = shape.from_ms // 1000, shape.to_ms // 1000
    if may_use_activity(dim, restriction):
        source, values = _activity_of(shape, dim, keys)
        return snapshot.rows(
            f"SELECT a.key, a.bucket_s, a.limited + a.probable FROM {source} AND a.limited + a.probable > 0",
            values,
        )
    source, values = cells_of(snapshot, [Span(shape.res, from_s, to_s)], restriction, VIOLATIONS)
    column = COLUMN_OF[dim]
    return snapshot.rows(
        f"SELECT c.{column}, t.bucket_s, sum(t.n) FROM ({source}) t CROSS JOIN combos c ON c.combo = t.combo"
        f" WHERE c.{column} IN (SELECT value FROM json_each(?)) GROUP BY 1, 2",
        (*values, as_list(keys)),
    )


def _activity_of(shape: Buckets, dim: Dim, keys: list[int]) -> tuple[str, list[Any]]:
    """Where the rows `a` of some names stand, and what is bound to it.

    Consumers and addresses are many and have an index by name; of the others each bucket holds few rows.
    """
    from_s, to_s = shape.from_ms // 1000, shape.to_ms // 1000
    if dim in INDEXED:
        source = (
            "json_each(?) j CROSS JOIN activity a INDEXED BY activity_by_key ON a.key = j.value"
            f" WHERE a.dim = {int(dim)} AND a.dim BETWEEN 1 AND 2 AND a.res = ?"
            " AND a.bucket_s >= ? AND a.bucket_s < ?"
        )
        return source, [as_list(keys), shape.res, from_s, to_s]
    source = (
        f"activity a WHERE a.res = ? AND a.dim = {int(dim)} AND a.bucket_s >= ? AND a.bucket_s < ?"
        " AND a.key IN (SELECT value FROM json_each(?))"
    )
    return source, [shape.res, from_s, to_s, as_list(keys)]


def _spread(shape: Buckets, bucket_s: IntArray, n: IntArray) -> IntArray:
    found = np.zeros(shape.n, np.int64)
    np.add.at(found, (bucket_s * 1000 - shape.from_ms) // shape.width_ms, n)
    return found


def read_past(
    snapshot: Snapshot, shape: Buckets, dim: Dim, keys: tuple[int, ...]
) -> tuple[tuple[int, int, int, int], ...]:
    """What names did: (bucket start in ms, requests, limited, probable), oldest first, no empty buckets."""
    source, values = _activity_of(shape, dim, list(keys))
    rows = snapshot.rows(f"SELECT a.bucket_s, a.requests, a.limited, a.probable FROM {source}", values)
    found: dict[int, list[int]] = {}
    for bucket_s, *counts in rows:
        start_ms = shape.from_ms + (bucket_s * 1000 - shape.from_ms) // shape.width_ms * shape.width_ms
        held = found.setdefault(start_ms, [0, 0, 0])
        for place, n in enumerate(counts):
            held[place] += n
    return tuple(
        (start_ms, requests, limited, probable)
        for start_ms, (requests, limited, probable) in sorted(found.items())
        if requests or limited or probable
    )
