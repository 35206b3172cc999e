from __future__ import annotations

from typing import Any

import pytest

from collector.doctor.arrival_rules import Arrived, examine
from collector.doctor.looking import Looked
from storage.node_rows import FeedRow, NodeRow, Nodes
from storage.rows import Freshness
from tests.collector.doctor.test_kong_rules import looked
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    collector_status,
    live_freshness,
    source_state,
    store_health,
    totals,
)

MINUTE = 60_000


def node(name: str = "gw-1", state: str = "live", **more: Any) -> NodeRow:
    feeds = more.pop("feeds", (("heartbeat", 2_000), ("events", 3_000)))
    values: dict[str, Any] = {
        "node": f"id-{name}",
        "hostname": name,
        "version": "3.9.3",
        "role": "traditional",
        "state": state,
        "since_ms": NOW_MS - MINUTE,
        "reason": "as it is",
        "first_seen_ms": NOW_MS - MINUTE,
        "last_seen_ms": NOW_MS - 2_000,
        "feeds": tuple(
            FeedRow(
                feed=feed,
                last_ms=NOW_MS - age_ms,
                every_s=None,
                problem=None,
                problem_ms=None,
                is_telling=True,
            )
            for feed, age_ms in feeds
        ),
        "place": None,
        "control_plane": None,
        "config_hash": None,
        "expected_hash": None,
        "fleet_nodes": 0,
        "complaint": None,
        "restarts": 0,
        "started_ms": None,
        "replaces": None,
        "replaced_by": None,
        "is_place_only": False,
        "facts": {},
    }
    return NodeRow(**(values | more))


def arrived(*nodes: NodeRow, **changes: Any) -> Arrived:
    """A store in which everything is as it should be, but for what a test changes."""
    values: dict[str, Any] = {
        "path": "g.db",
        "freshness": live_freshness(),
        "health": store_health(),
        "nodes": Nodes(rows=nodes or (node(),), watched_until_ms=NOW_MS, is_watched=True),
        "totals": totals(requests=1_000, limited=10),
        "top_address": "203.0.113.7",
        "top_share": 0.2,
        "top_of": 1_000,
        "plugins": 3,
        "gaps": 0,
        "quarantined": 0,
        "why_quarantined": "",
        "nameless_refusals": 0,
    }
    return Arrived(**(values | changes))


def said(found: Arrived, *addresses: Looked) -> list[str]:
    return [f"{finding.severity} {finding.what}" for finding in examine(found, addresses, NOW_MS)]


def sources(*ways: str, **changes: Any) -> Freshness:
    return live_freshness(sources=tuple(source_state(source=way, way=way, **changes) for way in ways))


def test_a_sound_store_says_nothing() -> None:
    assert said(arrived()) == []


