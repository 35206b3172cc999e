from __future__ import annotations

import pytest

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Window
from ui import wording
from ui.zones import UTC, Zone

AT_MS = 1_768_296_600_220


@pytest.mark.parametrize(
    ("number", "at_least", "expected"),
    [(None, False, "unknown"), (0, False, "0"), (1204, False, "1,204"), (1204, True, "at least 1,204")],
)
def test_unknown_is_not_zero_and_a_lower_bound_says_so(
    number: int | None,
    at_least: bool,  # noqa: FBT001 - a column of the table
    expected: str,
) -> None:
    assert wording.count(number, at_least=at_least) == expected


def test_a_noun_follows_its_number() -> None:
    assert wording.counted(1, "address", "addresses") == "1 address"
    assert wording.counted(0, "consumer") == "0 consumers"
    assert wording.counted(None, "consumer") == "unknown consumers"


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (1, None, "unknown"),
        (None, 5, "unknown"),
        (0, 0, "no requests"),
        (0, 10, "0 %"),
        (1, 100_000, "< 0.1 %"),
        (31, 1000, "3.1 %"),
        (1, 2, "50 %"),
    ],
)
def test_a_share_is_as_precise_as_it_deserves(part: int | None, whole: int | None, expected: str) -> None:
    assert wording.ratio(part, whole) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_bytes_have_the_unit_that_suits_them(number: int | None, expected: str) -> None:
    assert wording.size(number) == expected


@pytest.mark.parametrize(
    ("length_ms", "expected"),
    [
        (90 * SECOND_MS, "90 s"),
        (15 * MINUTE_MS, "15 min"),
        (DAY_MS, "24 h"),
        (36 * HOUR_MS, "36 h"),
        (7 * DAY_MS, "7 d"),
        (236 * HOUR_MS, "9 d 20 h"),
    ],
)
def test_a_span_is_said_without_a_rest(length_ms: int, expected: str) -> None:
    assert wording.span(length_ms) == expected


@pytest.mark.parametrize(
    ("length_ms", "expected"),
    [
        (0, "0.0 s"),
        (400, "0.4 s"),
        (41_000, "41 s"),
        (725_000, "12 min 5 s"),
        (3 * HOUR_MS, "3 h"),
        (2 * DAY_MS + 4 * HOUR_MS, "2 d 4 h"),
        (None, "unknown"),
    ],
)
def test_a_measured_length_has_two_units(length_ms: int | None, expected: str) -> None:
    assert wording.duration(length_ms) == expected


@pytest.mark.parametrize(
    ("passed_ms", "expected"),
    [
        (400, "0.4 s ago"),
        (59_000, "59 s ago"),
        (MINUTE_MS, "1 min ago"),
        (3 * HOUR_MS + 5, "3 h ago"),
        (9 * DAY_MS, "9 d ago"),
        (-3_000, "in 3.0 s"),
    ],
)
def test_an_age_has_one_unit(passed_ms: int, expected: str) -> None:
    assert wording.ago(AT_MS - passed_ms, AT_MS) == expected


def test_what_never_happened_has_no_age() -> None:
    assert wording.ago(None, AT_MS) == "never"


def test_times_on_their_own_carry_their_zone() -> None:
    assert wording.moment(AT_MS, UTC) == "2026-01-13 09:30:00 (UTC)"
    assert wording.moment(AT_MS, Zone("Europe/Rome")) == "2026-01-13 10:30:00 (Europe/Rome, UTC+01:00)"
    assert wording.moment(None, UTC) == "unknown"


def test_a_clock_may_show_milliseconds() -> None:
    assert wording.clock(AT_MS, UTC) == "09:30:00"
    assert wording.clock(AT_MS, UTC, milliseconds=True) == "09:30:00.220"


@pytest.mark.parametrize(
    ("length_ms", "expected"),
    [
        (30 * MINUTE_MS, "2026-01-13 09:30 to 10:00 (UTC)"),
        (2 * MINUTE_MS, "2026-01-13 09:30:00 to 09:32:00 (UTC)"),
        (DAY_MS, "2026-01-13 09:30 to 2026-01-14 09:30 (UTC)"),
    ],
)
def test_a_span_names_the_second_day_only_where_it_differs(length_ms: int, expected: str) -> None:
    assert wording.window(Window(AT_MS, AT_MS + length_ms), UTC) == expected


@pytest.mark.parametrize(
    ("dimension", "token", "expected"),
    [
        (Dimension.CONSUMER, UNKNOWN_TOKEN, "no consumer"),
        (Dimension.ROUTE, UNKNOWN_TOKEN, "no route known"),
        (Dimension.IP, OTHER_TOKEN, "Other"),
        (Dimension.CONSUMER, "c-1", "acme"),
    ],
)
def test_tokens_that_are_no_names_have_words(dimension: Dimension, token: str, expected: str) -> None:
    assert wording.label(dimension, token, "acme") == expected


@pytest.mark.parametrize(
    ("value", "name", "window_s", "expected"),
    [
        (20, "minute", 60, "20 / minute"),
        (100, None, 90, "100 / 90 s"),
        (1_000, None, None, "1,000"),
        (None, "hour", 3600, "hour"),
        (None, None, None, ""),
    ],
)
def test_a_limit_leaves_open_what_is_not_known(
    value: int | None, name: str | None, window_s: int | None, expected: str
) -> None:
    assert wording.limit(value, name, window_s) == expected


def test_filters_are_sentences_in_their_order() -> None:
    filters = Filters(((Dimension.IP, "10.0.0.0/8"),), ((Dimension.CONSUMER, UNKNOWN_TOKEN),))

    assert [words[0] for words in wording.filter_words(filters)] == [
        "address = 10.0.0.0/8",
        "consumer ≠ no consumer",
    ]
