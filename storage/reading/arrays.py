"""Sums over columns of numbers: the plain arithmetic, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from storage.codes import MAX_VIOLATION, MEASURES, MEASURES_OF

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]
"""Whole numbers of any width."""
_OUTCOMES = max(MEASURES_OF) + 1


class Ranks(NamedTuple):
    """Names in the order of their numbers, and what decides their places in a list."""

    keys: IntArray
    violations: IntArray
    requests: IntArray

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.keys.nbytes + self.violations.nbytes + self.requests.nbytes


def adds_to(measure: str) -> BoolArray:
    """By outcome: whether a measure of `storage.codes.MEASURES` counts it."""
    found = np.zeros(_OUTCOMES, np.bool_)
    found[[outcome for outcome, places in MEASURES_OF.items() if MEASURES.index(measure) in places]] = True
    return found


def grouped(keys: Column) -> tuple[IntArray, IntArray]:
    """The different numbers in order, and the place among them of each.

    Numbers of names lie close together, so they are told apart by marking rather than by sorting: 2 million
    in 10 ms instead of 200.
    """
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    span = int(keys.max()) + 1
    if span > 4 * len(keys) + 1_000_000:
        names, places = np.unique(keys, return_inverse=True)
        return names.astype(np.int64), places
    is_there = np.zeros(span, np.bool_)
    is_there[keys] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[keys]


def summed(places: Column, n: Column, count: int) -> IntArray:
    """The sum of each place. Exact: sums stay far below 2**53."""
    return np.bincount(places, n, count).astype(np.int64)


def by_outcome(outcome: Column, n: Column) -> IntArray:
    """How many ended in each way."""
    return summed(outcome, n, _OUTCOMES)


def rank(keys: Column, outcome: Column, n: Column) -> Ranks:
    """Violations and requests per name."""
    names, places = grouped(keys)
    is_violation, is_request = outcome <= MAX_VIOLATION, adds_to("requests")[outcome]
    return Ranks(
        names,
        summed(places[is_violation], n[is_violation], len(names)),
        summed(places[is_request], n[is_request], len(names)),
    )


def ranked_together(some: Iterable[Ranks], merged: dict[int, int]) -> Ranks:
    """Ranks of several spans as one; bare names count as the ids that they turned out to mean."""
    found = list(some) or [Ranks(*[np.zeros(0, np.int64)] * 3)]
    if len(found) == 1 and not merged:
        return found[0]
    names, places = grouped(merge(np.concatenate([ranks.keys for ranks in found]), merged))
    violations = np.concatenate([ranks.violations for ranks in found])
    requests = np.concatenate([ranks.requests for ranks in found])
    return Ranks(names, summed(places, violations, len(names)), summed(places, requests, len(names)))


def merge(keys: Column, merged: dict[int, int]) -> Column:
    """Bare names as the ids that they turned out to mean."""
    if not merged or not len(keys):
        return keys
    means = np.arange(max(int(keys.max()), *merged, *merged.values()) + 1)
    means[list(merged)] = list(merged.values())
    found: Column = means[keys]
    return found


def places_of(keys: Column, wanted: Iterable[int]) -> IntArray:
    """Where in a column some numbers stand."""
    some = np.fromiter(wanted, np.int64)
    if not len(keys) or not len(some):
        return np.zeros(0, np.int64)
    is_wanted = np.zeros(max(int(keys.max()), int(some.max())) + 1, np.bool_)
    is_wanted[some] = True
    return np.flatnonzero(is_wanted[keys])
