"""Stored events, newest arrival first, page by page.

Arrival numbers are walked downwards. Of a consumer or an address the index leads from event to event;
otherwise whole blocks of 1,024 are read: those that `event_blocks` shows to touch the window and, once the
first few held too little, only those where the totals say that something is. A page that would cost more
than its share ends early and says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from storage.codes import BLOCK_BITS, COLUMN_OF, FIRST_KEY, Dim
from storage.reading.event_rows import COLUMNS
from storage.reading.event_search import Search, read_places
from storage.reading.restriction import FEW
from storage.reading.snapshot import Snapshot
from storage.reading.words import as_list

BLOCKS_BEFORE_ASKING = 8
"""Blocks read before the totals are asked where the rest is: most pages are full by then."""
BLOCKS_PER_PAGE = 400
"""At most so many blocks are read for a page: about 0.2 s."""
BLOCKS_AT_ONCE = 16
KEY_ROWS_PER_PAGE = 100_000
"""At most so many events of one consumer or address are looked at for a page: about 0.2 s."""
INDEXES = {Dim.IP: "events_by_ip", Dim.CONSUMER: "events_by_consumer"}
"""In the order in which they are preferred: an address usually has fewer events than a consumer."""


_BLOCKS = (
    "SELECT block, min_at_ms, max_at_ms FROM event_blocks WHERE block >= ? AND block <= ?"
    " AND max_at_ms >= ? AND min_at_ms < ? ORDER BY block DESC LIMIT ?"
)


class Walked(NamedTuple):
    """What a walk downwards found."""

    rows: list[tuple[Any, ...]]
    """`COLUMNS`, newest arrival first."""
    floor: int | None
    """Everything from here on upwards was looked at; None when there is nothing below."""


def walk(snapshot: Snapshot, search: Search, from_seq: int, before_seq: int | None, limit: int) -> Walked:
    """Find at most `limit` events with `from_seq` <= seq < `before_seq`."""
    if search.is_impossible or limit <= 0:
        return Walked([], None)
    if search.seqs is not None:
        return _walk_seqs(snapshot, search, search.seqs, from_seq, before_seq, limit)
    window = search.query.window
    hull = snapshot.row(
        "SELECT min(block), max(block) FROM event_blocks"
        " WHERE max_at_ms >= ? AND min_at_ms < ? AND block >= ?",
        (window.from_ms, window.to_ms, max(from_seq, 0) >> BLOCK_BITS),
    )
    if hull is None or hull[0] is None:
        return Walked([], None)
    lowest = max(from_seq, hull[0] << BLOCK_BITS)
    highest = min((hull[1] + 1) << BLOCK_BITS, before_seq if before_seq is not None else 2**62)
    for dim, index in INDEXES.items():
        for included, keys in search.restriction.include:
            if included == dim and len(keys) <= FEW and min(keys) >= FIRST_KEY:
                return _walk_keys(snapshot, search, dim, index, keys, lowest, highest, limit)
    return _walk_blocks(snapshot, search, lowest, highest, limit)


def _walk_seqs(
    snapshot: Snapshot,
    search: Search,
    seqs: tuple[int, ...],
    from_seq: int,
    before_seq: int | None,
    limit: int,
) -> Walked:
    rows = snapshot.rows(
        f"SELECT {_columns()} FROM json_each(?) j CROSS JOIN events e ON e.seq = j.value"
        f" WHERE e.seq >= ? AND e.seq < ? AND {search.condition} ORDER BY e.seq DESC LIMIT ?",
        (as_list(seqs), from_seq, 2**62 if before_seq is None else before_seq, *search.values, limit),
    )
    return Walked(rows, rows[-1][0] if len(rows) == limit else None)


def _walk_keys(
    snapshot: Snapshot,
    search: Search,
    dim: Dim,
    index: str,
    keys: tuple[int, ...],
    lowest: int,
    highest: int,
    limit: int,
) -> Walked:
    """Each name by itself, then put in order; complete only down to where the slowest of them got."""
    column = COLUMN_OF[dim]
    found: list[tuple[Any, ...]] = []
    floors: list[int] = []
    share = max(limit, KEY_ROWS_PER_PAGE // len(keys))
    order = "" if snapshot.joins_in_order else " ORDER BY e.seq DESC"
    for key in keys:
        own = (
            f"SELECT seq FROM events INDEXED BY {index} WHERE {column} = ? AND {column} > 1"
            " AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        )
        bound = (key, lowest, highest, share)
        rows = snapshot.rows(
            f"SELECT {_columns()} FROM ({own}) s CROSS JOIN events e ON e.seq = s.seq"
            f" WHERE {search.condition}{order} LIMIT ?",
            (*bound, *search.values, limit),
        )
        found += rows
        if len(rows) == limit:
            floors.append(rows[-1][0])
        else:
            seen, least = snapshot.row(f"SELECT count(*), min(seq) FROM ({own})", bound) or (0, None)
            if seen == share and least is not None:
                floors.append(least)
    floor = max(floors, default=None)
    rows = sorted((row for row in found if floor is None or row[0] >= floor), reverse=True, key=_seq)
    return _cut(rows, limit, floor, lowest)


def _walk_blocks(snapshot: Snapshot, search: Search, lowest: int, highest: int, limit: int) -> Walked:
    found: list[tuple[Any, ...]] = []
    read = 0
    for first, last in _runs(snapshot, search, lowest, highest):
        start, end = max(lowest, first << BLOCK_BITS), min(highest, (last + 1) << BLOCK_BITS)
        found += snapshot.rows(
            f"SELECT {_columns()} FROM events e WHERE e.seq >= ? AND e.seq < ? AND {search.condition}"
            " ORDER BY e.seq DESC LIMIT ?",
            (start, end, *search.values, limit - len(found)),
        )
        if len(found) >= limit:
            return _cut(found, limit, found[-1][0], lowest)
        read += last - first + 1
        if read >= BLOCKS_PER_PAGE:
            return _cut(found, limit, start, lowest)
    return Walked(found, None)


def _runs(snapshot: Snapshot, search: Search, lowest: int, highest: int) -> Iterator[tuple[int, int]]:
    """Blocks that can hold something, newest first, as runs (first, last) of at most 16."""
    window = search.query.window
    lowest_block, next_block = lowest >> BLOCK_BITS, (highest - 1) >> BLOCK_BITS
    first = snapshot.rows(
        _BLOCKS, (lowest_block, next_block, window.from_ms, window.to_ms, BLOCKS_BEFORE_ASKING)
    )
    for block, _, _ in first:
        yield block, block
    if len(first) < BLOCKS_BEFORE_ASKING:
        return
    rest = snapshot.rows(_BLOCKS, (lowest_block, first[-1][0] - 1, window.from_ms, window.to_ms, 2**62))
    places = read_places(snapshot, search)
    run: tuple[int, int] | None = None
    for block, min_at_ms, max_at_ms in rest:
        if places is not None and not places.touch(max(min_at_ms, window.from_ms), max_at_ms):
            continue
        if run is not None and block == run[0] - 1 and run[1] - block < BLOCKS_AT_ONCE:
            run = (block, run[1])
            continue
        if run is not None:
            yield run
        run = (block, block)
    if run is not None:
        yield run


def _cut(rows: list[tuple[Any, ...]], limit: int, floor: int | None, lowest: int) -> Walked:
    kept = rows[:limit]
    if len(kept) == limit:
        floor = _seq(kept[-1])
    return Walked(kept, None if floor is None or floor <= lowest else floor)


def _columns() -> str:
    return ", ".join(f"e.{name.strip()}" for name in COLUMNS.split(","))


def _seq(row: tuple[Any, ...]) -> int:
    return int(row[0])
