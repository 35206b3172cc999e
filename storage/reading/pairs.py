"""Two dimensions at once: which pairs did what, and how many of one a name of the other was refused with."""

from __future__ import annotations

import numpy as np

from storage.codes import MAX_VIOLATION, MEASURES_OF, NONE_KEY, OTHER_KEY, Dim
from storage.reading.connections import Snapshot
from storage.reading.sums import PLACE, ComboSums, IntArray
from storage.reading.words import read_words, tokens_of
from storage.rows import PairRow

MAX_PAIRS = 1_000


def spread(cells: ComboSums, of: Dim, by: Dim, merged: dict[int, int]) -> dict[int, int]:
    """The number of each `of` with a violation -> how many different `by` it had one with.

    None and Other count as no name.
    """
    refused = cells.outcome <= MAX_VIOLATION
    keys, others = (_one(cells.columns[dim][refused], merged) for dim in (of, by))
    is_name = ~np.isin(others, (NONE_KEY, OTHER_KEY))
    pairs = np.unique(np.stack([keys[is_name], others[is_name]]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def read_pairs(
    snapshot: Snapshot, cells: ComboSums, of: Dim, by: Dim, merged: dict[int, int], limit: int
) -> tuple[PairRow, ...]:
    """The pairs with most violations, then most requests."""
    columns = np.stack([_one(cells.columns[dim], merged) for dim in (of, by)])
    pairs, inverse = np.unique(columns, axis=1, return_inverse=True)
    count = pairs.shape[1]
    requests, limited, probable = (
        np.bincount(inverse, np.where(_adds_to(cells, name), cells.n, 0), count).astype(np.int64)
        for name in ("requests", "limited", "probable")
    )
    last_s = np.full(count, 0, np.int64)
    np.maximum.at(last_s, inverse, cells.last_s)
    order = np.lexsort((pairs[1], pairs[0], -requests, -(limited + probable)))
    order = order[: max(0, min(limit, MAX_PAIRS))]
    words = read_words(snapshot, [int(key) for key in pairs[:, order].ravel()])
    tokens = [tokens_of(snapshot, dim, words.values()) for dim in (of, by)]
    return tuple(
        PairRow(
            token=tokens[0][key],
            label=words[key].label,
            id=words[key].id,
            by_token=tokens[1][other],
            by_label=words[other].label,
            by_id=words[other].id,
            requests=int(requests[place]),
            limited=int(limited[place]),
            probable=int(probable[place]),
            last_ms=int(last_s[place]) * 1000,
        )
        for place in order.tolist()
        for key, other in [(int(pairs[0, place]), int(pairs[1, place]))]
    )


def _adds_to(cells: ComboSums, measure: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    outcomes = [int(outcome) for outcome, places in MEASURES_OF.items() if PLACE[measure] in places]
    return np.isin(cells.outcome, outcomes)


def _one(keys: IntArray, merged: dict[int, int]) -> IntArray:
    """Bare names as the ids that they turned out to mean."""
    found = keys.copy()
    for bare, known in merged.items():
        found[keys == bare] = known
    return found
