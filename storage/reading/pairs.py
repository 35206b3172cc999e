"""Two dimensions at once: which pairs did what, and how many of one a name of the other was refused with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from storage.codes import COLUMN_OF, NONE_KEY, OTHER_KEY, Dim
from storage.packs import REFUSED
from storage.reading.arrays import Column, IntArray, adds_to, merge, places_of, summed
from storage.reading.entries import Entries, read_entries
from storage.reading.names import batches, groups_of
from storage.reading.packed import PackPart, read_column
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.words import read_words, tokens_of
from storage.rows import PairRow

MAX_PAIRS = 1_000
MOST_MARKS = 32_000_000
"""Bytes: with more names than this leaves room for, pairs are sorted."""
_KEY_BITS = 32


def spread(refused: Entries, of: Dim, by: Dim, merged: dict[int, int]) -> dict[int, int]:
    """The number of each `of` with a violation -> how many different `by` it had one with.

    None and Other count as no name.
    """
    return _spread(refused.column(COLUMN_OF[of]), refused.column(COLUMN_OF[by]), merged)


def _spread(keys: Column, others: Column, merged: dict[int, int]) -> dict[int, int]:
    keys, others = (merge(column, merged).astype(np.int64) for column in (keys, others))
    is_name = others > max(NONE_KEY, OTHER_KEY)
    pairs = np.unique(keys[is_name] << _KEY_BITS | others[is_name])
    names, counts = np.unique(pairs >> _KEY_BITS, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def read_spread(
    snapshot: Snapshot, spans: Sequence[Span], of: Dim, by: Dim, only: Restriction, merged: dict[int, int]
) -> dict[int, int]:
    """The same of names alone, everything else being left in; what packs say of them is remembered.

    Args:
        snapshot: What is read.
        spans: The window.
        of: Whose spread is wanted.
        by: What is counted.
        only: Keeps some names of `of`.
        merged: Bare names and the ids that they turned out to mean.
    """
    groups, bare = groups_of(snapshot, spans)
    keys = tuple(sorted({key for _, some in only.include for key in some}))

    def remembered(packs: Sequence[PackPart]) -> IntArray:
        key = ("spread", of, by, keys, packs)
        return snapshot.remembered.get(key, lambda: _pairs_in(snapshot, packs, of, by, keys))

    found = [remembered(packs) for packs, _ in groups]
    rows = read_entries(snapshot, bare, only, (of, by), (REFUSED,))
    pairs = np.concatenate([np.zeros(0, np.int64), *found])
    return _spread(
        np.concatenate([pairs >> _KEY_BITS, rows.column(COLUMN_OF[of])]),
        np.concatenate([pairs & (1 << _KEY_BITS) - 1, rows.column(COLUMN_OF[by])]),
        merged,
    )


def _pairs_in(
    snapshot: Snapshot, packs: Sequence[PackPart], of: Dim, by: Dim, keys: tuple[int, ...]
) -> IntArray:
    """The different pairs with a violation in some packs, of some names of `of`."""
    found = [np.zeros(0, np.int64)]
    wanted = np.array(keys, np.int64)
    for some in batches(packs):
        names = read_column(snapshot, some, REFUSED, COLUMN_OF[of])
        mine = places_of(names, keys)
        if not len(mine):
            continue
        others = read_column(snapshot, some, REFUSED, COLUMN_OF[by])[mine].astype(np.int64)
        width = int(others.max()) + 1
        if len(keys) * width > MOST_MARKS:
            found.append(np.unique(names[mine].astype(np.int64) << _KEY_BITS | others))
            continue
        # marked rather than sorted: of 200,000 in a pack a few thousand pairs are different
        marks = np.zeros(len(keys) * width, np.bool_)
        marks[np.searchsorted(wanted, names[mine]) * width + others] = True
        marked = np.flatnonzero(marks)
        found.append(wanted[marked // width] << _KEY_BITS | marked % width)
    return np.unique(np.concatenate(found))


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
