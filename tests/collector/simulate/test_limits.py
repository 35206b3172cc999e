"""Kong's fixed windows."""

from __future__ import annotations

from collector.simulate.limits import Windows

NOON_MS = 1_800_014_400_000
"""A whole hour."""


def test_the_limit_passes_and_one_more_is_refused_with_the_seconds_left() -> None:
    windows = Windows()
    at_ms = NOON_MS + 15_000

    verdicts = [windows.request("n", "r", "c", {"minute": 3}, at_ms) for _ in range(4)]

    assert [verdict.is_refused for verdict in verdicts] == [False, False, False, True]
    assert [v.headers["ratelimit-remaining"] for v in verdicts] == ["2", "1", "0", "0"]
    assert verdicts[3].headers == {
        "x-ratelimit-limit-minute": "3",
        "x-ratelimit-remaining-minute": "0",
        "ratelimit-limit": "3",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "45",
        "retry-after": "45",
    }
    assert "retry-after" not in verdicts[2].headers


def test_windows_begin_with_the_clock_and_not_with_the_first_request() -> None:
    windows = Windows()
    for at_ms in (NOON_MS + 59_000, NOON_MS + 59_500):
        windows.request("n", "r", "c", {"minute": 2}, at_ms)

    assert windows.request("n", "r", "c", {"minute": 2}, NOON_MS + 59_999).is_refused
    assert not windows.request("n", "r", "c", {"minute": 2}, NOON_MS + 60_000).is_refused


def test_refused_requests_are_not_counted() -> None:
    windows = Windows()
    limits = {"second": 1, "hour": 3}
    for number in range(10):
        windows.request("n", "r", "c", limits, NOON_MS + number)

    assert not windows.request("n", "r", "c", limits, NOON_MS + 1_000).is_refused
    assert windows.request("n", "r", "c", limits, NOON_MS + 2_000).headers["ratelimit-limit"] == "3"


def test_nodes_routes_and_callers_count_for_themselves() -> None:
    windows = Windows()
    limits = {"minute": 1}
    windows.request("n", "r", "c", limits, NOON_MS)

    others = [("m", "r", "c"), ("n", "s", "c"), ("n", "r", "d")]

    assert not any(windows.request(*other, limits, NOON_MS).is_refused for other in others)
    assert windows.request("n", "r", "c", limits, NOON_MS).is_refused


def test_the_general_headers_show_the_tightest_window_and_the_longer_on_a_tie() -> None:
    windows = Windows()

    first = windows.request("n", "r", "c", {"second": 5, "minute": 4}, NOON_MS)
    tie = windows.request("n", "s", "c", {"second": 5, "minute": 5}, NOON_MS)

    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-reset"]) == ("4", "60")
    assert (tie.headers["ratelimit-limit"], tie.headers["ratelimit-reset"]) == ("5", "60")


def test_a_route_without_limits_gets_no_headers() -> None:
    assert Windows().request("n", "r", "c", {}, NOON_MS).headers == {}
