"""Filters as numbers, and as the part of a statement that leaves what they leave."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.filters import Dimension, Filters
from storage.codes import COLUMN_OF, DIM_OF, Dim
from storage.reading.snapshot import Snapshot
from storage.reading.words import as_list, keys_of

FEW = 40
"""So many numbers are bound one by one, so that an index on their column can be used."""
EVERYTHING, NOTHING = "TRUE", "FALSE"
"""Conditions that leave all, and none."""


class Restriction(NamedTuple):
    """For each dimension that filters name, the numbers to keep or to leave out."""

    include: tuple[tuple[Dim, tuple[int, ...]], ...]
    exclude: tuple[tuple[Dim, tuple[int, ...]], ...]

    @property
    def dims(self) -> set[Dim]:
        """The dimensions that it looks at."""
        return {dim for dim, _ in (*self.include, *self.exclude)}

    @property
    def is_impossible(self) -> bool:
        """Whether a filter keeps only what nothing is known of."""
        return any(not keys for _, keys in self.include)

    def mask(self, dim: Dim, column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which places of a column of numbers of one dimension are left."""
        keep = np.ones(len(column), np.bool_)
        for included, keys in self.include:
            if included == dim:
                keep &= column == keys[0] if len(keys) == 1 else np.isin(column, keys)
        for excluded, keys in self.exclude:
            if excluded == dim:
                keep &= ~np.isin(column, keys)
        return keep

    def clause(self, table: str) -> tuple[str, list[Any]]:
        """A condition on the columns of `events` or `combos`, and what is bound to it."""
        parts: list[str] = []
        values: list[Any] = []
        for is_kept, side in ((True, self.include), (False, self.exclude)):
            for dim, keys in side:
                part, bound = _among(f"{table}.{COLUMN_OF[dim]}", keys, is_kept=is_kept)
                parts.append(part)
                values += bound
        return " AND ".join(parts) or EVERYTHING, values

    def of(self, dim: Dim, column: str) -> tuple[str, list[Any]]:
        """The same for one dimension whose number stands in `column`."""
        parts: list[str] = []
        values: list[Any] = []
        for is_kept, side in ((True, self.include), (False, self.exclude)):
            for _, keys in (item for item in side if item[0] == dim):
                part, bound = _among(column, keys, is_kept=is_kept)
                parts.append(part)
                values += bound
        return " AND ".join(parts) or EVERYTHING, values


NOTHING_LEFT_OUT = Restriction((), ())


def read_restriction(snapshot: Snapshot, filters: Filters) -> Restriction:
    """Look up what filters name. A value that nothing is known of keeps, or leaves out, nothing."""
    return Restriction(_side(snapshot, filters.include), _side(snapshot, filters.exclude))


def _side(
    snapshot: Snapshot, items: tuple[tuple[Dimension, str], ...]
) -> tuple[tuple[Dim, tuple[int, ...]], ...]:
    found: dict[Dim, set[int]] = {}
    for dimension, token in items:
        dim = DIM_OF[dimension]
        found.setdefault(dim, set()).update(keys_of(snapshot, dim, token))
    return tuple((dim, tuple(sorted(keys))) for dim, keys in sorted(found.items()))


def _among(column: str, keys: tuple[int, ...], *, is_kept: bool) -> tuple[str, list[Any]]:
    if not keys:
        return NOTHING if is_kept else EVERYTHING, []
    word = "IN" if is_kept else "NOT IN"
    if len(keys) <= FEW:
        return f"{column} {word} ({', '.join('?' * len(keys))})", list(keys)
    return f"{column} {word} (SELECT value FROM json_each(?))", [as_list(keys)]
