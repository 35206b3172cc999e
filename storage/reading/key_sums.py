"""Everything that is summed up of each name: the plain arithmetic, without a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import MAX_VIOLATION
from storage.reading.arrays import Column, IntArray, adds_to, grouped, merge, summed

TOP_MEASURES = ("requests", "limited", "probable", "s401")
LONGEST_S, NEVER_S = 2**62, -(2**62)


class KeySums(NamedTuple):
    """One place per name, in the order of their numbers; names that were joined are one."""

    keys: IntArray
    measures: dict[str, IntArray]
    """Of `storage.codes.MEASURES` those that were asked for, one value per name."""
    first_s: IntArray
    """Start of the first bucket in which it did anything."""
    last_s: IntArray
    refused_s: IntArray
    """Start of the last bucket in which it was refused; -2**62 when never."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        columns = (self.keys, self.first_s, self.last_s, self.refused_s, *self.measures.values())
        return sum(column.nbytes for column in columns)

    @property
    def violations(self) -> IntArray:
        """Limited and probable together."""
        return self.measures["limited"] + self.measures["probable"]

    def only(self, keep: npt.NDArray[Any]) -> KeySums:
        """Some of the names: a mask, or places in a wanted order."""
        measures = {name: values[keep] for name, values in self.measures.items()}
        return KeySums(self.keys[keep], measures, self.first_s[keep], self.last_s[keep], self.refused_s[keep])


def together(
    some: Sequence[KeySums], merged: dict[int, int], measures: Sequence[str] = TOP_MEASURES
) -> KeySums:
    """Sums of several spans as one; bare names count as the ids that they turned out to mean."""
    if len(some) == 1 and not merged:
        return some[0]
    keys = np.concatenate([sums.keys for sums in some]) if some else np.zeros(0, np.int64)
    names, places = grouped(merge(keys, merged))
    first_s = np.full(len(names), LONGEST_S, np.int64)
    last_s, refused_s = np.full((2, len(names)), NEVER_S, np.int64)
    found = {name: np.zeros(len(names), np.int64) for name in measures}
    start = 0
    for sums in some:
        mine = places[start : start + len(sums.keys)]
        start += len(sums.keys)
        np.minimum.at(first_s, mine, sums.first_s)
        np.maximum.at(last_s, mine, sums.last_s)
        np.maximum.at(refused_s, mine, sums.refused_s)
        for name, values in found.items():
            np.add(values, summed(mine, sums.measures[name], len(names)), out=values)
    return KeySums(names, found, first_s, last_s, refused_s)


class Adding:
    """Sums of entries that come oldest first, in arrays with a place for every number up to the largest.

    So packs are added as they are read, few are held at once, and nothing is sorted.
    """

    def __init__(self) -> None:
        self._is_there = np.zeros(0, np.bool_)
        self._first_s, self._last_s, self._refused_s = np.zeros((3, 0), np.int64)
        self._measures = {name: np.zeros(0, np.int64) for name in TOP_MEASURES}

    def add(self, keys: Column, outcome: Column, n: Column, bucket_s: Column) -> None:
        """Entries, each at least as new as the one before; calls may go back in time."""
        self._make_room(int(keys.max(initial=0)) + 1)
        self._is_there[keys] = True
        # of several values for one place the last is kept: the first bucket, met from the end
        first_s = np.full(len(self._first_s), LONGEST_S, np.int64)
        first_s[keys[::-1]] = bucket_s[::-1]
        np.minimum(self._first_s, first_s, out=self._first_s)
        self._last_s[keys] = np.maximum(self._last_s[keys], bucket_s)
        is_refused = outcome <= MAX_VIOLATION
        refused = keys[is_refused]
        self._refused_s[refused] = np.maximum(self._refused_s[refused], bucket_s[is_refused])
        for name, values in self._measures.items():
            counts = adds_to(name)[outcome]
            if counts.any():
                more = summed(keys[counts], n[counts], len(values))
                np.add(values, more, out=values)

    def _make_room(self, size: int) -> None:
        more = size - len(self._is_there)
        if more > 0:
            self._is_there = np.pad(self._is_there, (0, more))
            self._first_s = np.pad(self._first_s, (0, more), constant_values=LONGEST_S)
            self._last_s, self._refused_s = (
                np.pad(values, (0, more), constant_values=NEVER_S)
                for values in (self._last_s, self._refused_s)
            )
            self._measures = {name: np.pad(values, (0, more)) for name, values in self._measures.items()}

    def sums(self) -> KeySums:
        """Everything added so far, of the names that were there."""
        keys = np.flatnonzero(self._is_there)
        measures = {name: values[keys] for name, values in self._measures.items()}
        return KeySums(keys, measures, self._first_s[keys], self._last_s[keys], self._refused_s[keys])
