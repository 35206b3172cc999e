from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from collector.poller.address import parse_admin_url
from collector.poller.clusters import Clusters
from collector.poller.node import NodePoller, sized
from collector.poller.plan import Ask, Kind, Line, Plan
from domain.events import Decoded
from tests.collector.poller.kong_node import KongNode, limit_plugin, upstream

NOW_MS = 1_795_384_629_000
LABEL = "http://gw-1:8001"


class Rig:
    """A poller of one stand-in node, and what it delivered."""

    def __init__(self, node: KongNode | None = None, clusters: Clusters | None = None) -> None:
        self.node = node or KongNode()
        self.now_s = 0.0
        self.delivered: list[Decoded] = []
        self.outcomes: Counter[str] = Counter()
        self.plan = Plan(0.0, 5.0, 6_000, lambda: 0.5)
        self.clusters = clusters or Clusters()
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.node))  # type: ignore[arg-type]
        self.poller = NodePoller(
            address=parse_admin_url(LABEL),
            client=self.client,
            clusters=self.clusters,
            plan=self.plan,
            deliver=self.deliver,
            count=lambda outcome: self.outcomes.update([outcome]),
            clock_s=lambda: self.now_s,
            now_ms=lambda: NOW_MS + round(self.now_s * 1000),
            round_s=5.0,
        )

    async def deliver(self, decoded: Decoded) -> None:
        """Keep it."""
        self.delivered.append(decoded)

    async def play(self, seconds: float) -> list[Decoded]:
        """Ask everything that is due during so many seconds; returns what was delivered."""
        self.delivered.clear()
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            for line in Line:
                while (ask := self.plan.take(self.now_s, line)) is not None:
                    await self.poller.perform(ask)
            self.now_s += 0.5
        return list(self.delivered)


def nodes_in(delivered: list[Decoded]) -> list[Any]:
    return [seen for decoded in delivered for seen in decoded.nodes]


async def test_an_answer_is_a_sign_of_life_with_what_it_says() -> None:
    rig = Rig()

    seen = nodes_in(await rig.play(0.5))[0]

    assert (seen.node, seen.via, seen.answered, seen.address) == ("n-1", "admin-api", True, LABEL)
    assert (seen.hostname, seen.version, seen.role, seen.workers) == ("gw-1", "3.9.3", "traditional", 2)
    assert (seen.every_s, seen.asked_ms) == (5.0, NOW_MS)
    assert seen.facts == {"plugins_missing": [], "has_our_plugin": False, "clock_off_ms": 0}


async def test_a_status_says_the_rest_of_the_node_at_that_address() -> None:
    rig = Rig()
    rig.node.is_database_reachable = False

    seen = nodes_in(await rig.play(1.0))[1]

    assert (seen.node, seen.address, seen.database_reachable) == (None, LABEL, False)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"status_of": {"/": 403}}, "it answers HTTP 403: the admin token may not read this"),
        ({"raw": {"/": b"<html>"}}, "it does not answer as an Admin API"),
        (
            {"raw": {"/": b'{"message":"no Route matched with those values"}'}},
            "it does not answer as an Admin API",
        ),
        ({"token": "wanted"}, "it answers HTTP 401: it wants an admin token"),
    ],
)
async def test_an_answer_of_another_kind_is_silence_that_tells_nothing(
    spoil: dict[str, Any], why: str
) -> None:
    rig = Rig()
    vars(rig.node).update(spoil)

    (seen,) = nodes_in(await rig.play(0.5))

    assert (seen.node, seen.answered, seen.is_telling, seen.address) == (None, False, False, LABEL)
    assert seen.why.startswith(why)


async def test_a_silent_node_is_asked_for_its_sign_of_life_only() -> None:
    rig = Rig()
    await rig.play(1.0)
    rig.node.status_of["/"] = 500
    rig.node.calls.clear()

    await rig.play(60.0)

    assert set(rig.node.calls[5:]) == {"/"}


