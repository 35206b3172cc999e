"""The largest of a dimension, and its whole breakdown."""

from __future__ import annotations

import numpy as np

from domain.filters import Dimension
from storage.codes import DIM_OF, OTHER_KEY, Dim
from storage.reading.connections import Snapshot
from storage.reading.sums import KeySums, is_real
from storage.reading.words import Word, as_list, read_words, tokens_of
from storage.rows import CellRow, Top, TopRow

MAX_ROWS = 1_000_000
"""What an export of names asks for: more than are told apart."""


def largest(snapshot: Snapshot, sums: KeySums, limit: int) -> tuple[KeySums, dict[int, Word]]:
    """The names with most violations, then most requests, ties by label; and their words."""
    limit = max(0, min(limit, MAX_ROWS))
    violations, requests = sums.violations, sums.of("requests")
    if len(sums.keys) > limit and limit:
        order = np.lexsort((-requests, -violations))
        edge = order[limit - 1]
        is_above = (violations > violations[edge]) | (
            (violations == violations[edge]) & (requests >= requests[edge])
        )
        sums = sums.only(is_above)
        violations, requests = sums.violations, sums.of("requests")
    labels = _labels(snapshot, sums)
    ranks = np.argsort(np.argsort(np.array(labels, object), kind="stable"), kind="stable")
    order = np.lexsort((sums.keys, ranks, -requests, -violations))[:limit]
    sums = sums.only(order)
    return sums, read_words(snapshot, sums.keys.tolist())


def _labels(snapshot: Snapshot, sums: KeySums) -> list[str]:
    rows = dict(
        snapshot.rows(
            "SELECT k.key_id, coalesce(k.name, k.value) FROM json_each(?) j"
            " CROSS JOIN keys k ON k.key_id = j.value",
            (as_list(sums.keys.tolist()),),
        )
    )
    return [rows.get(key, "") for key in sums.keys.tolist()]


def top(snapshot: Snapshot, dimension: Dimension, sums: KeySums, limit: int, *, tells: bool) -> Top:
    """The largest by violations. Those without any are not listed."""
    dim = DIM_OF[dimension]
    sums = sums.only(sums.violations > 0)
    listed, words = largest(snapshot, sums.only(sums.keys != OTHER_KEY), limit)
    tokens = tokens_of(snapshot, dim, words.values())
    counts = zip(
        listed.keys.tolist(),
        listed.of("limited").tolist(),
        listed.of("probable").tolist(),
        listed.of("requests").tolist(),
        listed.refused_s.tolist(),
        strict=True,
    )
    rows = tuple(
        TopRow(
            token=tokens[key],
            label=words[key].label,
            limited=limited,
            probable=probable,
            requests=requests if tells and dim != Dim.LIMIT and requests >= limited + probable else None,
            last_ms=refused_s * 1000,
        )
        for key, limited, probable, requests, refused_s in counts
    )
    return Top(
        rows=rows,
        distinct=int(is_real(sums).sum()),
        rest=int(sums.violations.sum()) - sum(row.violations for row in rows),
        at_least=bool((sums.keys == OTHER_KEY).any()),
    )


def breakdown(
    snapshot: Snapshot, dimension: Dimension, sums: KeySums, limit: int, *, tells: bool
) -> tuple[CellRow, ...]:
    """Every name, those folded together included."""
    dim = DIM_OF[dimension]
    listed, words = largest(snapshot, sums, limit)
    tokens = tokens_of(snapshot, dim, words.values())
    counts = zip(
        listed.keys.tolist(),
        listed.of("limited").tolist(),
        listed.of("probable").tolist(),
        listed.of("requests").tolist(),
        listed.of("s401").tolist(),
        listed.first_s.tolist(),
        listed.last_s.tolist(),
        strict=True,
    )
    return tuple(
        CellRow(
            token=tokens[key],
            label=words[key].label,
            requests=requests if tells and dim != Dim.LIMIT and requests >= limited + probable else None,
            limited=limited,
            probable=probable,
            unauthorized=unauthorized,
            first_ms=first_s * 1000,
            last_ms=last_s * 1000,
        )
        for key, limited, probable, requests, unauthorized, first_s, last_s in counts
    )
