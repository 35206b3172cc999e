"""The plugin in nginx against the real collector: what was promised about delivery, while things break."""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kong_plugin.processes import LIMITED_BY_UPSTREAM, Clients, Collector, Node, wait_for

pytestmark = pytest.mark.e2e

KILLS = 10
RELOADS = (2, 5, 8)
SETTLE_LIMIT_S = 60.0
"""A sender that found nobody for long waits up to 30 s before it tries again."""
FIXTURES = Path(__file__).parents[2] / "kong-plugin/spec/fixtures"


def rows(collector: Collector, sql: str) -> list[tuple[object, ...]]:
    """What the collector's database answers."""
    connection = sqlite3.connect(f"file:{collector.database}?mode=ro", uri=True)  # noqa: TID251 - as any reader
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def stored_requests(collector: Collector) -> list[str]:
    """The request ids of all stored violations, each as often as it is there."""
    return [str(row[0]) for row in rows(collector, "SELECT request_id FROM violations")]


def told_as_shed(collector: Collector) -> int:
    """How many refusals the gaps of the senders speak of."""
    causes = [str(row[0]) for row in rows(collector, "SELECT cause FROM gaps")]
    return sum(int(n) for cause in causes for n in re.findall(r"(\d+) rate-limiting", cause))


def settled(collector: Collector, refused: set[str]) -> bool:
    """Whether every refusal is accounted for."""
    return len(set(stored_requests(collector))) + told_as_shed(collector) >= len(refused)


def test_ten_kills_and_three_reloads_under_load_lose_and_double_nothing(
    collector: Collector, start_node: Callable[..., Node]
) -> None:
    node = start_node(collector.ws, HTTP="lua_shared_dict gatewatch 8m;")
    clients = Clients(node.port)
    for number in range(KILLS):
        time.sleep(0.4)
        collector.kill()
        if number in RELOADS:
            node.reload()
        time.sleep(0.1)
        collector.start()
    clients.stop()

    wait_for(lambda: settled(collector, clients.refused), "every refusal is stored", SETTLE_LIMIT_S)

    stored = stored_requests(collector)
    assert len(clients.refused) > 100
    assert set(stored) == clients.refused
    assert len(stored) == len(set(stored))
    assert told_as_shed(collector) == 0
    assert clients.failures == []
    assert node.errors() == []


def test_workers_reloaded_under_load_hand_everything_on(
    collector: Collector, start_node: Callable[..., Node]
) -> None:
    """The old and the new worker of a number are one source: the new one lets the old one finish."""
    node = start_node(collector.ws)
    clients = Clients(node.port)
    for _ in range(3):
        time.sleep(1.5)
        node.reload()
    time.sleep(1.5)
    clients.stop()

    wait_for(lambda: settled(collector, clients.refused), "every refusal is stored", SETTLE_LIMIT_S)

    stored = stored_requests(collector)
    assert set(stored) == clients.refused
    assert len(stored) == len(set(stored))
    assert told_as_shed(collector) == 0


def test_what_a_small_buffer_had_to_shed_is_told_to_the_last_one(
    collector: Collector, start_node: Callable[..., Node]
) -> None:
    node = start_node(collector.ws, GATEWATCH_BUFFER_EVENTS="100", GATEWATCH_TOTALS="false")
    collector.kill()
    clients = Clients(node.port, threads=4)
    wait_for(lambda: len(clients.refused) > 800, "some load")
    clients.stop()

    collector.start()
    wait_for(
        lambda: settled(collector, clients.refused), "every refusal is stored or told of", SETTLE_LIMIT_S
    )

    stored = stored_requests(collector)
    assert set(stored) <= clients.refused
    assert len(stored) == len(set(stored))
    assert told_as_shed(collector) == len(clients.refused) - len(stored) > 0
    assert node.errors() == []


def test_the_upstreams_own_429_is_counted_as_its_own(
    collector: Collector, start_node: Callable[..., Node]
) -> None:
    node = start_node(collector.ws)
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/orders/1", headers={"X-Replay": LIMITED_BY_UPSTREAM})
        assert connection.getresponse().read() is not None
    connection.close()
    counted = "SELECT sum(upstream_429), sum(limited + probable) FROM activity WHERE res = 3 AND dim = 0"

    wait_for(lambda: rows(collector, counted) == [(20, 0)], "20 refusals by the upstream")

    assert stored_requests(collector) == []


def test_every_recorded_change_and_invalidation_arrives_once(
    collector: Collector, start_node: Callable[..., Node]
) -> None:
    node = start_node(collector.ws)
    lines = (FIXTURES / "kong-events.jsonl").read_text(encoding="utf-8").splitlines()
    changes = [line for line in lines if json.loads(line)["source"] == "dao:crud"]
    invalidations = [line for line in lines if ":invalidations:" in line]
    for line in lines:
        node.post("/_stand_in/event", line)

    wait_for(
        lambda: rows(collector, "SELECT count(*) FROM config_changes")[0][0] == len(changes), "every change"
    )
    wait_for(
        lambda: (
            rows(collector, "SELECT count(*) FROM cache_invalidations WHERE key_masked IS NOT NULL")[0][0]
            == len(invalidations)
        ),
        "every invalidation",
    )

    kept = str(rows(collector, "SELECT * FROM config_changes")) + str(
        rows(collector, "SELECT * FROM cache_invalidations")
    )
    assert re.search(r"alpha-\d", kept) is None
    assert rows(collector, "SELECT count(*) FROM quarantine") == [(0,)]
