"""Two dimensions at once: which pairs did what, and how many of one a name of the other was refused with."""

from __future__ import annotations

import numpy as np

from storage.codes import COLUMN_OF, NONE_KEY, OTHER_KEY, Dim
from storage.reading.arrays import adds_to, merge, summed
from storage.reading.entries import Entries
from storage.reading.snapshot import Snapshot
from storage.reading.words import read_words, tokens_of
from storage.rows import PairRow

MAX_PAIRS = 1_000
_KEY_BITS = 32


def spread(refused: Entries, of: Dim, by: Dim, merged: dict[int, int]) -> dict[int, int]:
    """The number of each `of` with a violation -> how many different `by` it had one with.

    None and Other count as no name.
    """
    keys, others = (merge(refused.column(COLUMN_OF[dim]), merged).astype(np.int64) for dim in (of, by))
    is_name = others > max(NONE_KEY, OTHER_KEY)
    pairs = np.unique(keys[is_name] << _KEY_BITS | others[is_name])
    names, counts = np.unique(pairs >> _KEY_BITS, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def read_pairs(
    snapshot: Snapshot, entries: Entries, of: Dim, by: Dim, merged: dict[int, int], limit: int
) -> tuple[PairRow, ...]:
    """The pairs with most violations, then most requests."""
    keys, others = (merge(entries.column(COLUMN_OF[dim]), merged).astype(np.int64) for dim in (of, by))
    packed, inverse = np.unique(keys << _KEY_BITS | others, return_inverse=True)
    pairs = np.stack([packed >> _KEY_BITS, packed & (1 << _KEY_BITS) - 1])
    count = pairs.shape[1]
    outcome, n = entries.column("outcome"), entries.column("n")
    requests, limited, probable = (
        summed(inverse[counts], n[counts], count)
        for counts in (adds_to(name)[outcome] for name in ("requests", "limited", "probable"))
    )
    last_s = np.full(count, 0, np.int64)
    np.maximum.at(last_s, inverse, entries.column("bucket_s"))
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
