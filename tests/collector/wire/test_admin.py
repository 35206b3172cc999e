from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.wire.admin import (
    answer_decoded,
    decode_about,
    decode_data_planes,
    decode_status,
    decode_target_health,
    silence_decoded,
    status_seen,
    upstream_of,
)
from collector.wire.admin_lists import decode_page, entities_decoded, plugins_decoded
from domain.errors import DecodeError

NOW_MS = 1_795_384_700_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
HEALTH = "admin upstream health"
CANARY = "s3cr3t-cAnAry-9f2b"
ABOUT = {
    "node_id": "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca",
    "hostname": "kong-host",
    "version": "3.9.3",
    "pids": {"workers": [16619, 16620], "master": 16600},
    "plugins": {
        "available_on_server": {"rate-limiting": {"version": "3.9.3"}, "key-auth": {"version": "3.9.3"}},
        "enabled_in_cluster": ["rate-limiting"],
    },
    "configuration": {"role": "traditional", "trusted_ips": ["0.0.0.0/0"], "pg_password": CANARY},
}


def body(value: Any) -> bytes:
    return orjson.dumps(value)


def test_a_node_says_who_it_is() -> None:
    found = decode_about(body(ABOUT), at_ms=NOW_MS, asked_at="http://a:8001")

    assert (found.node.node, found.node.hostname, found.node.version) == (
        ABOUT["node_id"],
        "kong-host",
        "3.9.3",
    )
    assert (found.node.role, found.node.workers, found.node.address) == ("traditional", 2, "http://a:8001")
    assert (found.node.at_ms, found.node.via, found.node.answered) == (NOW_MS, "admin-api", True)
    assert (found.plugins_available, found.plugins_enabled) == (
        ("key-auth", "rate-limiting"),
        ("rate-limiting",),
    )
    assert found.configuration == {
        "role": "traditional",
        "trusted_ips": ["0.0.0.0/0"],
        "pg_password": "[redacted]",
    }


def test_a_plugin_that_is_in_use_and_not_installed_is_missing() -> None:
    plugins = {
        "plugins": {"available_on_server": {"gatewatch": {}}, "enabled_in_cluster": ["b", "gatewatch"]}
    }

    facts = decode_about(body(ABOUT | plugins), at_ms=NOW_MS).node.facts

    assert facts == {"plugins_missing": ["b"], "has_our_plugin": True}
    assert decode_about(body(ABOUT), at_ms=NOW_MS).node.facts == {
        "plugins_missing": [],
        "has_our_plugin": False,
    }


def test_a_node_that_does_not_say_what_it_has_installed_misses_nothing() -> None:
    about = ABOUT | {"plugins": {"enabled_in_cluster": ["rate-limiting"]}}

    assert decode_about(body(about), at_ms=NOW_MS).node.facts["plugins_missing"] == []


@pytest.mark.parametrize(
    ("role", "database", "expected"),
    [
        ("traditional", "postgres", "traditional"),
        ("traditional", "off", "dbless"),
        ("data_plane", "off", "data_plane"),
        ("control_plane", "postgres", "control_plane"),
    ],
)
def test_a_node_without_a_database_has_a_role_of_its_own(role: str, database: str, expected: str) -> None:
    about = ABOUT | {"configuration": {"role": role, "database": database}}

    assert decode_about(body(about), at_ms=NOW_MS).node.role == expected


def test_a_status_is_a_sign_of_life_of_the_node_it_was_asked_for() -> None:
    status = decode_status(
        body({"server": {}, "memory": {"workers_lua_vms": [{}]}, "database": {"reachable": True}})
    )

    seen = status_seen(status, at_ms=NOW_MS, asked_at="http://a:8001", node="n-1")

    assert (seen.node, seen.address, seen.at_ms, seen.asked_ms) == ("n-1", "http://a:8001", NOW_MS, NOW_MS)
    assert (seen.workers, seen.database_reachable, seen.config_hash) == (1, True, None)


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/upstreams/orders/health", "orders"),
        ("/upstreams/a%2Fb/health/", "a/b"),
        ("/upstreams/orders", None),
        ("/upstreams/orders/targets", None),
        ("/services/orders/health", None),
        ("/", None),
    ],
)
def test_the_upstream_is_in_the_path(path: str, upstream: str | None) -> None:
    assert upstream_of(path) == upstream


