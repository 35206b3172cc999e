"""What is left of a limit, and when that cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from domain.filters import Dimension
from domain.limits import Limit
from domain.limits_in_force import LimitInForce
from storage.rows import PairRow
from ui.components.limits_table import used_now

ORDERS, SEARCH = ("s-1", "r-1"), ("s-2", "r-2")


def pair(ids: tuple[str, str], requests: int, limited: int = 0) -> PairRow:
    return PairRow(
        token=ids[0],
        label=ids[0],
        id=ids[0],
        by_token=ids[1],
        by_label=ids[1],
        by_id=ids[1],
        requests=requests,
        limited=limited,
        probable=1,
        last_ms=0,
    )


def in_force(**changes: Any) -> LimitInForce:
    given: dict[str, Any] = {
        "limit": Limit(name="minute", value=60, window_s=60),
        "plugin_id": "p",
        "plugin": "rate-limiting",
        "route_id": None,
        "service_id": None,
        "consumer_id": None,
        "consumer_group_id": None,
        "counted_by": "consumer",
        "policy": "local",
        "pairs": (ORDERS, SEARCH),
    }
    return LimitInForce(**(given | changes))


RUNNING = {60: (pair(ORDERS, 50, 10), pair(SEARCH, 21), pair(("s-3", "r-3"), 900))}


def test_what_was_let_through_is_used_what_was_refused_is_not() -> None:
    assert used_now(Dimension.CONSUMER, in_force(), RUNNING) == 39 + 20


def test_only_where_the_plugin_applies_is_counted() -> None:
    assert used_now(Dimension.CONSUMER, in_force(pairs=(SEARCH,)), RUNNING) == 20
    assert used_now(Dimension.CONSUMER, in_force(pairs=()), RUNNING) == 0


@pytest.mark.parametrize(
    ("dimension", "changes"),
    [
        pytest.param(Dimension.CONSUMER, {"counted_by": "ip"}, id="counted by something else"),
        pytest.param(Dimension.CONSUMER, {"counted_by": "credential"}, id="one counter per key"),
        pytest.param(Dimension.IP, {}, id="counted by consumer, asked for an address"),
        pytest.param(
            Dimension.CONSUMER,
            {"limit": Limit(name="sms/minute", value=20, window_s=60)},
            id="counted in units that the upstream names",
        ),
        pytest.param(
            Dimension.CONSUMER,
            {"limit": Limit(name="second", value=3, window_s=1)},
            id="finer than our totals",
        ),
        pytest.param(
            Dimension.CONSUMER,
            {"limit": Limit(name="x", value=3, window_s=None)},
            id="a window of unknown length",
        ),
    ],
)
def test_what_our_totals_cannot_tell_is_unknown(dimension: Dimension, changes: dict[str, Any]) -> None:
    assert used_now(dimension, in_force(**changes), RUNNING) is None


def test_without_a_log_of_traffic_nothing_is_known_to_be_used() -> None:
    assert used_now(Dimension.CONSUMER, in_force(), {60: (pair(ORDERS, 3, 10),)}) is None


def test_a_span_that_is_over_has_no_running_window() -> None:
    assert used_now(Dimension.CONSUMER, in_force(), {}) is None
