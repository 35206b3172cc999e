"""Violations over time, stacked."""

from __future__ import annotations

import numpy as np

from domain.filters import OTHER_TOKEN
from storage.codes import COLUMN_OF, MAX_VIOLATION, OTHER_KEY, Dim
from storage.packs import REFUSED
from storage.reading.activity import MANY, activity_of, may_use_activity
from storage.reading.arrays import IntArray, adds_to, merge
from storage.reading.entries import read_entries
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Buckets
from storage.reading.sums import Ranking
from storage.reading.tops import largest
from storage.reading.words import tokens_of
from storage.rows import Series, SeriesGroup

MAX_GROUPS = 50
ALL_TOKEN = ""
"""The one group of a series that is not grouped."""


def read_series(
    snapshot: Snapshot,
    shape: Buckets,
    dim: Dim | None,
    ranking: Ranking | None,
    restriction: Restriction,
    merged: dict[int, int],
    top: int,
    *,
    tells: bool,
) -> Series:
    """Stack the largest names of a dimension; `ranking`, over the same buckets, says which they are."""
    everything, requests = _everything(snapshot, shape, restriction)
    groups: list[SeriesGroup] = []
    if dim is None or ranking is None:
        groups.append(SeriesGroup(token=ALL_TOKEN, label="", values=tuple(everything.tolist())))
    else:
        named = ranking.only((ranking.violations > 0) & (ranking.keys != OTHER_KEY))
        words = largest(snapshot, named, max(0, min(top, MAX_GROUPS)))
        tokens = tokens_of(snapshot, dim, words)
        lines = _lines(snapshot, shape, dim, [word.key for word in words], restriction, merged)
        for word, line in zip(words, lines, strict=True):
            values = tuple(line.tolist())
            groups.append(SeriesGroup(token=tokens[word.key], label=word.label, values=values))
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
    dims = restriction.dims
    dim = next(iter(dims)) if len(dims) == 1 else Dim.ALL
    if dim not in MANY and may_use_activity(dim, restriction):
        condition, bound = restriction.of(dim, "key")
        rows = snapshot.rows(
            "SELECT bucket_s, sum(limited + probable), sum(requests) FROM activity"
            f" WHERE res = ? AND dim = ? AND bucket_s >= ? AND bucket_s < ? AND {condition}"
            " GROUP BY bucket_s",
            (shape.res, dim, shape.from_ms // 1000, shape.to_ms // 1000, *bound),
        )
        table = np.array(rows, np.int64).reshape(len(rows), 3).T
        return shape.spread(table[0], table[1]), shape.spread(table[0], table[2])
    entries = read_entries(snapshot, [shape.span], restriction)
    outcome, n, bucket_s = (entries.column(name) for name in ("outcome", "n", "bucket_s"))
    is_refused, is_request = outcome <= MAX_VIOLATION, adds_to("requests")[outcome]
    return (
        shape.spread(bucket_s[is_refused], n[is_refused]),
        shape.spread(bucket_s[is_request], n[is_request]),
    )


def _lines(
    snapshot: Snapshot,
    shape: Buckets,
    dim: Dim,
    keys: list[int],
    restriction: Restriction,
    merged: dict[int, int],
) -> IntArray:
    """Violations per name and bucket: one row per name of `keys`."""
    lines = np.zeros((len(keys), shape.n), np.int64)
    if not keys:
        return lines
    if may_use_activity(dim, restriction):
        wanted = {key: place for place, key in enumerate(keys)}
        places = wanted | {bare: wanted[key] for bare, key in merged.items() if key in wanted}
        source, values = activity_of(shape.span, dim, places)
        for key, bucket_s, n in snapshot.rows(
            f"SELECT a.key, a.bucket_s, a.limited + a.probable FROM {source} AND a.limited + a.probable > 0",
            values,
        ):
            lines[places[key], shape.place(bucket_s)] += n
        return lines
    entries = read_entries(snapshot, [shape.span], restriction, (dim,), (REFUSED,))
    bare = (key for key, known in merged.items() if known in keys)
    columns = entries.of_names(dim, (*keys, *bare))
    named = merge(columns[COLUMN_OF[dim]], merged)
    for place, key in enumerate(keys):
        is_its = named == key
        lines[place] = shape.spread(columns["bucket_s"][is_its], columns["n"][is_its])
    return lines


def read_past(
    snapshot: Snapshot, shape: Buckets, dim: Dim, keys: tuple[int, ...]
) -> tuple[tuple[int, int, int, int], ...]:
    """What names did: (bucket start in ms, requests, limited, probable), oldest first, no empty buckets."""
    source, values = activity_of(shape.span, dim, keys)
    rows = snapshot.rows(f"SELECT a.bucket_s, a.requests, a.limited, a.probable FROM {source}", values)
    found: dict[int, list[int]] = {}
    for bucket_s, *counts in rows:
        start_ms = shape.from_ms + int(shape.place(bucket_s)) * shape.width_ms
        held = found.setdefault(start_ms, [0, 0, 0])
        for place, n in enumerate(counts):
            held[place] += n
    return tuple(
        (start_ms, requests, limited, probable)
        for start_ms, (requests, limited, probable) in sorted(found.items())
        if requests or limited or probable
    )