def test_targets_are_as_the_node_that_answers_sees_them() -> None:
    states = {"data": [{"target": "a:1", "health": "HEALTHY"}, {"target": "b:1", "health": "DNS_ERROR"}]}

    found = answer_decoded("/upstreams/orders/health", states | {"node_id": "n-1"}, at_ms=NOW_MS)

    assert [(t.node, t.upstream, t.target, t.health, t.at_ms) for t in found.targets] == [
        ("n-1", "orders", "a:1", "healthy", NOW_MS),
        ("n-1", "orders", "b:1", "dns_error", NOW_MS),
    ]
    assert (found.nodes, found.entities) == ([], [])


def test_a_data_plane_belongs_to_the_control_plane_that_was_asked() -> None:
    item = {"id": "a", "last_seen": 1_795_384_690, "ip": "10.0.0.9"}

    [seen] = decode_data_planes(body({"data": [item]}), at_ms=NOW_MS, asked_at="http://cp:8001")[0]

    assert (seen.address, seen.asked_ms, seen.at_ms) == ("http://cp:8001", NOW_MS, NOW_MS - 10_000)
    assert seen.facts == {"ip": "10.0.0.9"}


def test_a_silence_may_say_nothing_about_the_node() -> None:
    [seen] = silence_decoded(
        "HTTP 401", at_ms=NOW_MS, asked_at="http://b:8001", is_telling=False, via="data-planes"
    ).nodes

    assert (seen.is_telling, seen.via, seen.asked_ms) == (False, "data-planes", NOW_MS)


def test_an_older_kong_lists_its_plugins() -> None:
    plugins = {"plugins": {"available_on_server": ["b", "a", 5]}}

    assert decode_about(body(ABOUT | plugins), at_ms=NOW_MS).plugins_available == ("a", "b")


def test_a_node_without_a_database_says_so_by_saying_nothing() -> None:
    status = orjson.loads((FOLDER / "admin.status.json").read_bytes())
    del status["database"]

    found = decode_status(body(status))

    assert (found.database_reachable, found.config_hash) == (None, "779742c3d7afee2e38f977044d2ed96b")


def test_a_database_that_is_gone_is_seen() -> None:
    assert decode_status(body({"server": {}, "database": {"reachable": False}})).database_reachable is False


def test_a_data_plane_is_as_fresh_as_its_control_plane_heard_it() -> None:
    raw = (FOLDER / "admin.clustering.data-planes.json").read_bytes()

    nodes, next_path = decode_data_planes(raw, at_ms=NOW_MS)

    assert next_path is None
    assert [(n.node, n.at_ms, n.via, n.role) for n in nodes] == [
        ("10424658-f139-476c-b74f-e0a6e6ec9402", 1_689_266_492_000, "data-planes", "data_plane"),
        ("3487f520-4f52-4ee5-ad6f-50756822f0c5", 1_689_266_472_000, "data-planes", "data_plane"),
    ]
    assert [(n.sync_status, n.certificate_expires_ms, n.facts) for n in nodes] == [
        ("normal", 1_897_136_778_000, {"ip": "172.24.0.10"}),
        ("normal", 1_897_136_778_000, {"ip": "172.24.0.11"}),
    ]


def test_no_data_plane_was_heard_in_the_future() -> None:
    nodes, _ = decode_data_planes(body({"data": [{"id": "a", "last_seen": 2_000_000_000}]}), at_ms=NOW_MS)

    assert nodes[0].at_ms == NOW_MS


def test_an_empty_lua_table_is_an_empty_list() -> None:
    assert decode_page(b'{"data":{},"next":null}', "services").items == ()
    assert decode_target_health(b'{"data":{}}') == ()


@pytest.mark.parametrize(
    ("told", "path"),
    [
        (None, None),
        ("/services?offset=abc&size=10", "/services?offset=abc&size=10"),
        ("http://evil.example/services?offset=abc", "/services?offset=abc"),
        ("//evil.example/services", "/services"),
        ("services?offset=1", "/services?offset=1"),
    ],
)
def test_the_next_page_is_always_on_the_same_host(told: str | None, path: str | None) -> None:
    assert decode_page(body({"data": [], "next": told}), "services").next_path == path


def test_listed_entities_are_remembered_by_name() -> None:
    items = [
        {"id": "c1", "username": "acme", "custom_id": "x", "tags": ["gold"]},
        {"id": "c2", "custom_id": "y"},
    ]

    found = entities_decoded("consumers", items, at_ms=NOW_MS)

    assert [(e.entity_id, e.name, e.attributes) for e in found.entities] == [
        ("c1", "acme", {"custom_id": "x", "tags": ["gold"]}),
        ("c2", "y", {"custom_id": "y"}),
    ]
    assert entities_decoded("key-auths", [{"id": "k", "key": CANARY}], at_ms=NOW_MS).entities == []


