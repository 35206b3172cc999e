from __future__ import annotations

import json
from typing import Any

import pytest

from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, params_of, run_page
from ui.components.live_board import _ACTIONS, _named, drill_prefixes
from ui.server.subscription import Subscription
from ui.server.tickets import PROCESS_KEY, Tickets
from ui.state import PageState


def board(query: str = "") -> dict[str, Any]:
    page = run_page("live", ScriptedReader(freshness=live_freshness()), query)
    assert not page.exception
    found: dict[str, Any] = json.loads(page.get("bidi_component")[0].proto.json)
    return found


def watched(data: dict[str, Any]) -> Subscription:
    claims = Tickets(PROCESS_KEY, lambda: NOW_MS).check(data["ticket"], "live")
    return Subscription.from_json(claims["view"])


def test_the_board_may_watch_what_the_url_says_and_nothing_else() -> None:
    assert watched(board()) == Subscription(range_ms=15 * MINUTE_MS, from_ms=0, to_ms=0)

    seen = watched(board("range=1h&consumer=acme&not_ip=10.0.0.1&group=service&sample=1"))

    assert seen.range_ms == HOUR_MS
    assert seen.filters == Filters(((Dimension.CONSUMER, "acme"),), ((Dimension.IP, "10.0.0.1"),))
    assert (seen.group, seen.sample) == (Dimension.SERVICE, True)


def test_equal_pages_share_one_view_whenever_they_were_opened() -> None:
    reader = ScriptedReader(freshness=live_freshness())
    views = [
        json.loads(run_page("live", reader, now_ms=at).get("bidi_component")[0].proto.json)["view"]
        for at in (NOW_MS, NOW_MS + 1_234)
    ]

    assert views[0] == views[1]


def test_everything_is_watched_as_whole_days_that_end_now() -> None:
    seen = watched(board("range=all"))

    assert seen.range_ms == 31 * DAY_MS
    assert seen.window(NOW_MS).to_ms > NOW_MS


def test_a_fixed_span_is_watched_as_it_stands() -> None:
    seen = watched(board("from=1000000&to=2000000"))

    assert (seen.range_ms, seen.from_ms, seen.to_ms) == (None, 1_000_000, 2_000_000)


def test_links_of_the_board_are_this_hosts_and_end_where_the_name_goes() -> None:
    prefixes = drill_prefixes(PageState(range="6h").adding(Dimension.CONSUMER, "a&b"))

    assert prefixes["consumer"] == "/consumers?range=6h&of="
    assert prefixes["ip"] == "/addresses?range=6h&consumer=a%26b&of="
    assert prefixes["service"] == "/events?range=6h&consumer=a%26b&service="
    assert prefixes["event"] == "/events?range=6h&consumer=a%26b&of="
    assert prefixes["alert"] == "/alerts?range=6h&consumer=a%26b&of="
    assert drill_prefixes(PageState())["consumer"] == "/consumers?of="


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "x",
        [],
        {},
        {"dimension": "colour", "token": "x"},
        {"dimension": "ip", "token": 5},
        {"dimension": "ip", "token": ""},
        {"dimension": ["ip"], "token": "x"},
    ],
)
def test_what_a_browser_says_is_read_with_care(value: Any) -> None:
    assert _named(value) is None


def test_a_name_that_a_browser_sends_is_cut() -> None:
    assert _named({"dimension": "ip", "token": "x" * 900}) == (Dimension.IP, "x" * 300)


@pytest.mark.parametrize(
    ("action", "value", "query", "expected"),
    [
        ("filter", {"dimension": "ip", "token": "10.0.0.1"}, {}, {"ip": ["10.0.0.1"]}),
        ("filter", {"dimension": "ip", "token": "10.0.0.1", "excluded": True}, {}, {"not_ip": ["10.0.0.1"]}),
        ("filter", {"dimension": "ip", "token": "10.0.0.1", "excluded": "yes"}, {}, {"ip": ["10.0.0.1"]}),
        ("unfilter", {"dimension": "ip", "value": "1"}, {"ip": ["1", "2"]}, {"ip": ["2"]}),
        ("unfilter", {"dimension": "ip"}, {"ip": ["1"]}, {"ip": ["1"]}),
        ("group", "service", {}, {"group": ["service"]}),
        ("group", "consumer", {"group": ["service"]}, {}),
        ("group", {"a": 1}, {"group": ["service"]}, {"group": ["service"]}),
        (
            "span",
            {"from_ms": 1000, "to_ms": 61000},
            {"range": ["1h"]},
            {"from": ["1970-01-01T00:00:01Z"], "to": ["1970-01-01T00:01:01Z"]},
        ),
        ("span", {"from_ms": 61000, "to_ms": 1000}, {"range": ["1h"]}, {"range": ["1h"]}),
        ("span", "x", {"range": ["1h"]}, {"range": ["1h"]}),
        (
            "play",
            True,
            {"range": ["1h"], "consumer": ["acme"], "zone": ["local"]},
            {"sample": ["1"], "zone": ["local"]},
        ),
    ],
)
def test_clicks_change_the_url(
    action: str, value: Any, query: dict[str, list[str]], expected: dict[str, list[str]]
) -> None:
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415 - only here

    def script(action: str, value: object) -> None:
        from ui.components.live_board import _ACTIONS  # noqa: PLC0415 - run as a script

        _ACTIONS[action](value)

    page = AppTest.from_function(script, kwargs={"action": action, "value": value}, default_timeout=30)
    for key, values in query.items():
        page.query_params[key] = values
    page.run()

    assert not page.exception
    assert params_of(page) == expected
    assert action in _ACTIONS