@pytest.mark.parametrize(
    ("label", "found", "expected"),
    [
        (
            "nothing ever",
            arrived(freshness=NO_FRESHNESS, nodes=Nodes(rows=(), watched_until_ms=None, is_watched=False)),
            ["missing nothing has ever arrived in g.db", "missing the collector never ran on g.db"],
        ),
        (
            "the collector is gone",
            arrived(freshness=live_freshness(collector=collector_status(beat_ms=NOW_MS - 5 * MINUTE))),
            ["missing the collector has been silent for 5 min on g.db"],
        ),
        (
            "the collector cannot store",
            arrived(
                freshness=live_freshness(collector=collector_status(state="degraded", detail="disk full"))
            ),
            ["missing the collector is degraded: disk full"],
        ),
        ("no room", arrived(health=store_health(free_disk_bytes=5_000_000)), ["risk 5 MB of disk are free"]),
        (
            "a sender fell silent",
            arrived(
                freshness=live_freshness(
                    sources=(
                        source_state(),
                        source_state(
                            source="http-log",
                            way="http-log",
                            connected=None,
                            last_received_ms=NOW_MS - 11 * MINUTE,
                        ),
                    )
                )
            ),
            ["risk senders that fell silent: http-log"],
        ),
        (
            "hooks alone",
            arrived(freshness=sources("event-hooks")),
            ["missing neither http-log nor a stream has ever sent anything", "note event hooks are in use"],
        ),
        (
            "no node",
            arrived(nodes=Nodes(rows=(), watched_until_ms=NOW_MS, is_watched=True)),
            ["note no node is known"],
        ),
        ("a lost node", arrived(node(), node("gw-2", "lost")), ["missing 1 nodes are lost: gw-2"]),
        (
            "a node replaced by its restart is none",
            arrived(node(), node("gw-2", "lost", replaced_by="id-gw-1")),
            [],
        ),
        ("a drifted node", arrived(node("gw-2", "drifted")), ["risk 1 nodes are drifted: gw-2"]),
        ("an unknown node", arrived(node("gw-2", "unknown")), ["note 1 nodes are unknown: gw-2"]),
        (
            "nobody watches, so all are unknown",
            arrived(
                nodes=Nodes(rows=(node(state="unknown"),), watched_until_ms=NOW_MS - MINUTE, is_watched=False)
            ),
            [],
        ),
        (
            "a node that is there and sends nothing",
            arrived(node(), node("gw-2", feeds=(("admin-api", 3_000),))),
            ["risk nodes that are there and send nothing: gw-2"],
        ),
        (
            "a quiet fleet is no such node",
            arrived(node(feeds=(("admin-api", 3_000), ("events", 20 * MINUTE)))),
            [],
        ),
        (
            "a clock that is off",
            arrived(node(facts={"lag_ms": 90_000})),
            ["risk the clock of gw-1 is 90 s behind, or its heartbeats are late"],
        ),
        (
            "a clock that runs ahead",
            arrived(node(facts={"lag_ms": -200_000})),
            ["risk the clock of gw-1 is 3 min ahead"],
        ),
        (
            "events dropped",
            arrived(node(facts={"dropped": {"cache": 7, "crud": 1}})),
            ["risk the plugin in gw-1 had to drop 8 events"],
        ),
        (
            "probable, and no way to settle it",
            arrived(plugins=0, totals=totals(requests=9, probable=4)),
            ["risk 4 refusals in 24 h are only probable, and no list of plugins is known"],
        ),
        ("no list of plugins", arrived(plugins=0), ["note no list of plugins is known"]),
        ("no node in any refusal", arrived(nameless_refusals=10), ["note no refusal names its node"]),
        (
            "only refusals",
            arrived(totals=totals(requests=None, limited=3)),
            ["note no traffic is known, only refusals"],
        ),
        ("gaps", arrived(gaps=2), ["risk 2 gaps in the feed in 24 h"]),
        (
            "unreadable",
            arrived(quarantined=3, why_quarantined="not JSON"),
            ["risk 3 things in 24 h could not be read; the newest: not JSON"],
        ),
    ],
)
def test_what_is_said(label: str, found: Arrived, expected: list[str]) -> None:
    assert said(found) == expected, label


@pytest.mark.parametrize(
    ("address", "share", "of", "severity"),
    [
        ("10.0.0.9", 0.93, 1_000, "missing"),
        ("fd00::9", 0.51, 1_000, "missing"),
        ("127.0.0.1", 0.93, 1_000, "risk"),
        ("10.0.0.9", 0.49, 1_000, None),
        ("10.0.0.9", 0.93, 49, None),
        ("203.0.113.9", 0.93, 1_000, None),
        ("not an address", 0.93, 1_000, None),
    ],
)
def test_one_private_address_with_most_requests_is_a_balancer(
    address: str, share: float, of: int, severity: str | None
) -> None:
    found = said(arrived(top_address=address, top_share=share, top_of=of))

    expected = f"{severity} one private address, {address}, carries {share:.0%} of {of:,} requests"
    assert found == ([] if severity is None else [expected])


def test_a_balancer_is_tied_to_the_kong_that_trusts_no_proxy() -> None:
    kong = looked(configuration={"trusted_ips": []})

    (found,) = said(arrived(top_address="10.0.0.9", top_share=0.9), kong)

    assert found.endswith("requests; trusted_ips is empty on http://gw-1:8001")