async def test_lists_tell_names_and_limits() -> None:
    rig = Rig()
    rig.node.lists["services"] = [{"id": "s-1", "name": "orders", "host": "10.0.0.1"}]
    rig.node.lists["consumers"] = [{"id": "c-1", "username": "acme"}]
    rig.node.lists["plugins"] = [limit_plugin()]

    delivered = await rig.play(2.0)

    names = {(seen.entity_type, seen.name) for decoded in delivered for seen in decoded.entities}
    (plugins,) = [decoded for decoded in delivered if decoded.plugins]
    assert names == {("nodes", "gw-1"), ("services", "orders"), ("consumers", "acme")}
    assert [plugin.name for plugin in plugins.plugins] == ["rate-limiting"]
    assert plugins.plugins_complete


async def test_all_pages_are_read_and_plugins_are_one_whole_list() -> None:
    rig = Rig()
    rig.node.page_size = 2
    rig.node.lists["plugins"] = [limit_plugin(f"p-{i}") for i in range(5)]
    rig.node.lists["consumers"] = [{"id": f"c-{i}", "username": f"u-{i}"} for i in range(5)]

    delivered = await rig.play(2.0)

    (plugins,) = [decoded for decoded in delivered if decoded.plugins]
    consumers = [s.name for d in delivered for s in d.entities if s.entity_type == "consumers"]
    assert (len(plugins.plugins), plugins.plugins_complete) == (5, True)
    assert consumers == [f"u-{i}" for i in range(5)]


async def test_a_list_that_breaks_off_is_not_a_whole_one() -> None:
    rig = Rig()
    rig.node.page_size = 2
    rig.node.lists["plugins"] = [limit_plugin(f"p-{i}") for i in range(5)]
    answer, calls = rig.node._page, []

    def fails_on_the_second(name: str, query: dict[str, list[str]]) -> Any:
        calls.append(name)
        if name == "plugins" and calls.count("plugins") > 1:
            rig.node.status_of["/plugins"] = 500
        return answer(name, query)

    rig.node._page = fails_on_the_second  # type: ignore[method-assign]

    delivered = await rig.play(2.0)

    assert not [d for d in delivered if d.plugins_complete and len(d.plugins) < 5]


async def test_what_is_the_same_as_last_time_is_not_stored_again() -> None:
    rig = Rig()
    rig.node.lists["services"] = [{"id": "s-1", "name": "orders"}]
    rig.node.lists["plugins"] = [limit_plugin()]
    await rig.play(2.0)

    again = await rig.play(300.0)
    rig.node.lists["plugins"] = [limit_plugin(minute=20)]
    changed = await rig.play(61.0)

    assert not [d for d in again if d.plugins or any(s.entity_type != "nodes" for s in d.entities)]
    assert [d.plugins[0].config["minute"] for d in changed if d.plugins] == [20]


async def test_a_node_with_a_configuration_hash_is_listed_once_per_configuration() -> None:
    rig = Rig()
    rig.node.configuration |= {"database": "off"}
    rig.node.config_hash = "a" * 32
    await rig.play(100.0)
    rig.node.calls.clear()

    await rig.play(200.0)
    before = rig.node.calls.count("/plugins")
    rig.node.config_hash = "b" * 32
    await rig.play(12.0)

    assert (before, rig.node.calls.count("/plugins")) == (0, 1)


async def test_nodes_of_one_database_are_listed_once() -> None:
    clusters = Clusters()
    first, second = Rig(KongNode("n-1"), clusters), Rig(KongNode("n-2"), clusters)
    second.poller._address = parse_admin_url("http://gw-2:8001")

    await first.play(70.0)
    await second.play(70.0)

    assert first.node.calls.count("/plugins") == 2
    assert second.node.calls.count("/plugins") == 0


