"""The largest of a dimension, and its whole breakdown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domain.filters import Dimension
from storage.codes import DIM_OF, OTHER_KEY, Dim
from storage.reading.arrays import IntArray
from storage.reading.key_sums import KeySums
from storage.reading.rests import count_names
from storage.reading.snapshot import Snapshot
from storage.reading.sums import Ranking
from storage.reading.words import Word, as_list, read_words, tokens_of
from storage.rows import CellRow, Top, TopRow

MAX_ROWS = 1_000_000
"""What an export of names asks for: more than are told apart."""


def largest(snapshot: Snapshot, ranking: Ranking, limit: int, *, by_requests: bool = False) -> list[Word]:
    """The names with most violations, or else with most requests, ties by label."""
    limit = max(0, min(limit, MAX_ROWS))
    ranks = np.stack([-ranking.violations, -ranking.requests * by_requests])
    keys = ranking.keys
    if len(keys) > limit > 0:
        # labels are looked up of those alone that may be listed
        edge = ranks[:, np.lexsort((ranks[1], ranks[0]))[limit - 1]]
        may_be = (ranks[0] < edge[0]) | ((ranks[0] == edge[0]) & (ranks[1] <= edge[1]))
        keys, ranks = keys[may_be], ranks[:, may_be]
    labels = np.array(_labels(snapshot, keys), object)
    by_label = np.argsort(np.argsort(labels, kind="stable"), kind="stable")
    listed = keys[np.lexsort((by_label, ranks[1], ranks[0]))[:limit]].tolist()
    words = read_words(snapshot, listed)
    return [words[key] for key in listed]


def _labels(snapshot: Snapshot, keys: IntArray) -> list[str]:
    rows = dict(
        snapshot.rows(
            "SELECT k.key_id, coalesce(k.name, k.value) FROM json_each(?) j"
            " CROSS JOIN keys k ON k.key_id = j.value",
            (as_list(keys.tolist()),),
        )
    )
    return [rows.get(key, "") for key in keys.tolist()]


def _sums_in_order(ranking: Ranking, words: list[Word]) -> KeySums:
    """Everything about the names that are listed, in their order."""
    keys = np.array([word.key for word in words], np.int64)
    sums = ranking.detail(np.sort(keys))
    return sums.only(np.searchsorted(sums.keys, keys))


def top(
    snapshot: Snapshot,
    dimension: Dimension,
    refused: Ranking,
    limit: int,
    requests_of: Callable[[KeySums], dict[int, int]] | None,
) -> Top:
    """The largest by violations. Those without any are not listed.

    Args:
        snapshot: What is read.
        dimension: Of which they are names.
        refused: Violations per name.
        limit: How many are listed.
        requests_of: Looks up all requests of some of these; None where no log tells.
    """
    dim = DIM_OF[dimension]
    refused = refused.only(refused.violations > 0)
    words = largest(snapshot, refused.only(refused.keys != OTHER_KEY), limit)
    listed = _sums_in_order(refused, words)
    tokens = tokens_of(snapshot, dim, words)
    asked = None if requests_of is None or dim == Dim.LIMIT else requests_of(listed)
    counts = zip(
        words,
        listed.measures["limited"].tolist(),
        listed.measures["probable"].tolist(),
        listed.refused_s.tolist(),
        strict=True,
    )
    rows = tuple(
        TopRow(
            token=tokens[word.key],
            label=word.label,
            limited=limited,
            probable=probable,
            requests=None if asked is None else _told(asked[word.key], limited + probable),
            last_ms=refused_s * 1000,
        )
        for word, limited, probable, refused_s in counts
    )
    distinct, is_folded = count_names(snapshot, dim, refused.keys)
    return Top(
        rows=rows,
        distinct=distinct,
        rest=int(refused.violations.sum()) - sum(row.violations for row in rows),
        at_least=is_folded,
    )


def _told(requests: int, violations: int) -> int | None:
    """Fewer requests than refusals of them: no log told of all."""
    return requests if requests >= violations else None


def breakdown(
    snapshot: Snapshot, dimension: Dimension, ranking: Ranking, limit: int, *, tells: bool
) -> tuple[CellRow, ...]:
    """Every name, those folded together included."""
    dim = DIM_OF[dimension]
    words = largest(snapshot, ranking, limit, by_requests=True)
    listed = _sums_in_order(ranking, words)
    tokens = tokens_of(snapshot, dim, words)
    counts = zip(
        words,
        listed.measures["limited"].tolist(),
        listed.measures["probable"].tolist(),
        listed.measures["requests"].tolist(),
        listed.measures["s401"].tolist(),
        listed.first_s.tolist(),
        listed.last_s.tolist(),
        strict=True,
    )
    return tuple(
        CellRow(
            token=tokens[word.key],
            label=word.label,
            requests=_told(requests, limited + probable) if tells and dim != Dim.LIMIT else None,
            limited=limited,
            probable=probable,
            unauthorized=unauthorized,
            first_ms=first_s * 1000,
            last_ms=last_s * 1000,
        )
        for word, limited, probable, requests, unauthorized, first_s, last_s in counts
    )
