"""Columns of packs under filters.

Packs never change, so what was read of some stays true as long as they are the ones that a window is made of.
A page asks ten questions about the same window and filters, and the hub the same ones every second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.errors import StoreCorrupt
from storage.codes import COLUMN_OF
from storage.packs import PACKED, REFUSED, WIDTHS, column_id
from storage.reading.arrays import Ranks, rank
from storage.reading.restriction import Restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span
from storage.reading.words import as_list


class PackPart(NamedTuple):
    """The violations of one pack, or the rest of it."""

    pack: int
    bucket_s: int
    n: int


class PackedView:
    """What a restriction leaves of some packs' entries; every column is read when it is first asked for."""

    def __init__(self, packs: Sequence[PackPart], part: int, restriction: Restriction) -> None:
        self._packs = packs
        self._part = part
        self._restriction = restriction
        self._places: npt.NDArray[Any] | None = None
        """Of the entries that are left; None when all are."""
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._ranks: dict[str, Ranks] = {}
        self._is_masked = not restriction.dims

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        columns, ranks = list(self._columns.values()), list(self._ranks.values())
        return sum(column.nbytes for column in columns) + sum(held.nbytes for held in ranks)

    def column(self, snapshot: Snapshot, name: str) -> npt.NDArray[Any]:
        """One number per entry that is left, oldest pack first. Not to be written to."""
        found = self._columns.get(name)
        if found is None:
            if not self._is_masked:
                self._mask(snapshot)
            found = self._columns[name] = self._left(self._read(snapshot, name))
        return found

    def ranks(self, snapshot: Snapshot, name: str) -> Ranks:
        """What its entries add to each name of a column."""
        found = self._ranks.get(name)
        if found is None:
            columns = (self.column(snapshot, which) for which in (name, "outcome", "n"))
            found = self._ranks[name] = rank(*columns)
        return found

    def _mask(self, snapshot: Snapshot) -> None:
        keep: npt.NDArray[np.bool_] | None = None
        for dim in sorted(self._restriction.dims):
            mask = self._restriction.mask(dim, self._read(snapshot, COLUMN_OF[dim]))
            keep = mask if keep is None else keep & mask
        if keep is not None:
            self._places = np.flatnonzero(keep)
        self._is_masked = True

    def _left(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return column if self._places is None else column[self._places]

    def _read(self, snapshot: Snapshot, name: str) -> npt.NDArray[Any]:
        return read_column(snapshot, self._packs, self._part, name)


def read_column(snapshot: Snapshot, packs: Sequence[PackPart], part: int, name: str) -> npt.NDArray[Any]:
    """One number per entry of some packs, in their order. Not to be written to.

    Raises:
        StoreCorrupt: They do not hold as many as they say.
    """
    if name == "bucket_s":
        starts = np.array([pack.bucket_s for pack in packs], np.uint32)
        return np.repeat(starts, [pack.n for pack in packs])
    places = [column_id(pack.pack, part, name) for pack in packs]
    bodies = dict(
        snapshot.rows(
            "SELECT p.place, p.body FROM json_each(?) j CROSS JOIN pack_columns p ON p.place = j.value",
            (as_list(places),),
        )
    )
    body = b"".join(bodies.get(place, b"") for place in places)
    count = sum(pack.n for pack in packs)
    if len(body) != count * WIDTHS[name]:
        raise StoreCorrupt(f"packs hold {len(body)} bytes of {name}, expected {count} x {WIDTHS[name]}")
    return np.frombuffer(body, "<i4" if name == "n" else f"<u{WIDTHS[name]}")


def packs_of(snapshot: Snapshot, span: Span, part: int) -> tuple[PackPart, ...]:
    """One part of the packs of a span, oldest first, without those that it is empty in."""
    counts = "refused" if part == REFUSED else "passed"
    rows = snapshot.rows(
        f"SELECT pack, bucket_s, {counts} FROM packs WHERE res = ? AND bucket_s >= ? AND bucket_s < ?"
        f" AND {counts} > 0 ORDER BY bucket_s",
        span,
    )
    return tuple(PackPart(*row) for row in rows)


def view_packs(snapshot: Snapshot, span: Span, part: int, restriction: Restriction) -> PackedView:
    """The packs of a span under filters, as far as they were read before."""
    packs = packs_of(snapshot, span, part)
    key = (tuple(pack.pack for pack in packs), part, restriction)
    return snapshot.remembered.get(key, lambda: PackedView(packs, part, restriction))


def split(snapshot: Snapshot, span: Span) -> tuple[list[Span], list[Span]]:
    """Spans whose packs, and spans whose rows, hold together what happened in a span."""
    if span.res not in PACKED:
        return [], [span]
    packed, bare = [span], []
    for bucket in unpacked(snapshot, span):
        hours = Span(min(PACKED), bucket.from_s, bucket.to_s)
        if span.res > hours.res and has_packs(snapshot, hours):
            # the day that is going on: its hours are packed, but for the last
            more, rest = split(snapshot, hours)
            packed += more
            bare += rest
        else:
            bare.append(bucket)
    return packed, bare


def count_packed(snapshot: Snapshot, span: Span) -> int:
    """How many entries the packs of a span hold."""
    found: int = snapshot.value(
        "SELECT coalesce(sum(refused + passed), 0) FROM packs"
        " WHERE res = ? AND bucket_s >= ? AND bucket_s < ?",
        span,
    )
    return int(found)


def has_packs(snapshot: Snapshot, span: Span) -> bool:
    """Whether anything in a span is packed."""
    found = snapshot.row("SELECT 1 FROM packs WHERE res = ? AND bucket_s >= ? AND bucket_s < ? LIMIT 1", span)
    return found is not None


def unpacked(snapshot: Snapshot, span: Span) -> list[Span]:
    """The buckets of a span that hold something and are not packed, each by itself."""
    rows = snapshot.rows(
        "SELECT a.bucket_s FROM activity a LEFT JOIN packs p ON p.res = a.res AND p.bucket_s = a.bucket_s"
        " WHERE a.res = ? AND a.dim = 0 AND a.bucket_s >= ? AND a.bucket_s < ? AND p.pack IS NULL"
        " ORDER BY a.bucket_s",
        span,
    )
    return [Span(span.res, bucket_s, bucket_s + span.width_s) for (bucket_s,) in rows]