async def test_target_health_is_asked_of_every_node_by_name() -> None:
    rig = Rig()
    rig.node.lists["upstreams"] = [upstream("orders"), upstream("a/b c", interval=0)]
    rig.node.health = {"orders": {"10.0.0.1:80": "HEALTHY", "10.0.0.2:80": "UNHEALTHY"}, "a/b c": {}}

    delivered = await rig.play(12.0)

    targets = [seen for decoded in delivered for seen in decoded.targets]
    assert {(t.node, t.upstream, t.target, t.health) for t in targets} == {
        ("n-1", "orders", "10.0.0.1:80", "healthy"),
        ("n-1", "orders", "10.0.0.2:80", "unhealthy"),
    }


async def test_an_upstream_that_is_gone_is_not_asked_about_again() -> None:
    rig = Rig()
    rig.node.lists["upstreams"] = [upstream("orders")]
    await rig.play(6.0)
    rig.node.calls.clear()

    await rig.poller.perform(Ask(Kind.TARGETS, "orders"))
    await rig.play(4.0)

    assert rig.node.calls.count("/upstreams/orders/health") == 1


async def test_a_control_plane_is_asked_for_its_data_planes_and_for_no_target() -> None:
    rig = Rig()
    rig.node.configuration["role"] = "control_plane"
    rig.node.lists["upstreams"] = [upstream("orders")]
    rig.node.data_planes = [
        {
            "id": "dp-1",
            "hostname": "edge-1",
            "ip": "10.1.1.1",
            "last_seen": NOW_MS // 1000 - 20,
            "config_hash": "a" * 32,
            "version": "3.9.3",
            "sync_status": "normal",
            "cert_details": {"expiry_timestamp": NOW_MS // 1000 + 86_400},
        }
    ]

    delivered = await rig.play(12.0)

    (seen, *_) = [seen for seen in nodes_in(delivered) if seen.via == "data-planes"]
    assert (seen.node, seen.at_ms, seen.asked_ms) == ("dp-1", NOW_MS - 20_000, NOW_MS)
    assert (seen.address, seen.facts) == (LABEL, {"ip": "10.1.1.1"})
    assert not [call for call in rig.node.calls if call.endswith("/health")]


async def test_a_node_that_is_no_control_plane_is_not_asked_for_data_planes_again() -> None:
    rig = Rig()
    rig.node.status_of["/clustering/data-planes"] = 404
    rig.node.configuration["role"] = "control_plane"
    rig.plan.answered(0.0, is_control_plane=True, lists=False)

    await rig.poller.perform(Ask(Kind.DATA_PLANES))

    assert Ask(Kind.DATA_PLANES) not in rig.plan._due


async def test_a_restart_is_seen_with_the_next_sign_of_life() -> None:
    rig = Rig()
    await rig.play(1.0)
    rig.node.node_id = "n-2"

    seen = nodes_in(await rig.play(6.0))

    assert {s.node for s in seen if s.node} == {"n-2"}


async def test_a_clock_that_is_off_is_told() -> None:
    rig = Rig()
    rig.node.headers = [(b"date", b"Sun, 22 Nov 2026 21:57:09 GMT")]

    seen = nodes_in(await rig.play(0.5))[0]

    assert seen.facts["clock_off_ms"] == 0
    rig.now_s -= 90.0
    await rig.poller.perform(Ask(Kind.ABOUT))
    assert rig.delivered[-1].nodes[0].facts["clock_off_ms"] == 89_500


async def test_requests_are_counted_by_outcome() -> None:
    rig = Rig()
    await rig.play(1.0)
    rig.node.status_of["/"] = 403

    await rig.play(6.0)

    assert rig.outcomes["barred"] == 1
    assert rig.outcomes["answered"] >= 7


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, None),
        ("/services?offset=x", "/services?offset=x&size=1000"),
        ("/services?offset=x&size=1000", "/services?offset=x&size=1000"),
        ("/services", "/services?size=1000"),
    ],
)
def test_a_next_page_is_as_long_as_the_first(path: str | None, expected: str | None) -> None:
    assert sized(path) == expected
