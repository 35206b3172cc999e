"""Totals per name in a window.

Of services, routes, nodes and limits there are few: without filters on anything else their sums stand in
`activity`. Consumers and addresses without any filter are summed once per pack (`storage/reading/names.py`);
everything else from entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import COLUMN_OF, MAX_VIOLATION, Dim
from storage.packs import PASSED, REFUSED
from storage.reading.activity import MANY, activity_of, may_use_activity, read_activity
from storage.reading.arrays import IntArray, adds_to, grouped, merge, summed
from storage.reading.entries import Entries, read_entries
from storage.reading.key_sums import LONGEST_S, NEVER_S, TOP_MEASURES, KeySums
from storage.reading.names import may_use_names, read_names
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span


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
    sums: KeySums | None = None
    if dim not in MANY and may_use_activity(dim, restriction):
        sums = read_activity(snapshot, spans, dim, restriction, merged)
    elif may_use_names(snapshot, dim, restriction):
        sums = read_names(snapshot, spans, dim, merged)
    if sums is not None:
        known = sums
        return Ranking(
            known.keys,
            known.violations,
            known.measures["requests"],
            lambda keys: known.only(np.isin(known.keys, keys)),
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
    if may_use_names(snapshot, dim, restriction):
        return dict(zip(refused.keys.tolist(), refused.measures["requests"].tolist(), strict=True))
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
