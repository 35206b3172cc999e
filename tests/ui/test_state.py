from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from ui.state import ALL, MAX_OWN_VALUES, RANGES, PageState, instant_ms

NOW_MS = 1_795_384_800_123


def read(query: str) -> PageState:
    return PageState.from_params(parse_qs(query))


def test_an_empty_url_is_the_default_of_the_page() -> None:
    state = read("")

    assert state == PageState()
    assert state.query() == ""
    assert state.window(NOW_MS, "1h") == Window(NOW_MS - HOUR_MS, NOW_MS)


def test_a_named_span_ends_now_and_moves() -> None:
    state = read("range=5m")

    assert state.moves
    assert state.window(NOW_MS, "24h") == Window(NOW_MS - 5 * MINUTE_MS, NOW_MS)


def test_a_fixed_span_stands_still_whatever_the_time_is() -> None:
    state = read("from=2026-01-13T09:30:00Z&to=2026-01-13T10:00:00Z")

    assert not state.moves
    assert state.window(NOW_MS) == state.window(NOW_MS + DAY_MS)
    assert state.window(NOW_MS).length_ms == 30 * MINUTE_MS


def test_everything_starts_where_something_was_first_received() -> None:
    assert read("range=all").window(NOW_MS, oldest_ms=NOW_MS - 9 * DAY_MS).length_ms == 9 * DAY_MS


def test_everything_of_nothing_is_the_last_hour() -> None:
    assert read("range=all").window(NOW_MS).length_ms == HOUR_MS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1768296600000", 1_768_296_600_000),
        ("2026-01-13T09:30:00Z", 1_768_296_600_000),
        ("2026-01-13T09:30:00", 1_768_296_600_000),
        ("2026-01-13T10:30:00+01:00", 1_768_296_600_000),
        ("2026-01-13T10:30:00 01:00", 1_768_296_600_000),
        ("2026-01-13T09:30:00.250Z", 1_768_296_600_250),
        ("2026-01-13", 1_768_262_400_000),
        ("", None),
        ("yesterday", None),
        ("-5", None),
        ("1969-12-31T23:59:59Z", None),
        ("9" * 40, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("\N{FULLWIDTH DIGIT NINE}", None),
    ],
)
def test_instants_are_read_in_these_forms(text: str, expected: int | None) -> None:
    assert instant_ms(text) == expected


@pytest.mark.parametrize(
    "query",
    [
        "range=2h",
        "range=",
        "from=2026-01-13T09:30:00Z",
        "from=2026-01-13T09:30:00Z&to=2026-01-13T09:30:00Z",
        "from=2026-01-13T10:30:00Z&to=2026-01-13T09:30:00Z",
        "group=colour",
        "zone=mars",
        "sample=yes",
        "of=",
        "consumer=",
    ],
)
def test_what_cannot_be_understood_counts_as_not_given(query: str) -> None:
    assert read(query) == PageState()


def test_a_url_with_everything_is_read_and_written_in_one_order() -> None:
    query = (
        "from=2026-01-13T09:30:00Z&to=2026-01-13T10:00:00Z&of=acme&consumer=a%26b&not_ip=203.0.113.7"
        "&group=service&kind=crud&zone=local&sample=1"
    )

    state = read(query)

    assert state.filters.include == ((Dimension.CONSUMER, "a&b"),)
    assert state.filters.exclude == ((Dimension.IP, "203.0.113.7"),)
    assert (state.selected, state.group, state.own("kind")) == ("acme", Dimension.SERVICE, ("crud",))
    assert (state.is_local, state.sample) == (True, True)
    assert state.query() == query


TEXTS = st.text(min_size=1, max_size=40)
FILTERS = st.lists(st.tuples(st.sampled_from(list(Dimension)), TEXTS), max_size=5)


@given(
    include=FILTERS,
    exclude=FILTERS,
    selected=st.none() | TEXTS,
    named=st.none() | st.sampled_from([*RANGES, ALL]),
    span=st.none() | st.tuples(st.integers(0, 10**13), st.integers(1, 10**10)),
    own=st.lists(st.tuples(st.sampled_from(["kind", "page", "sort"]), TEXTS), max_size=5),
)
def test_every_state_comes_back_from_its_own_url(
    include: list[tuple[Dimension, str]],
    exclude: list[tuple[Dimension, str]],
    selected: str | None,
    named: str | None,
    span: tuple[int, int] | None,
    own: list[tuple[str, str]],
) -> None:
    state = PageState(
        range=None if span else named,
        fixed=Window(span[0], sum(span)) if span else None,
        filters=Filters(tuple(include), tuple(exclude)),
        selected=selected,
        page_own=tuple(own),
    )

    back = PageState.from_params(parse_qs(state.query(), keep_blank_values=True))

    expected = Filters.from_params(state.filters.to_params())
    assert back.filters == expected
    assert dataclasses.replace(back, filters=state.filters, page_own=()) == dataclasses.replace(
        state, page_own=()
    )
    assert sorted(back.page_own) == sorted(state.page_own)


@given(st.dictionaries(st.text(max_size=20), st.lists(st.text(max_size=400), max_size=4), max_size=30))
def test_no_url_can_break_it(params: dict[str, list[str]]) -> None:
    state = PageState.from_params(params)

    assert PageState.from_params(parse_qs(state.query())).window(NOW_MS).length_ms >= 0
    assert len(state.page_own) <= MAX_OWN_VALUES


def test_another_page_keeps_span_filters_zone_and_sample_and_nothing_else() -> None:
    state = read("range=6h&of=acme&ip=10.0.0.0/8&group=route&kind=crud&zone=local&sample=1")

    assert state.elsewhere().query() == "range=6h&ip=10.0.0.0/8&zone=local&sample=1"


def test_a_filter_turned_around_replaces_its_opposite() -> None:
    state = read("service=orders").adding(Dimension.SERVICE, "orders", excluded=True)

    assert state.query() == "not_service=orders"
    assert state.without(Dimension.SERVICE).query() == ""


def test_own_parameters_are_replaced_by_name() -> None:
    state = read("kind=crud&kind=cache&sort=name")

    assert state.with_own(kind=("plugin",)).own("kind") == ("plugin",)
    assert state.with_own(kind=()).query() == "sort=name"
    assert state.with_own(kind=()).own("sort") == ("name",)


def test_choosing_a_moving_span_ends_a_fixed_one_and_the_other_way_round() -> None:
    fixed = read("from=1000&to=2000")

    assert fixed.ranged("7d").query() == "range=7d"
    assert read("range=7d").at(Window(1000, 2000)) == fixed
