"""Numbers that stand for words in the file: files keep them, so they never change."""

from __future__ import annotations

import itertools

import pytest

from domain.events import Certainty, Kind
from domain.windows import RESOLUTIONS_MS
from storage.codes import (
    CERTAINTY_CODES,
    KIND_CODES,
    MEASURES,
    MEASURES_OF,
    UNKNOWN_KIND,
    VIOLATIONS,
    WIDTHS_S,
    Dim,
    Outcome,
    meta_distinct,
    outcome_of_status,
)


def test_codes_are_what_files_hold() -> None:
    assert {dim.name: dim.value for dim in Dim} == {
        "ALL": 0,
        "CONSUMER": 1,
        "IP": 2,
        "PREFIX": 3,
        "SERVICE": 4,
        "ROUTE": 5,
        "NODE": 6,
        "LIMIT": 7,
        "SOURCE": 8,
        "TEXT": 9,
    }
    assert KIND_CODES == {"rate-limiting": 1, "cluster": 2, "cache": 3, "crud": 4, "plugin": 5}
    assert CERTAINTY_CODES == {None: 0, "certain": 1, "probable": 2, "ruled-out": 3}
    assert [outcome.value for outcome in Outcome] == list(range(1, 12))
    assert WIDTHS_S == (10, 60, 3_600, 86_400)


def test_every_kind_and_certainty_has_a_code() -> None:
    assert set(KIND_CODES) == {kind.value for kind in Kind}
    assert set(CERTAINTY_CODES) == {None, *(certainty.value for certainty in Certainty)}
    assert UNKNOWN_KIND not in KIND_CODES.values()


def test_every_outcome_counts_something() -> None:
    assert set(MEASURES_OF) == set(Outcome)
    assert {place for places in MEASURES_OF.values() for place in places} == set(range(len(MEASURES)))


def test_a_violation_never_counts_as_a_class_of_status() -> None:
    """Else the parts would sum to more than the requests."""
    assert all(set(MEASURES_OF[outcome]) <= {0, 1, 2} for outcome in VIOLATIONS)


def test_each_width_divides_the_next() -> None:
    assert all(b % a == 0 for a, b in itertools.pairwise(RESOLUTIONS_MS))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, Outcome.ANOTHER),
        (101, Outcome.ANOTHER),
        (200, Outcome.SUCCESS),
        (299, Outcome.SUCCESS),
        (304, Outcome.REDIRECT),
        (401, Outcome.UNAUTHORIZED),
        (404, Outcome.CLIENT_ERROR),
        (429, Outcome.CLIENT_ERROR),
        (500, Outcome.SERVER_ERROR),
        (999, Outcome.SERVER_ERROR),
    ],
)
def test_how_a_request_counts_that_broke_no_limit(status: int, outcome: Outcome) -> None:
    assert outcome_of_status(status) is outcome


def test_the_upstreams_own_refusal_counts_apart() -> None:
    assert outcome_of_status(429, upstream_limited=True) is Outcome.UPSTREAM_LIMITED


def test_counters_have_names() -> None:
    assert meta_distinct(Dim.CONSUMER) == "distinct.consumer"
