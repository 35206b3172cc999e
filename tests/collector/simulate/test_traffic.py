"""Made-up traffic: the same for the same seed, and what it says it is."""

from __future__ import annotations

import ipaddress
import itertools
from collections import Counter
from itertools import takewhile
from typing import Any

import pytest

from collector.simulate.scenarios import MANY, SCENARIOS, about
from collector.simulate.traffic import Plan, daily, items
from collector.wire.http_log import decode_log_entry
from domain.cache_stories import Cause
from domain.events import Certainty

START_MS = 1_800_014_400_000
DOCUMENTED = [
    ipaddress.ip_network(net)
    for net in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "2001:db8::/32")
]


def played(
    seconds: int, *scenarios: str, seed: int = 7, rate: float = 20
) -> list[tuple[int, dict[str, Any]]]:
    plan = Plan(seed=seed, start_ms=START_MS, rate=rate, scenarios=scenarios)
    return list(takewhile(lambda found: found[0] < START_MS + seconds * 1000, items(plan)))


@pytest.fixture(scope="module")
def two_minutes() -> list[dict[str, Any]]:
    return [item for _, item in played(120, *SCENARIOS)]


def entries(found: list[dict[str, Any]], label: str | None = None) -> list[dict[str, Any]]:
    logs = [item["entry"] for item in found if item["kind"] == "http-log"]
    return [entry for entry in logs if label in (None, entry["gatewatch_scenario"])]


def test_the_same_seed_makes_the_same_traffic_ids_included() -> None:
    assert played(15, "burst", MANY) == played(15, "burst", MANY)
    assert played(30, seed=8) != played(30, seed=7)


def test_everything_is_in_order_of_time_and_has_an_id_of_its_own() -> None:
    found = played(20, *SCENARIOS)

    times = [at_ms for at_ms, _ in found]
    ids = [item["id"] for _, item in found]

    assert times == sorted(times)
    assert len(set(ids)) == len(ids)


def test_the_rate_is_what_was_asked_for_on_average() -> None:
    requests = len(entries([item for _, item in played(60, rate=50)]))

    assert requests == pytest.approx(60 * 50 * daily(START_MS / 1000), rel=0.05)


def test_there_is_more_traffic_by_day_than_by_night() -> None:
    assert daily(14 * 3600) == pytest.approx(1.3)
    assert daily(2 * 3600) == pytest.approx(0.7)
    assert sum(daily(hour * 3600) for hour in range(24)) / 24 == pytest.approx(1.0)


def test_every_entry_is_labelled_and_every_address_is_documented(two_minutes: list[dict[str, Any]]) -> None:
    found = entries(two_minutes)

    assert {entry["gatewatch_scenario"] for entry in found} == {"ordinary", *SCENARIOS}
    for address in {entry["client_ip"] for entry in found}:
        assert any(ipaddress.ip_address(address) in network for network in DOCUMENTED)


def test_ordinary_traffic_is_mostly_let_through(two_minutes: list[dict[str, Any]]) -> None:
    statuses = Counter(entry["response"]["status"] // 100 for entry in entries(two_minutes, "ordinary"))

    assert statuses[2] / statuses.total() > 0.85
    assert statuses[5] > 0


@pytest.mark.parametrize("label", ["burst", "leaked-key", MANY, "retry-loop", "low-and-slow"])
def test_every_scenario_is_refused_by_limits(two_minutes: list[dict[str, Any]], label: str) -> None:
    assert sum(entry["response"]["status"] == 429 for entry in entries(two_minutes, label)) > 5


def test_each_scenario_has_the_shape_it_is_named_for(two_minutes: list[dict[str, Any]]) -> None:
    leaked, stuffed = entries(two_minutes, "leaked-key"), entries(two_minutes, MANY)

    assert {entry["consumer"]["username"] for entry in leaked} == {"acme-mobile"}
    assert len({entry["client_ip"] for entry in leaked}) > 15
    assert len({entry["client_ip"] for entry in stuffed}) == 1
    assert sum(entry["response"]["status"] == 401 for entry in stuffed) > len(stuffed) / 2
    assert len({entry["consumer"]["id"] for entry in stuffed if "consumer" in entry}) > 5


def test_every_repetition_of_a_scenario_has_a_number() -> None:
    found = entries([item for _, item in played(300, "burst", rate=1)], "burst")

    assert {entry["gatewatch_episode"] for entry in found} == {1, 2, 3}
    assert {entry["gatewatch_episode"] for entry in entries([i for _, i in played(5)], "ordinary")} == {0}


def test_a_retry_loop_takes_no_notice_of_retry_after(two_minutes: list[dict[str, Any]]) -> None:
    found = entries(two_minutes, "retry-loop")
    waits = [
        (after["started_at"] - before["started_at"]) / 1000
        for before, after in itertools.pairwise(found)
        if before["response"]["status"] == 429 and int(before["response"]["headers"]["retry-after"]) > 3
    ]

    assert len(waits) > 50
    assert sum(wait_s < 3 for wait_s in waits) / len(waits) > 0.95


def test_low_and_slow_is_refused_now_and_then_and_never_in_bursts() -> None:
    found = entries([item for _, item in played(300, "low-and-slow", rate=1)], "low-and-slow")
    refused = [entry["started_at"] // 60_000 for entry in found if entry["response"]["status"] == 429]

    assert 0 < len(refused) < len(found) / 3
    assert len({entry["client_ip"] for entry in found}) == 1
    assert len(set(refused)) >= 3


def test_refusals_are_judged_certain_and_nothing_else_is(two_minutes: list[dict[str, Any]]) -> None:
    for entry in entries(two_minutes):
        decoded = decode_log_entry(entry, received_ms=entry["started_at"])

        certainties = [event.certainty for event in decoded.events]

        expected = [Certainty.CERTAIN] if entry["response"]["status"] == 429 else []
        assert certainties == expected


def test_nodes_tell_about_themselves(two_minutes: list[dict[str, Any]]) -> None:
    told = {(item["kind"], item["event"]) for item in two_minutes if item["kind"] != "http-log"}

    assert {("cluster", "node_started"), ("cluster", "node_heartbeat"), ("cache", "invalidated")} <= told
    assert {("cluster", "target_unhealthy"), ("cluster", "target_healthy")} <= told
    assert any(kind == "crud" for kind, _ in told)


def test_keys_that_nodes_drop_are_those_of_the_change(two_minutes: list[dict[str, Any]]) -> None:
    changes = [item for item in two_minutes if item["kind"] == "crud"]
    dropped = {item["key_masked"] for item in two_minutes if item["kind"] == "cache"}

    assert changes
    for change in changes:
        route = change["after"].get("route", {}).get("id")
        cause = Cause(
            0, None, change["entity_type"], change["entity_id"], change["entity_name"], (route, None, None)
        )
        assert cause.key_prefix is not None
        assert any(key.startswith(cause.key_prefix) for key in dropped), change


def test_every_scenario_explains_itself_in_one_line() -> None:
    assert about().keys() == SCENARIOS.keys()
    assert all(20 < len(line) < 110 for line in about().values())
