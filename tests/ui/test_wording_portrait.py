"""Sentences about one consumer or address."""

from __future__ import annotations

import pytest

from domain.baseline import Band, Basis
from domain.filters import Dimension
from domain.limits import Limit
from domain.limits_in_force import LimitChange, LimitInForce
from domain.windows import DAY_MS, HOUR_MS
from tests.ui.scripted_reader import NOW_MS, totals
from tests.ui.test_portrait import entity
from ui import wording_portrait as words
from ui.zones import UTC

MINUTE_60 = Limit(name="minute", value=60, window_s=60)


@pytest.mark.parametrize(("number", "expected"), [(1, "once"), (2, "twice"), (417, "417 times")])
def test_how_often(number: int, expected: str) -> None:
    assert words.times(number) == expected


def band(low: float, high: float, basis: Basis = Basis.LEVEL, samples: int = 6) -> Band:
    return Band(low=low, middle=(low + high) / 2, high=high, samples=samples, basis=basis)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (band(0, 0), "usually none"),
        (band(0, 0.4), "usually none"),
        (band(5, 5), "usually 5"),
        (band(1_200, 3_400), "usually 1,200 to 3,400"),
    ],
)
def test_what_is_usual(found: Band, expected: str) -> None:
    assert words.usually(found) == expected


@pytest.mark.parametrize(
    ("basis", "length_ms", "expected"),
    [
        (Basis.HOUR_OF_WEEK, DAY_MS, "at this time of the week (6 known)"),
        (Basis.HOUR_OF_WEEK, 7 * DAY_MS, "in as long before (6 such spans known)"),
        (Basis.HOUR_OF_DAY, HOUR_MS, "at this time of day (6 days known)"),
        (Basis.LEVEL, HOUR_MS, "in the 6 spans as long right before"),
    ],
)
def test_what_it_was_compared_with(basis: Basis, length_ms: int, expected: str) -> None:
    assert words.compared_with(band(0, 1, basis), length_ms) == expected


def test_what_is_missing_is_said_in_time_or_in_words() -> None:
    assert words.missing(totals()) == ""
    assert words.missing(totals(at_least=True)).startswith("A sender drops repeats")
    assert words.missing(totals(at_least=True, gap_ms=60_000)).startswith("1 min of this span are missing")


def test_the_identity_of_a_consumer_is_told_as_far_as_it_is_known() -> None:
    known = entity(
        names=(("old", 0, NOW_MS - DAY_MS), ("acme", NOW_MS - DAY_MS, None)),
        attributes={"custom_id": 7, "tags": ["a", "b"]},
        deleted_ms=NOW_MS,
    )

    facts = words.identity(known, UTC, NOW_MS)

    assert facts[:4] == [
        "✕ deleted 2026-11-22 22:00:00 (UTC)",
        "formerly old until 2026-11-21 22:00:00 (UTC)",
        "custom id 7",
        "tags a, b",
    ]
    assert words.identity(entity(first_seen_ms=None, last_seen_ms=None), UTC, NOW_MS) == []


def test_a_change_of_limits_is_told_before_and_after() -> None:
    change = LimitChange(
        at_ms=NOW_MS,
        plugin_id="p",
        plugin="rate-limiting",
        route_id=None,
        service_id="s",
        consumer_id=None,
        before=(MINUTE_60, Limit(name="hour", value=3_000, window_s=3_600)),
        after=(),
    )

    assert words.limit_change(change, "on service orders") == (
        "rate-limiting on service orders: 60 / minute and 3,000 / hour became no limit"
    )


@pytest.mark.parametrize(
    ("by", "policy", "dimension", "expected"),
    [
        ("consumer", "local", Dimension.CONSUMER, "each node counts alone"),
        ("consumer", "redis", Dimension.CONSUMER, ""),
        ("credential", "cluster", Dimension.CONSUMER, "per key"),
        ("ip", "local", Dimension.CONSUMER, "counted by ip, each node counts alone"),
        ("ip", "cluster", Dimension.IP, ""),
        ("consumer", "cluster", Dimension.IP, "counted by consumer"),
    ],
)
def test_how_a_limit_counts_is_said_where_it_surprises(
    by: str, policy: str, dimension: Dimension, expected: str
) -> None:
    found = LimitInForce(
        limit=MINUTE_60,
        plugin_id="p",
        plugin="rate-limiting",
        route_id=None,
        service_id=None,
        consumer_id=None,
        consumer_group_id=None,
        counted_by=by,
        policy=policy,
        pairs=(),
    )

    assert words.counted_how(found, dimension) == expected
