"""Filters, lists and charts."""

from __future__ import annotations

import pytest

from domain.filters import Dimension
from domain.windows import MINUTE_MS, Window
from tests.contracts.asking import HOUR, NOTHING, only, violations, without
from tests.contracts.conftest import Opened
from tests.storage.filling import NOW_MS, put, refusal, request


def test_values_of_one_dimension_are_alternatives_and_dimensions_restrict(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1, ip="10.0.0.1"),
        refusal(2, ip="10.0.0.2"),
        refusal(3, ip="10.0.0.2", service_id="s-2", service="search", route_id=None, route=None),
        refusal(4, ip=None, consumer_id=None, consumer=None),
    )
    count = lambda filters: opened.reader.totals(HOUR, filters).limited  # noqa: E731 - one question, many filters

    assert count(only(Dimension.IP, "10.0.0.1", "10.0.0.2")) == 3
    assert count(only(Dimension.IP, "10.0.0.2").adding(Dimension.SERVICE, "orders")) == 1
    assert count(without(Dimension.IP, "10.0.0.2")) == 2
    assert count(only(Dimension.IP, "~none")) == 1
    assert count(without(Dimension.CONSUMER, "~none")) == 3
    assert count(only(Dimension.ROUTE, "~none")) == 1
    assert count(only(Dimension.IP, "nobody")) == 0
    assert count(without(Dimension.IP, "nobody")) == 4
    assert count(only(Dimension.LIMIT, "20/minute")) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0/31", {"10.0.0.1"}),
        ("10.0.0.0/24", {"10.0.0.1", "10.0.0.2"}),
        ("0.0.0.0/0", {"10.0.0.1", "10.0.0.2", "192.0.2.1"}),
        ("::/0", {"2001:db8::1", "a00::1"}),
        ("2001:db8::/32", {"2001:db8::1"}),
        ("10.0.0.0/33", set()),
        ("10.0.0.9/24", {"10.0.0.1", "10.0.0.2"}),
    ],
)
def test_a_range_of_addresses_holds_those_of_its_own_kind(
    opened: Opened, text: str, expected: set[str]
) -> None:
    addresses = ["10.0.0.1", "10.0.0.2", "192.0.2.1", "2001:db8::1", "a00::1"]
    put(opened.store, *(refusal(number, ip=address) for number, address in enumerate(addresses)))

    filters = only(Dimension.IP, text)

    assert {row.token for row in opened.reader.top(Dimension.IP, HOUR, filters).rows} == expected
    assert {row.ip for row in opened.reader.events(violations(filters=filters)).rows} == expected
    assert {
        row.ip for row in opened.reader.stream_events(violations(filters=without(Dimension.IP, text)))
    } == (set(addresses) - expected)


def test_a_top_list_says_what_it_leaves_out(opened: Opened) -> None:
    put(
        opened.store,
        *(refusal(n, consumer_id=f"c-{n % 3}", consumer=f"name-{n % 3}") for n in range(6)),
        refusal(7, consumer_id="c-9", consumer="name-9", certainty="probable"),
        refusal(8, consumer_id=None, consumer=None),
        request(1, consumer_id="c-8", consumer="quiet"),
    )

    top = opened.reader.top(Dimension.CONSUMER, HOUR, NOTHING, 2)

    assert [(row.token, row.violations) for row in top.rows] == [("name-0", 2), ("name-1", 2)]
    assert (top.distinct, top.rest, top.at_least) == (4, 4, False)


def test_a_chart_stacks_the_largest_and_puts_the_rest_last(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1, route="b", route_id=None),
        refusal(2, route="b", route_id=None, at_ms=NOW_MS + MINUTE_MS),
        refusal(3, route="a", route_id=None),
        refusal(4, route="c", route_id=None, at_ms=NOW_MS + 3 * MINUTE_MS - 1),
        request(1, at_ms=NOW_MS + 2 * MINUTE_MS),
    )

    series = opened.reader.series(
        Window(NOW_MS + 1, NOW_MS + 3 * MINUTE_MS), NOTHING, Dimension.ROUTE, MINUTE_MS, 2
    )

    assert (series.from_ms, series.bucket_ms, series.buckets) == (NOW_MS, MINUTE_MS, 3)
    assert [(group.token, group.values) for group in series.groups] == [
        ("b", (1, 1, 0)),
        ("a", (1, 0, 0)),
        ("~other", (0, 0, 1)),
    ]
    assert series.requests == (2, 1, 2)


def test_a_chart_without_groups_is_one_line(opened: Opened) -> None:
    put(opened.store, refusal(1), refusal(2, at_ms=NOW_MS + MINUTE_MS))

    series = opened.reader.series(Window(NOW_MS, NOW_MS + 2 * MINUTE_MS), NOTHING, None, MINUTE_MS)

    assert [group.values for group in series.groups] == [(1, 1)]


def test_more_buckets_than_anybody_can_see_are_refused(opened: Opened) -> None:
    with pytest.raises(ValueError, match="buckets"):
        opened.reader.series(Window(0, NOW_MS), NOTHING, None, MINUTE_MS)


def test_pairs_and_spread_count_names_of_two_dimensions(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1, ip="10.0.0.1"),
        refusal(2, ip="10.0.0.1"),
        refusal(3, ip="10.0.0.2"),
        refusal(4, ip=None),
        request(1, ip="10.0.0.3"),
    )
    reader = opened.reader

    pairs = reader.pairs(Dimension.CONSUMER, Dimension.IP, HOUR, only(Dimension.CONSUMER, "acme"))
    assert [(pair.by_token, pair.limited, pair.requests) for pair in pairs] == [
        ("10.0.0.1", 2, 2),
        ("~none", 1, 1),
        ("10.0.0.2", 1, 1),
        ("10.0.0.3", 0, 1),
    ]
    assert reader.spread(Dimension.CONSUMER, Dimension.IP, ("acme", "nobody"), HOUR, NOTHING) == {
        "acme": 2,
        "nobody": 0,
    }