def test_listed_plugins_are_remembered_with_where_they_apply() -> None:
    item = {
        "id": "p1",
        "name": "rate-limiting",
        "enabled": False,
        "route": {"id": "r1"},
        "service": None,
        "consumer_group": {"id": "g1"},
        "config": {"minute": 5, "redis": {"password": CANARY}},
    }

    found = plugins_decoded([item], at_ms=NOW_MS, complete=True)

    [plugin] = found.plugins
    assert found.plugins_complete
    assert (plugin.enabled, plugin.route_id, plugin.service_id, plugin.consumer_group_id) == (
        False,
        "r1",
        None,
        "g1",
    )
    assert plugin.config == {"minute": 5, "redis": {"password": "[redacted]"}}


@pytest.mark.parametrize(
    ("updated_at", "since_ms"),
    [(1_795_384_000, 1_795_384_000_000), (None, NOW_MS), (0, NOW_MS), (2_000_000_000, NOW_MS), ("x", NOW_MS)],
)
def test_a_listed_plugin_has_been_so_since_it_was_updated(updated_at: Any, since_ms: int) -> None:
    """A list that is read now and then does not tell when something changed; Kong does."""
    item = {"id": "p1", "name": "rate-limiting", "updated_at": updated_at}

    assert plugins_decoded([item], at_ms=NOW_MS, complete=True).plugins[0].at_ms == since_ms


def test_a_node_that_does_not_answer_is_seen_not_answering() -> None:
    [seen] = silence_decoded("connection refused", at_ms=NOW_MS, asked_at="http://b:8001").nodes

    assert (seen.answered, seen.why, seen.address, seen.node) == (
        False,
        "connection refused",
        "http://b:8001",
        None,
    )


@pytest.mark.parametrize(
    ("path", "value", "counts"),
    [
        ("/", ABOUT, (1, 1, 0, False)),
        ("/clustering/data-planes", {"data": [{"id": "a", "last_seen": 1_795_384_690}]}, (1, 1, 0, False)),
        ("/plugins?size=500", {"data": [{"id": "p", "name": "x"}], "next": None}, (0, 0, 1, True)),
        (
            "/plugins?size=1",
            {"data": [{"id": "p", "name": "x"}], "next": "/plugins?offset=a"},
            (0, 0, 1, False),
        ),
        ("/plugins?offset=a", {"data": [{"id": "p", "name": "x"}], "next": None}, (0, 0, 1, False)),
        ("/consumers?size=500", {"data": [{"id": "c", "username": "x"}]}, (0, 1, 0, False)),
        ("/key-auths", {"data": [{"id": "k", "key": CANARY}]}, (0, 0, 0, False)),
        ("/status", {"server": {}}, (1, 0, 0, False)),
    ],
)
def test_a_recorded_answer_is_read_by_its_path(
    path: str, value: Any, counts: tuple[int, int, int, bool]
) -> None:
    found = answer_decoded(path, value, at_ms=NOW_MS)

    assert (len(found.nodes), len(found.entities), len(found.plugins), found.plugins_complete) == counts
    assert CANARY not in str(found)


@pytest.mark.parametrize(
    ("decode", "value", "message"),
    [
        (lambda b: decode_about(b, at_ms=NOW_MS), [], "admin /: expected an object"),
        (lambda b: decode_about(b, at_ms=NOW_MS), {}, "admin /: node_id is missing, expected the node's id"),
        (decode_status, {}, "admin /status: no server and no memory, expected the status of a node"),
        (
            decode_status,
            {"message": "no API key found"},
            "admin /status: Kong answers with an error (code missing): no API key found",
        ),
        (lambda b: decode_page(b, "services"), {"data": 5}, "admin /services: data is 5, expected a list"),
        (
            lambda b: decode_page(b, "services"),
            {"data": [5]},
            "admin /services item 1 of 1: expected an object",
        ),
        (
            decode_target_health,
            {"data": [{"target": "a:1", "health": "FINE"}]},
            f"{HEALTH} target 1: health is 'FINE', expected a target with one of Kong's words for it",
        ),
        (
            lambda b: decode_data_planes(b, at_ms=NOW_MS),
            {"data": [{"id": "a"}]},
            "admin data planes node 1: id or last_seen is missing, expected both",
        ),
    ],
)
def test_what_is_not_the_answer_is_refused(decode: Any, value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(body(value))

    assert str(refused.value) == message


def test_an_error_of_kongs_shows_no_secret() -> None:
    """A refused credential is in Kong's own message."""
    problem = {"code": 5, "message": f"UNIQUE violation detected on '{{key=\"{CANARY}\"}}'"}

    with pytest.raises(DecodeError) as refused:
        decode_page(body(problem), "key-auths")

    assert CANARY not in str(refused.value)
