"""Consumers and addresses without filters: each pack's sums per name, added up once and remembered.

Long windows hold millions of entries and far fewer names. Packs never change, so neither do their sums: they
are kept in groups, a day of hours and a month of days, so that an hour that is over, or a day that is made
again because of something late, costs its group and not all of the past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from domain.windows import DAY_MS
from storage.codes import COLUMN_OF, Dim
from storage.packs import PACKED, PASSED, REFUSED
from storage.reading.activity import MANY, read_activity
from storage.reading.arrays import IntArray, grouped, merge
from storage.reading.key_sums import Adding, KeySums, together
from storage.reading.packed import PackPart, packs_of, read_column, split
from storage.reading.restriction import NOTHING_LEFT_OUT, Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span

Group = tuple[tuple[PackPart, ...], tuple[PackPart, ...]]
"""The violations of packs that are kept together, and the rest of them; both oldest first."""
GROUP_S = {min(PACKED): DAY_MS // 1000, max(PACKED): 32 * DAY_MS // 1000}
"""By resolution: packs that begin within the same so many seconds are one group."""
AT_ONCE = 200_000
"""Entries of packs held at once: 10 MB with what is worked out of them."""
SPANS_AT_ONCE = 100
"""SQLite takes at most 500 statements joined by UNION ALL."""
MOST_NUMBERS = 2_000_000
"""Sums are added up in arrays of a place for each number, 130 MB for so many; of more, entries are read."""
_REFUSED_ROWS = (
    "SELECT key FROM activity WHERE res = ? AND dim = ? AND bucket_s >= ? AND bucket_s < ?"
    " AND limited + probable > 0"
)


def may_use_names(snapshot: Snapshot, dim: Dim, restriction: Restriction) -> bool:
    """Whether sums per name can answer: nothing is left out, and there are not too many numbers."""
    if dim not in MANY or restriction.dims:
        return False
    most = snapshot.once("most number", lambda: snapshot.value("SELECT max(key_id) FROM keys"))
    return int(most or 0) < MOST_NUMBERS


def read_names(snapshot: Snapshot, spans: Sequence[Span], dim: Dim, merged: dict[int, int]) -> KeySums:
    """Everything that each name did in a window, those that did nothing left out."""
    groups, bare = groups_of(snapshot, spans)
    found: list[KeySums] = []
    if groups:
        found.append(
            snapshot.remembered.get(("names", dim, tuple(groups)), lambda: _of_groups(snapshot, groups, dim))
        )
    for start in range(0, len(bare), SPANS_AT_ONCE):
        some = bare[start : start + SPANS_AT_ONCE]
        found.append(read_activity(snapshot, some, dim, NOTHING_LEFT_OUT, {}))
    snapshot.remembered.trim()
    return together(found, merged)


def read_refused(snapshot: Snapshot, spans: Sequence[Span], dim: Dim, merged: dict[int, int]) -> IntArray:
    """The names that were refused anything in a window, in the order of their numbers."""
    groups, bare = groups_of(snapshot, spans)

    def remembered(refused: Sequence[PackPart]) -> IntArray:
        key = ("refused", dim, refused)
        return snapshot.remembered.get(key, lambda: _refused_of(snapshot, refused, dim))

    found = [remembered(refused) for refused, _ in groups]
    for start in range(0, len(bare), SPANS_AT_ONCE):
        some = bare[start : start + SPANS_AT_ONCE]
        rows = snapshot.rows(
            " UNION ".join([_REFUSED_ROWS] * len(some)),
            [value for span in some for value in (span.res, dim, span.from_s, span.to_s)],
        )
        found.append(np.array(rows, np.int64).reshape(-1))
    snapshot.remembered.trim()
    every = np.concatenate(found).astype(np.int64) if found else np.zeros(0, np.int64)
    return grouped(merge(every, merged))[0]


def groups_of(snapshot: Snapshot, spans: Sequence[Span]) -> tuple[list[Group], list[Span]]:
    """The packs that a window is made of, and the spans that are not packed."""
    groups: list[Group] = []
    bare: list[Span] = []
    for span in spans:
        packed, rest = split(snapshot, span)
        bare += rest
        for some in packed:
            parts = [_by_group(packs_of(snapshot, some, part), some.res) for part in (REFUSED, PASSED)]
            groups += [
                (parts[0].get(place, ()), parts[1].get(place, ())) for place in sorted(parts[0] | parts[1])
            ]
    return groups, bare


def _by_group(packs: Iterable[PackPart], res: int) -> dict[int, tuple[PackPart, ...]]:
    found: dict[int, tuple[PackPart, ...]] = {}
    for pack in packs:
        place = pack.bucket_s // GROUP_S[res]
        found[place] = (*found.get(place, ()), pack)
    return found


def _of_groups(snapshot: Snapshot, groups: Sequence[Group], dim: Dim) -> KeySums:
    def sums_of(group: Group) -> KeySums:
        return snapshot.remembered.get(("names", dim, (group,)), lambda: _of_group(snapshot, group, dim))

    return together([sums_of(group) for group in groups], {})


def _of_group(snapshot: Snapshot, group: Group, dim: Dim) -> KeySums:
    adding = Adding()
    for part, packs in zip((REFUSED, PASSED), group, strict=True):
        for some in batches(packs):
            names = (COLUMN_OF[dim], "outcome", "n", "bucket_s")
            adding.add(*(read_column(snapshot, some, part, name) for name in names))
    return adding.sums()


def _refused_of(snapshot: Snapshot, packs: Sequence[PackPart], dim: Dim) -> IntArray:
    names = [
        grouped(read_column(snapshot, some, REFUSED, COLUMN_OF[dim]))[0].astype(np.uint32)
        for some in batches(packs)
    ]
    return grouped(np.concatenate(names))[0].astype(np.uint32) if names else np.zeros(0, np.uint32)


def batches(packs: Sequence[PackPart]) -> Iterator[list[PackPart]]:
    """Packs in their order, few enough to be held at once."""
    some: list[PackPart] = []
    for pack in packs:
        if some and sum(one.n for one in some) + pack.n > AT_ONCE:
            yield some
            some = []
        some.append(pack)
    if some:
        yield some
