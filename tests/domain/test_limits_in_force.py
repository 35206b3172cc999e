"""Which limits apply to whom, and how they changed."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events import PluginSeen
from domain.limits import Limit
from domain.limits_in_force import LimitChange, limit_changes, limits_in_force
from domain.windows import Window

ORDERS = ("s-orders", "r-list")
SEARCH = ("s-search", "r-search")
MINUTE_60 = Limit(name="minute", value=60, window_s=60)
MINUTE_5 = Limit(name="minute", value=5, window_s=60)


def plugin(plugin_id: str = "p", at_ms: int = 0, **changes: Any) -> PluginSeen:
    given: dict[str, Any] = {
        "name": "rate-limiting",
        "enabled": True,
        "config": {"minute": 60, "limit_by": "consumer", "policy": "local"},
    }
    return PluginSeen(plugin_id=plugin_id, at_ms=at_ms, **(given | changes))


def test_a_limit_says_where_it_is_set_how_it_counts_and_where_it_is_in_force() -> None:
    (found,) = limits_in_force([plugin(service_id="s-orders")], 10, [ORDERS, SEARCH], "acme")

    assert found.limit == MINUTE_60
    assert (found.service_id, found.route_id, found.consumer_id) == ("s-orders", None, None)
    assert (found.counted_by, found.policy) == ("consumer", "local")
    assert found.pairs == (ORDERS,)


def test_the_narrower_plugin_takes_the_place_of_the_wider_one() -> None:
    history = [plugin("everywhere"), plugin("own", consumer_id="acme", config={"minute": 5})]

    assert [f.plugin_id for f in limits_in_force(history, 10, [ORDERS], "acme")] == ["own"]
    assert [f.plugin_id for f in limits_in_force(history, 10, [ORDERS], "other")] == ["everywhere"]


def test_a_plugin_with_several_windows_gives_several_limits_shortest_first() -> None:
    history = [plugin(config={"hour": 3000, "minute": 60, "second": None})]

    assert [f.limit.name for f in limits_in_force(history, 10, [ORDERS], None)] == ["minute", "hour"]


def test_limits_are_those_of_the_asked_instant() -> None:
    history = [plugin(), plugin(at_ms=100, config={"minute": 5})]

    assert limits_in_force(history, 99, [ORDERS], None)[0].limit == MINUTE_60
    assert limits_in_force(history, 100, [ORDERS], None)[0].limit == MINUTE_5


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([plugin(enabled=False)], id="off"),
        pytest.param([plugin(), plugin(at_ms=5, deleted=True)], id="removed"),
        pytest.param([plugin(name="key-auth", config={})], id="limits nothing"),
        pytest.param([plugin(route_id="r-else")], id="set on another route"),
    ],
)
def test_what_is_not_in_force_is_not_listed(history: list[PluginSeen]) -> None:
    assert limits_in_force(history, 10, [ORDERS], "acme") == ()


def test_enterprise_names_what_it_counts_by_in_its_own_way() -> None:
    history = [
        plugin(
            name="rate-limiting-advanced",
            config={"limit": [100], "window_size": [30], "identifier": "ip", "strategy": "redis"},
        )
    ]

    (found,) = limits_in_force(history, 10, [ORDERS], None)

    assert (found.counted_by, found.policy) == ("ip", "redis")


def test_a_lowered_limit_is_one_change_whatever_number_of_workers_reported_it() -> None:
    """Each worker reports the state before and after, milliseconds apart."""
    history = [
        plugin(at_ms=0),
        plugin(at_ms=5_000),
        plugin(at_ms=5_001, config={"minute": 5}),
        plugin(at_ms=5_003),
        plugin(at_ms=5_004, config={"minute": 5}),
    ]

    (change,) = limit_changes(history, Window(0, 10_000), [ORDERS], "acme")

    assert (change.at_ms, change.before, change.after) == (5_004, (MINUTE_60,), (MINUTE_5,))


@pytest.mark.parametrize(
    ("later", "before", "after"),
    [
        pytest.param({"enabled": False}, (MINUTE_60,), (), id="switched off"),
        pytest.param({"deleted": True}, (MINUTE_60,), (), id="removed"),
    ],
)
def test_a_limit_that_goes_is_a_change_to_none(
    later: dict[str, Any], before: tuple[Limit, ...], after: tuple[Limit, ...]
) -> None:
    (change,) = limit_changes([plugin(), plugin(at_ms=5_000, **later)], Window(0, 10_000), [ORDERS], None)

    assert (change.before, change.after) == (before, after)


def test_a_first_sighting_is_no_change() -> None:
    assert limit_changes([plugin(at_ms=5_000)], Window(0, 10_000), [ORDERS], None) == ()


def test_a_change_of_something_else_in_the_plugin_is_none_of_limits() -> None:
    later = plugin(at_ms=5_000, config={"minute": 60, "error_code": 420})

    assert limit_changes([plugin(), later], Window(0, 10_000), [ORDERS], None) == ()


def test_changes_outside_the_window_or_for_others_are_left_out() -> None:
    history = [
        plugin(),
        plugin(at_ms=50_000, config={"minute": 5}),
        plugin("else", route_id="r-else"),
        plugin("else", 5_000, route_id="r-else", config={"minute": 5}),
        plugin("one", consumer_id="someone"),
        plugin("one", 5_000, consumer_id="someone", config={"minute": 5}),
    ]

    found: tuple[LimitChange, ...] = limit_changes(history, Window(0, 10_000), [ORDERS], "acme")

    assert found == ()
