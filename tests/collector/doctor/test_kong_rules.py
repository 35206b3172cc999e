"""Each rule against stand-in answers in Kong's shapes: the fault it is for, and the sound case beside it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from collector.doctor.kong_rules import examine
from collector.doctor.looking import Looked
from collector.poller.client import Silence
from collector.poller.clusters import cluster_of
from collector.wire.admin import Status, decode_about
from domain.events import NodeSeen
from tests.collector.poller.kong_node import KongNode, limit_plugin

NOW_MS = 1_795_384_629_000
LOG = {
    "name": "http-log",
    "enabled": True,
    "config": {
        "http_endpoint": "https://collector.internal:8766/intake/http-log",
        "queue": {"max_batch_size": 200, "max_retry_time": 300},
        "custom_fields_by_lua": {"node_id": "return kong.node.get_id()"},
    },
}
GATEWATCH = {"name": "gatewatch", "enabled": True, "config": {"totals": False}}
KONG_FIELDS = {"version", "plugins_available"}
STATUS = Status(database_reachable=True, config_hash=None, total_requests=1, connections_active=1, workers=2)
NOTHING_REPORTS = (
    "missing nothing in http://gw-1:8001 reports requests: no http-log plugin with /intake/http-log, "
    "no plugin gatewatch"
)
LIMITER_HOOK = (
    "note the event hook rate-limiting-advanced/rate-limit-exceeded sends at most one event per consumer, "
    "address and service in 5 s"
)
SOUND = [LOG, limit_plugin(policy="redis")]


def looked(number: int = 1, plugins: list[Any] | None = None, **changes: Any) -> Looked:
    """One node whose answers are sound, but for what a test changes."""
    node = KongNode(f"n-{number}")
    node.configuration |= {"trusted_ips": ["10.0.0.0/8"], "real_ip_header": "X-Forwarded-For"}
    node.plugins_available = [*node.plugins_available, "gatewatch"]
    node.configuration |= changes.pop("configuration", {})
    vars(node).update({name: changes.pop(name) for name in KONG_FIELDS & set(changes)})
    address = f"http://gw-{number}:8001"
    about = decode_about(json.dumps(node._about()).encode(), at_ms=NOW_MS, asked_at=address)
    values: dict[str, Any] = {
        "address": address,
        "about": about,
        "status": STATUS,
        "clock_off_ms": 0,
        "cluster": cluster_of(about.configuration, address),
        "plugins": [*SOUND, GATEWATCH] if plugins is None else plugins,
    }
    return Looked(**(values | changes))


def without_plugins() -> Looked:
    """A node that does not give its list."""
    found = looked()
    found.plugins = None
    return found


def said(*nodes: Looked) -> list[str]:
    return [f"{finding.severity} {finding.what}" for finding in examine(nodes, NOW_MS)]


def log(**config: Any) -> dict[str, Any]:
    return {**LOG, "config": {**LOG["config"], **config}}


def on(plugin: dict[str, Any], **scope: str) -> dict[str, Any]:
    return plugin | {name: {"id": found} for name, found in scope.items()}


def hook(**more: Any) -> dict[str, Any]:
    config = {"url": "https://collector.internal/intake/event-hooks", "secret": "x"}
    return {"source": "dao:crud", "event": None, "config": config, **more}


def test_a_sound_cluster_has_nothing_but_notes() -> None:
    found = said(looked(1), looked(2))

    assert [line for line in found if not line.startswith("note")] == []
    assert [line for line in found if "logs every request" in line]


@pytest.mark.parametrize(
    ("label", "nodes", "expected"),
    [
        (
            "nobody answers",
            [Looked(address="http://x:8001", silence=Silence(why="connection refused", is_telling=True))],
            "missing http://x:8001 tells nothing: connection refused",
        ),
        (
            "a clock that is off",
            [looked(clock_off_ms=-8_000)],
            "risk the clock of http://gw-1:8001 is 8 s behind this machine's",
        ),
        (
            "a clock that is far off",
            [looked(clock_off_ms=31_000)],
            "missing the clock of http://gw-1:8001 is 31 s ahead of this machine's",
        ),
        (
            "no database",
            [looked(status=msgspec.structs.replace(STATUS, database_reachable=False))],
            "missing http://gw-1:8001 cannot reach its database",
        ),
        (
            "no list of plugins",
            [without_plugins()],
            "missing http://gw-1:8001 does not give its list of plugins",
        ),
        (
            "no trusted proxy",
            [looked(configuration={"trusted_ips": []})],
            "note http://gw-1:8001 trusts no proxy (trusted_ips is empty)",
        ),
        (
            "everybody trusted",
            [looked(configuration={"trusted_ips": ["0.0.0.0/0", "::/0"]})],
            "risk http://gw-1:8001 trusts everybody (trusted_ips has 0.0.0.0/0)",
        ),
        (
            "the default header",
            [looked(configuration={"real_ip_header": "X-Real-IP"})],
            "note http://gw-1:8001 takes addresses from X-Real-IP, Kong's default",
        ),
        (
            "nothing reports",
            [looked(plugins=[limit_plugin()])],
            NOTHING_REPORTS,
        ),
        (
            "http-log to somebody else",
            [looked(plugins=[log(http_endpoint="https://elk.internal/logs")])],
            NOTHING_REPORTS,
        ),
        (
            "http-log switched off",
            [looked(plugins=[LOG | {"enabled": False}])],
            NOTHING_REPORTS,
        ),
        (
            "http-log on one route, a limit on another",
            [looked(plugins=[on(LOG, route="r-1"), on(limit_plugin(), route="r-2")])],
            "missing limits whose refusals nothing reports: route r-2",
        ),
        (
            "http-log on one route, a limit everywhere",
            [looked(plugins=[on(LOG, route="r-1"), limit_plugin()])],
            "missing limits whose refusals nothing reports: everywhere",
        ),
        (
            "counted twice",
            [looked(plugins=[LOG, {"name": "gatewatch", "enabled": True, "config": {}}])],
            "risk http://gw-1:8001 reports by http-log and by our plugin, and the plugin counts requests too",
        ),
        (
            "one entry per POST",
            [looked(plugins=[log(queue={"max_retry_time": 300})])],
            "risk http-log (everywhere) sends one entry per POST (queue.max_batch_size is 1)",
        ),
        (
            "gives up early",
            [looked(plugins=[log(queue={"max_batch_size": 200})])],
            "risk http-log (everywhere) gives up after 60 s (queue.max_retry_time)",
        ),
        (
            "in clear",
            [looked(plugins=[log(http_endpoint="http://10.0.0.9:8766/intake/http-log")])],
            "risk http-log (everywhere) sends to 10.0.0.9 without TLS",
        ),
        (
            "not scoped",
            [looked()],
            "note http-log (everywhere) logs every request",
        ),
        (
            "which node",
            [looked(1, plugins=[log(custom_fields_by_lua=None)]), looked(2)],
            "note http-log (everywhere) does not say which node an entry is of",
        ),
        (
            "local limits on two nodes",
            [looked(1, plugins=[LOG, on(limit_plugin(), service="s-1")]), looked(2)],
            "risk limits that count on each of 2 nodes by itself (policy: local): service s-1",
        ),
        (
            "hidden headers",
            [looked(plugins=[LOG, limit_plugin(policy="redis", hide_client_headers=True)])],
            "note limits that hide their headers: everywhere",
        ),
        (
            "another status",
            [looked(plugins=[LOG, limit_plugin(policy="redis", error_code=420)])],
            "note limits that answer with another status than 429: everywhere",
        ),
        (
            "fail open",
            [looked(plugins=[LOG, limit_plugin(policy="redis", fault_tolerant=True)])],
            "note limits that let all through when their store fails: everywhere",
        ),
        (
            "another 429",
            [looked(plugins=[LOG, {"name": "request-termination", "enabled": True, "config": {}}])],
            "note request-termination is in use",
        ),
        (
            "loaded on one node only",
            [looked(1), looked(2, plugins_available=["key-auth", "rate-limiting", "http-log"])],
            "missing the plugin gatewatch is loaded on http://gw-1:8001, but not on http://gw-2:8001",
        ),
        (
            "loaded nowhere",
            [looked(plugins=SOUND, plugins_available=["http-log"])],
            "note our plugin is not loaded in http://gw-1:8001",
        ),
        (
            "enabled nowhere",
            [looked(plugins=SOUND)],
            "note the plugin gatewatch is loaded and enabled nowhere",
        ),
        (
            "hooks that drop repeats",
            [looked(hooks=[hook(on_change=True)])],
            "risk the event hook dao:crud/every event drops repeats (on_change, snooze)",
        ),
        (
            "hooks that sleep",
            [looked(hooks=[hook(snooze=60)])],
            "risk the event hook dao:crud/every event drops repeats (on_change, snooze)",
        ),
        (
            "hooks of a limiter",
            [looked(hooks=[hook(source="rate-limiting-advanced", event="rate-limit-exceeded")])],
            LIMITER_HOOK,
        ),
        (
            "hooks that tell twice",
            [looked(hooks=[hook(source="crud")])],
            "note the event hook crud/every event sends every change twice",
        ),
        (
            "hooks without a signature",
            [looked(hooks=[hook(config={"url": "https://c/intake/event-hooks"})])],
            "risk the event hook dao:crud/every event is not signed",
        ),
        (
            "versions",
            [looked(1, version="3.9.3"), looked(2, version="3.8.0")],
            "risk http://gw-1:8001, http://gw-2:8001 run different versions: 3.8.0, 3.9.3",
        ),
        (
            "an old version",
            [looked(version="3.5.0")],
            "note Kong 3.5.0 does not say in its log who answered (`source`, from 3.6 on)",
        ),
    ],
)
def test_what_is_said(label: str, nodes: list[Looked], expected: str) -> None:
    assert expected in said(*nodes), label


def test_a_hook_to_somebody_else_is_not_ours_to_judge() -> None:
    found = said(looked(hooks=[hook(on_change=True, config={"url": "https://slack.example/x"})]))

    assert not [line for line in found if "event hook" in line]


def test_nodes_of_different_databases_are_different_clusters() -> None:
    found = said(looked(1, plugins=[LOG, limit_plugin()]), looked(2, configuration={"pg_database": "other"}))

    assert not [line for line in found if "by itself" in line]


def test_data_planes_that_are_silent_or_whose_certificates_end_are_named() -> None:
    def data_plane(name: str, age_s: int, days: int) -> NodeSeen:
        return NodeSeen(
            at_ms=NOW_MS - age_s * 1000,
            via="data-planes",
            node=name,
            hostname=name,
            certificate_expires_ms=NOW_MS + days * 86_400_000,
        )

    planes = (data_plane("edge-1", 10, 400), data_plane("edge-2", 10, 20), data_plane("edge-3", 9_000, 1))

    found = said(looked(configuration={"role": "control_plane"}, data_planes=planes))

    assert "note 1 of 3 data planes of http://gw-1:8001 are silent: edge-3" in found
    assert "risk certificates end within 30 days on: edge-2" in found


def test_a_data_plane_counts_as_a_node_for_limits_that_count_locally() -> None:
    planes = tuple(NodeSeen(at_ms=NOW_MS, via="data-planes", node=f"dp-{i}") for i in range(3))

    found = said(
        looked(plugins=[LOG, limit_plugin()], configuration={"role": "control_plane"}, data_planes=planes)
    )

    assert [line for line in found if line.startswith("risk limits that count on each of 3 nodes")]
