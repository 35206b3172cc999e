"""Totals: one transaction's requests summed in memory, then added to the stored sums.

Everything is summed once at 10 s; minutes, hours and days follow from that. Late events, and corrections with
negative numbers, take the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from storage.codes import COLUMN_OF, MEASURES, MEASURES_OF, NONE_KEY, WIDTHS_S, Dim
from storage.engine import Connection
from storage.writing.keys import KeyBook
from storage.writing.packs import PackBook

T = TypeVar("T")

MAX_CACHED_COMBOS = 50_000
"""About 12 MB. When full the older half goes; a miss costs one index look-up, about 5 us."""

Combo = tuple[int, int, int, int, int, int, int]
"""consumer, ip, service, route, node, limit, outcome"""
_DIMS = tuple(COLUMN_OF)
_LIMIT_PLACE = _DIMS.index(Dim.LIMIT)

_ADD_CELL = (
    "INSERT INTO cells (res, bucket_s, combo, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (res, bucket_s, combo) DO UPDATE SET n = cells.n + excluded.n"
)
_ADD_ACTIVITY = (
    f"INSERT INTO activity (res, dim, bucket_s, key, {', '.join(MEASURES)})"
    f" VALUES (?, ?, ?, ?{', ?' * len(MEASURES)}) ON CONFLICT (res, dim, bucket_s, key) DO UPDATE SET "
    + ", ".join(f"{name} = activity.{name} + excluded.{name}" for name in MEASURES)
)
_ADD_KINDS = (
    "INSERT INTO kind_counts (res, bucket_s, type_id, entity_type, node, n) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (res, bucket_s, type_id, entity_type, node) DO UPDATE SET n = kind_counts.n + excluded.n"
)


class Rollups:
    """The sums of the transaction that is open."""

    def __init__(self, connection: Connection, keys: KeyBook) -> None:
        self._connection = connection
        self._keys = keys
        self._packs = PackBook(connection)
        self._combos: dict[Combo, int] = {}
        self._cells: dict[tuple[int, Combo], int] = {}
        self._kinds: dict[tuple[int, int, int, int], int] = {}
        self._has_negative = False

    def forget(self) -> None:
        """Drop the sums and everything remembered."""
        self._combos.clear()
        self._clear()

    def add(self, at_ms: int, combo: Combo, n: int) -> None:
        """Count `n` requests or violations; less than none takes them back."""
        place = (at_ms // 10_000 * 10, combo)
        self._cells[place] = self._cells.get(place, 0) + n
        if n < 0:
            self._has_negative = True

    def add_kind(self, at_ms: int, type_id: int, entity_type: int, node: int) -> None:
        """Count one stored event."""
        place = (at_ms // 10_000 * 10, type_id, entity_type, node)
        self._kinds[place] = self._kinds.get(place, 0) + 1

    def flush(self) -> None:
        """Add the sums to the tables."""
        cells = {place: n for place, n in self._cells.items() if n}
        if cells:
            self._flush_cells(cells)
            self._flush_activity(cells)
            if self._has_negative:
                self._sweep(cells)
        self._flush_kinds()
        self._clear()

    def _clear(self) -> None:
        self._cells.clear()
        self._kinds.clear()
        self._has_negative = False

    def _flush_cells(self, cells: dict[tuple[int, Combo], int]) -> None:
        finest = {(bucket_s, self._combo(combo)): n for (bucket_s, combo), n in cells.items()}
        for res, width_s in enumerate(WIDTHS_S):
            finest = _coarser(finest, width_s)
            self._packs.drop({(res, bucket_s) for bucket_s, _ in finest})
            rows = [(res, bucket_s, combo, n) for (bucket_s, combo), n in finest.items()]
            rows.sort()
            self._connection.executemany(_ADD_CELL, rows)

    def _flush_activity(self, cells: dict[tuple[int, Combo], int]) -> None:
        sums: dict[tuple[int, int, int], list[int]] = {}
        for (bucket_s, combo), n in cells.items():
            measures = MEASURES_OF[combo[6]]
            for dim, key in self._places(combo):
                place = (dim, bucket_s, key)
                row = sums.get(place)
                if row is None:
                    row = sums[place] = [0] * len(MEASURES)
                for measure in measures:
                    row[measure] += n
        for res, width_s in enumerate(WIDTHS_S):
            if res:
                sums = _coarser_rows(sums, width_s)
            rows = [(res, *place, *row) for place, row in sums.items()]
            rows.sort()
            self._connection.executemany(_ADD_ACTIVITY, rows)

    def _places(self, combo: Combo) -> Iterable[tuple[int, int]]:
        """Every (dim, key) that a request counts under."""
        yield Dim.ALL, NONE_KEY
        yield Dim.PREFIX, self._keys.prefix_of_key(combo[1])
        for place, dim in enumerate(_DIMS):
            if place != _LIMIT_PLACE or combo[place] != NONE_KEY or combo[6] <= 4:  # noqa: PLR2004 - violations
                yield dim, combo[place]

    def _flush_kinds(self) -> None:
        finest = {(place[0], place[1:]): n for place, n in self._kinds.items()}
        for res, width_s in enumerate(WIDTHS_S):
            finest = _coarser(finest, width_s)
            rows = [(res, bucket_s, *what, n) for (bucket_s, what), n in finest.items()]
            self._connection.executemany(_ADD_KINDS, rows)

    def unnumbered(self) -> list[Combo]:
        """The combinations of this transaction whose numbers are not remembered, as they came.

        Rules look at those of a moment in the order of their numbers: both engines number alike.
        """
        found = dict.fromkeys(combo for (_, combo), n in self._cells.items() if n)
        return [combo for combo in found if combo not in self._combos]

    def foresee(self, found: Iterable[tuple[int, ...]]) -> None:
        """Remember the numbers of combinations: (number, consumer, ip, ..., outcome)."""
        for number, *columns in found:
            self._remember(tuple(columns), number)  # type: ignore[arg-type] # seven of them

    def _combo(self, combo: Combo) -> int:
        """The number of a combination, a new one where it had none."""
        found = self._combos.get(combo)
        if found is not None:
            return found
        row = self._connection.execute(
            "SELECT combo FROM combos WHERE consumer = ? AND ip = ? AND service = ? AND route = ?"
            " AND node = ? AND limit_key = ? AND outcome = ?",
            combo,
        ).fetchone()
        number: int = row[0] if row else self._add_combo(combo)
        self._remember(combo, number)
        return number

    def _remember(self, combo: Combo, number: int) -> None:
        if len(self._combos) >= MAX_CACHED_COMBOS:
            for old in list(self._combos)[: MAX_CACHED_COMBOS // 2]:
                del self._combos[old]
        self._combos[combo] = number

    def _add_combo(self, combo: Combo) -> int:
        (number,) = self._connection.execute(
            "INSERT INTO combos (consumer, ip, service, route, node, limit_key, outcome)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING combo",
            combo,
        ).fetchone()
        return int(number)

    def _sweep(self, cells: dict[tuple[int, Combo], int]) -> None:
        """Remove rows that corrections brought to nothing: who is in a bucket did something."""
        nothing = " AND ".join(f"{name} = 0" for name in MEASURES)
        for bucket_s, combo in (place for place, n in cells.items() if n < 0):
            for res, width_s in enumerate(WIDTHS_S):
                start_s = bucket_s // width_s * width_s
                self._connection.execute(
                    "DELETE FROM cells WHERE res = ? AND bucket_s = ? AND combo = ? AND n = 0",
                    (res, start_s, self._combo(combo)),
                )
                self._connection.executemany(
                    "DELETE FROM activity"
                    f" WHERE res = ? AND dim = ? AND bucket_s = ? AND key = ? AND {nothing}",
                    [(res, dim, start_s, key) for dim, key in self._places(combo)],
                )


def _coarser(sums: dict[tuple[int, T], int], width_s: int) -> dict[tuple[int, T], int]:
    coarse: dict[tuple[int, T], int] = {}
    for (bucket_s, what), n in sums.items():
        place = (bucket_s // width_s * width_s, what)
        coarse[place] = coarse.get(place, 0) + n
    return coarse


def _coarser_rows(
    sums: dict[tuple[int, int, int], list[int]], width_s: int
) -> dict[tuple[int, int, int], list[int]]:
    coarse: dict[tuple[int, int, int], list[int]] = {}
    for (dim, bucket_s, key), row in sums.items():
        place = (dim, bucket_s // width_s * width_s, key)
        held = coarse.get(place)
        if held is None:
            coarse[place] = row[:]
        else:
            for measure, n in enumerate(row):
                held[measure] += n
    return coarse
