"""Names that are not told apart: what of a ranking is one name, and what stands for many."""

from __future__ import annotations

import numpy as np

from domain.filters import Dimension
from domain.windows import Window
from storage.codes import DIM_OF, NONE_KEY, OTHER_KEY, Dim, meta_crowd, meta_crowd_from, meta_crowd_upto
from storage.reading.activity import MANY
from storage.reading.arrays import IntArray
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.rows import Crowd

MAX_RESTS = 50_000
"""Rests of prefixes looked at, 25 ms; where there are more, any count of addresses may be too low."""


def count_names(snapshot: Snapshot, dim: Dim, keys: IntArray) -> tuple[int, bool]:
    """How many names some numbers of a dimension are, and whether others were folded together with them."""
    named = keys[keys > max(NONE_KEY, OTHER_KEY)]
    rests = _read_rests(snapshot) if dim == Dim.IP else np.zeros(0, np.int64)
    is_rest = np.isin(named, rests)
    is_folded = bool((keys == OTHER_KEY).any() or is_rest.any()) or len(rests) >= MAX_RESTS
    return int(len(named) - is_rest.sum()), is_folded


def _read_rests(snapshot: Snapshot) -> IntArray:
    """The numbers that stand for the rest of a prefix: no address has a name but those."""
    return snapshot.once(
        "rests",
        lambda: np.array(
            [
                key
                for (key,) in snapshot.rows(
                    "SELECT key_id FROM keys INDEXED BY keys_by_name"
                    " WHERE dim = ? AND name IS NOT NULL LIMIT ?",
                    (Dim.IP, MAX_RESTS),
                )
            ],
            np.int64,
        ),
    )


def may_miss_some(snapshot: Snapshot, restriction: Restriction, window: Window) -> bool:
    """Whether some of what a filter names may count elsewhere, because there were too many names then."""
    for dim, _ in restriction.include:
        if dim in MANY:
            names = (meta_crowd_from(dim), meta_crowd_upto(dim))
            meta = dict(snapshot.rows("SELECT name, value FROM meta WHERE name IN (?, ?)", names))
            if len(meta) == len(names):
                from_ms, upto_ms = (meta[name] for name in names)
                if from_ms < window.to_ms and upto_ms > window.from_ms:
                    return True
    return False


def crowds_in(meta: dict[str, int]) -> tuple[Crowd, ...]:
    """When names were not told apart, of each dimension of which some were not."""
    return tuple(
        Crowd(
            dimension=dimension,
            from_ms=meta[meta_crowd_from(DIM_OF[dimension])],
            upto_ms=meta[meta_crowd_upto(DIM_OF[dimension])],
            about=meta.get(meta_crowd(DIM_OF[dimension]), 0),
        )
        for dimension in (Dimension.CONSUMER, Dimension.IP)
        if meta_crowd_from(DIM_OF[dimension]) in meta
    )
