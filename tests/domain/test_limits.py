from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import PluginSeen
from domain.limits import (
    Limit,
    limits_of,
    number_in,
    strictest_reached,
    text_in,
    window_name,
    window_seconds,
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def plugin(name: str, **config: Any) -> PluginSeen:
    return PluginSeen(plugin_id="p", name=name, enabled=True, at_ms=0, config=config)


def headers(**remaining: int) -> dict[str, str]:
    """`minute=0` becomes `x-ratelimit-remaining-minute: 0` with a limit of 5."""
    found: dict[str, str] = {}
    for name, value in remaining.items():
        found[f"x-ratelimit-remaining-{name.replace('_', '-')}"] = str(value)
        found[f"x-ratelimit-limit-{name.replace('_', '-')}"] = "5"
    return found


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ("second", 1), ("Minute", 60), ("hour", 3_600), ("day", 86_400), ("month", 2_592_000),
        ("year", 31_536_000), ("90", 90), (90, 90), (90.0, 90), (0.5, 1),
        ("", None), ("fortnight", None), ("-1", None), ("٣", None), ("1" * 10, None),
        (0, None), (-5, None), (1e12, None), (float("nan"), None), (True, None), (None, None), ([60], None),
    ],
)  # fmt: skip
def test_a_window_has_seconds_or_is_none(window: Any, seconds: int | None) -> None:
    assert window_seconds(window) == seconds


@pytest.mark.parametrize(("seconds", "name"), [(60, "minute"), (86_400, "day"), (90, "90s"), (1, "second")])
def test_a_window_is_called_as_kong_calls_it(seconds: int, name: str) -> None:
    assert window_name(seconds) == name


@pytest.mark.parametrize("seconds", [1, 60, 3_600, 86_400, 2_592_000, 31_536_000])
def test_names_and_seconds_of_windows_go_round(seconds: int) -> None:
    assert window_seconds(window_name(seconds)) == seconds


def test_the_limit_that_is_used_up_is_found() -> None:
    reached = strictest_reached(headers(minute=0, hour=95), named=False)

    assert reached == Limit(name="minute", value=5, window_s=60)


def test_of_two_limits_that_are_used_up_the_longer_one_counts() -> None:
    """Kong describes the longer window on a tie."""
    reached = strictest_reached(headers(second=0, hour=0, minute=0), named=False)

    assert reached == Limit(name="hour", value=5, window_s=3_600)


def test_named_limits_and_plain_ones_are_kept_apart() -> None:
    both = headers(sms_minute=0, day=0)

    assert strictest_reached(both, named=True) == Limit(name="sms/minute", value=5, window_s=60)
    assert strictest_reached(both, named=False) == Limit(name="day", value=5, window_s=86_400)


def test_a_named_limit_may_have_hyphens_in_its_name() -> None:
    reached = strictest_reached(headers(bulk_sms_hour=0), named=True)

    assert reached is not None
    assert reached.name == "bulk-sms/hour"


def test_a_window_in_seconds_gets_a_name_of_its_own() -> None:
    reached = strictest_reached({"x-ratelimit-remaining-90": "0"}, named=False)

    assert reached == Limit(name="90s", value=None, window_s=90)


@pytest.mark.parametrize(
    "found",
    [
        {},
        headers(minute=1),
        {"x-ratelimit-remaining-fortnight": "0"},
        {"x-ratelimit-remaining-minute": "none"},
    ],
)
def test_where_nothing_is_used_up_there_is_no_limit(found: dict[str, str]) -> None:
    assert strictest_reached(found, named=False) is None


def test_rate_limiting_sets_one_limit_per_window() -> None:
    found = limits_of(plugin("rate-limiting", minute=5, hour=100, day=None, policy="local"))

    assert found == [
        Limit(name="minute", value=5, window_s=60),
        Limit(name="hour", value=100, window_s=3_600),
    ]


def test_response_ratelimiting_sets_limits_by_name() -> None:
    found = limits_of(plugin("response-ratelimiting", limits={"sms": {"minute": 10}, "broken": 3}))

    assert found == [Limit(name="sms/minute", value=10, window_s=60)]


@pytest.mark.parametrize("name", ["rate-limiting-advanced", "service-protection"])
def test_enterprise_pairs_limits_with_window_sizes(name: str) -> None:
    found = limits_of(plugin(name, limit=[10, 500], window_size=[90, 3_600]))

    assert found == [Limit(name="90s", value=10, window_s=90), Limit(name="hour", value=500, window_s=3_600)]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("key-auth", {"minute": 5}),
        ("response-ratelimiting", {"limits": []}),
        ("rate-limiting-advanced", {"limit": 5, "window_size": [60]}),
        ("rate-limiting", {"minute": True}),
        ("rate-limiting", {"minute": float("inf"), "hour": float("nan")}),
        ("rate-limiting-advanced", {"limit": [True, float("inf")], "window_size": [60, 60]}),
        ("rate-limiting-advanced", {"limit": ["x"], "window_size": ["fortnight"]}),
    ],
)
def test_other_configurations_limit_nothing(name: str, config: dict[str, Any]) -> None:
    assert limits_of(plugin(name, **config)) == []


@pytest.mark.parametrize(
    ("value", "number"),
    [("5", 5), (5, 5), (["0", "7"], 0), ([], None), ("-1", None), ("5.0", None), (True, None), (None, None),
     ("9" * 19, None), (-1, None), ("", None)],
)  # fmt: skip
def test_a_header_holds_a_whole_number_or_none(value: Any, number: int | None) -> None:
    assert number_in({"h": value}, "h") == number


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (["a", "b"], "a"), ([], ""), (5, ""), (None, "")])
def test_a_header_holds_text_or_none(value: Any, text: str) -> None:
    assert text_in({"h": value}, "h") == text


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=3))
def test_no_configuration_breaks_the_reading_of_limits(config: dict[str, Any]) -> None:
    for name in ("rate-limiting", "response-ratelimiting", "rate-limiting-advanced"):
        for limit in limits_of(plugin(name, limits=config, limit=config, window_size=config, minute=1)):
            assert limit.window_s is not None
