from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.times import NEWEST_MS, OLDEST_MS, instant_ms, told_ms

NOW_MS = 1_795_384_700_000

BELIEVED: list[tuple[str, Any, int]] = [
    ("seconds", 1_795_384_634, 1_795_384_634_000),
    ("seconds with a fraction", 1_795_384_634.5, 1_795_384_634_500),
    ("milliseconds", 1_795_384_634_123, 1_795_384_634_123),
    ("microseconds", 1_795_384_634_123_456, 1_795_384_634_123),
    ("nanoseconds", 1_795_384_634_123_456_789, 1_795_384_634_123),
    ("digits", "1795384634", 1_795_384_634_000),
    ("ISO 8601, UTC", "2026-11-22T22:37:14Z", 1_795_387_034_000),
    ("ISO 8601 with an offset", "2026-11-22T23:37:14+01:00", 1_795_387_034_000),
    ("ISO 8601 without a zone is UTC", "2026-11-22 22:37:14", 1_795_387_034_000),
    ("as old as may be", NOW_MS - OLDEST_MS, NOW_MS - OLDEST_MS),
    ("as far ahead as may be", NOW_MS + NEWEST_MS, NOW_MS + NEWEST_MS),
]
DOUBTED: list[tuple[str, Any]] = [
    ("1970", 0),
    ("before 1970", -5),
    ("two years ago", NOW_MS - 2 * OLDEST_MS),
    ("tomorrow", NOW_MS + 86_400_000),
    ("the year 2262", 9_223_372_036_854),
    ("NaN", float("nan")),
    ("infinity", float("inf")),
    ("nothing", None),
    ("a boolean", True),
    ("text", "yesterday"),
    ("a list", [NOW_MS]),
    ("an object", {"at": NOW_MS}),
    ("endless digits", "9" * 5_000),
    ("beyond years", "99999-01-01T00:00:00Z"),
    ("1e400", "1e400"),
    ("", ""),
]


@pytest.mark.parametrize(("value", "at_ms"), [row[1:] for row in BELIEVED], ids=[row[0] for row in BELIEVED])
def test_a_timestamp_is_read_in_whatever_unit_it_comes(value: Any, at_ms: int) -> None:
    received_ms = 1_795_387_040_000 if isinstance(value, str) and "T" in value.replace(" ", "T") else NOW_MS

    assert instant_ms(value, received_ms) == (at_ms, False)


@pytest.mark.parametrize("value", [row[1] for row in DOUBTED], ids=[row[0] for row in DOUBTED])
def test_what_cannot_be_believed_becomes_the_time_of_arrival(value: Any) -> None:
    assert instant_ms(value, NOW_MS) == (NOW_MS, True)


def test_the_first_field_that_is_there_counts() -> None:
    names = ("at_ms", "timestamp")

    assert told_ms({"timestamp": NOW_MS - 1}, names, NOW_MS) == (NOW_MS - 1, False)
    assert told_ms({"at_ms": NOW_MS - 2, "timestamp": NOW_MS - 1}, names, NOW_MS) == (NOW_MS - 2, False)
    assert told_ms({"timestamp": "never"}, names, NOW_MS) == (NOW_MS, True)


def test_who_names_no_time_is_not_suspected() -> None:
    assert told_ms({}, ("at_ms",), NOW_MS) == (NOW_MS, False)


@given(st.integers() | st.floats() | st.text(max_size=50) | st.none() | st.binary())
def test_every_instant_lies_on_the_chart(value: Any) -> None:
    at_ms, is_suspect = instant_ms(value, NOW_MS)

    assert NOW_MS - OLDEST_MS <= at_ms <= NOW_MS + NEWEST_MS
    assert not is_suspect or at_ms == NOW_MS
