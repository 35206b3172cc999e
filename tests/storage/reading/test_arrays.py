"""The arithmetic behind every sum."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.codes import Outcome
from storage.reading.arrays import adds_to, by_outcome, grouped, merge, places_of, rank, ranked_together

KEYS = st.lists(st.one_of(st.integers(0, 20), st.sampled_from([5_000_000, 2**32 - 1])), max_size=40)


@given(keys=KEYS)
def test_numbers_close_together_and_far_apart_are_grouped_alike(keys: list[int]) -> None:
    names, places = grouped(np.array(keys, np.uint32))

    assert names.tolist() == sorted(set(keys))
    assert [names[place] for place in places.tolist()] == keys


@given(keys=st.lists(st.integers(0, 20), max_size=40), wanted=st.sets(st.integers(0, 30)))
def test_places_of_some_numbers(keys: list[int], wanted: set[int]) -> None:
    found = places_of(np.array(keys, np.uint32), wanted).tolist()

    assert found == [place for place, key in enumerate(keys) if key in wanted]


@given(
    entries=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(list(Outcome)), st.integers(1, 2**31 - 1)), max_size=30
    ),
    split=st.integers(0, 30),
)
def test_ranks_of_parts_together_are_the_ranks_of_the_whole(
    entries: list[tuple[int, Outcome, int]], split: int
) -> None:
    """Counts of 32 bits must not run over when they are added."""
    merged = {3: 4, 9: 0}

    def ranks_of(some: list[tuple[int, Outcome, int]]) -> object:
        columns = [np.array([entry[place] for entry in some], np.int64) for place in range(3)]
        return rank(columns[0].astype(np.uint32), columns[1].astype(np.uint8), columns[2].astype(np.int32))

    found = ranked_together([ranks_of(entries[:split]), ranks_of(entries[split:])], merged)  # type: ignore[list-item]

    violations: Counter[int] = Counter()
    requests: Counter[int] = Counter()
    for key, outcome, n in entries:
        violations[merged.get(key, key)] += n if outcome <= Outcome.PROBABLE_ASIDE else 0
        requests[merged.get(key, key)] += 0 if outcome in {3, 4} else n
    assert dict(zip(found.keys.tolist(), found.violations.tolist(), strict=True)) == dict(violations)
    assert dict(zip(found.keys.tolist(), found.requests.tolist(), strict=True)) == dict(requests)


def test_nothing_together_is_nothing() -> None:
    assert len(ranked_together([], {1: 2}).keys) == 0
    assert merge(np.zeros(0, np.uint32), {1: 2}).tolist() == []


@pytest.mark.parametrize(
    ("measure", "outcomes"),
    [
        ("limited", {Outcome.LIMITED, Outcome.LIMITED_ASIDE}),
        ("probable", {Outcome.PROBABLE, Outcome.PROBABLE_ASIDE}),
        ("requests", set(Outcome) - {Outcome.LIMITED_ASIDE, Outcome.PROBABLE_ASIDE}),
        ("s401", {Outcome.UNAUTHORIZED}),
        ("upstream_429", {Outcome.UPSTREAM_LIMITED}),
    ],
)
def test_a_measure_counts_its_outcomes(measure: str, outcomes: set[Outcome]) -> None:
    assert set(np.flatnonzero(adds_to(measure)).tolist()) == {int(outcome) for outcome in outcomes}


def test_counts_by_outcome_have_a_place_for_every_outcome() -> None:
    counts = by_outcome(np.array([1, 1, 11], np.uint8), np.array([2, 3, 4], np.int32))

    assert counts.tolist() == [0, 5, *[0] * 9, 4]
