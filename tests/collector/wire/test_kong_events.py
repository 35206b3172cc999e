from __future__ import annotations

from typing import Any

import pytest

from collector.wire.kong_events import decode_captured, decode_cluster_event, decode_worker_event
from domain.errors import DecodeError
from domain.events import Decoded, Event

AT_S = 1_795_384_634.5
AT_MS = 1_795_384_634_500
NOW_MS = AT_MS + 2_000
NODE = "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca"
WORKSPACE = "308e2b57-a16d-4b45-b1f3-132a45df6517"
SERVICE_ID = "9d7b69b8-8a46-4de1-8ce9-b71a4990177a"
UPSTREAM_ID = "1052badc-d4ad-4d86-9209-8fa279a52f6b"
POST_HEALTH = "cluster event balancer:post_health"
MLCACHE = "worker event mlcache"
CANARY = "s3cr3t-cAnAry-9f2b"
CHECKER = f"lua-resty-healthcheck [{WORKSPACE}:inventory.upstream]"
TARGET = {"ip": "127.0.0.1", "hostname": "127.0.0.1", "port": 19001}


def captured(source: str | None, event: str | None, data: Any, *, place: str = "f:1", **line: Any) -> Decoded:
    """As the worker that posted it was told."""
    told = {"ts": AT_S, "node": NODE, "worker": 0, "from_wid": 0, "kind": "worker_event"}
    return decode_captured(
        told | {"source": source, "event": event, "data": data} | line, received_ms=NOW_MS, place=place
    )


def event_of(source: str, event: str, data: Any, **line: Any) -> Event:
    [found] = captured(source, event, data, **line).events
    return found


def row(channel: Any, data: Any, **fields: Any) -> Decoded:
    return decode_cluster_event(
        {"id": "e1", "node_id": NODE, "channel": channel, "data": data, "at": AT_S} | fields,
        received_ms=NOW_MS,
    )


def test_a_change_is_read_with_its_node_and_moment() -> None:
    event = event_of(
        "dao:crud",
        "create",
        {"operation": "create", "entity": {"id": "s1", "name": "orders"}, "schema": {"<schema>": "services"}},
    )

    assert (event.event, event.entity_id, event.node, event.at_ms) == ("services.created", "s1", NODE, AT_MS)


def test_dao_crud_and_both_crud_events_of_one_change_are_one_event() -> None:
    data = {
        "operation": "update",
        "schema": {"<schema>": "services"},
        "entity": {"id": "s1", "name": "b", "updated_at": 5},
        "old_entity": {"id": "s1", "name": "a", "updated_at": 4},
    }
    told = [("dao:crud", "update"), ("crud", "services"), ("crud", "services:update")]

    assert len({event_of(source, event, data).id for source, event in told}) == 1


@pytest.mark.parametrize(
    ("event", "schema", "entity", "collection"),
    [
        ("services:update", None, {"id": "1"}, "services"),
        ("update", "consumers", {"id": "1"}, "consumers"),
        ("update", {"name": "acls"}, {"id": "1"}, "acls"),
        ("update", "<table: a schema>", {"id": "1", "name": "x", "config": {}, "enabled": True}, "plugins"),
        ("update", None, {"id": "1", "host": "h", "protocol": "http", "retries": 5}, "services"),
        ("update", None, {"id": "1", "something": 5}, "entities"),
    ],
)
def test_the_collection_is_found_where_the_schema_could_not_be_encoded(
    event: str, schema: Any, entity: dict[str, Any], collection: str
) -> None:
    data = {"operation": "update", "entity": entity, "schema": schema}

    assert event_of("crud", event, data).entity_type == collection


@pytest.mark.parametrize(
    ("key", "entity_type", "entity_id"),
    [
        (f"services:{SERVICE_ID}:::::{WORKSPACE}", "services", SERVICE_ID),
        ("router:version", "router", None),
        (f"consumers:mobile-ios:::::{WORKSPACE}", "consumers", None),
        ("admin:gui:kconfig", "admin", None),
    ],
)
def test_an_invalidation_says_what_left_the_cache(key: str, entity_type: str, entity_id: str | None) -> None:
    event = event_of("mlcache", "mlcache:invalidations:kong_core_db_cache", key)

    assert (event.kind, event.event, event.cache) == ("cache", "invalidated", "kong_core_db_cache")
    assert (event.entity_type, event.entity_id, event.key_masked) == (entity_type, entity_id, key)


def test_a_credential_in_a_cache_key_is_masked_everywhere() -> None:
    event = event_of(
        "mlcache", "mlcache:invalidations:kong_db_cache", f"keyauth_credentials:{CANARY}:x:::::{WORKSPACE}"
    )

    assert event.key_masked == f"keyauth_credentials:[redacted]:::::{WORKSPACE}"
    assert CANARY not in str(event)


def test_every_worker_is_told_and_one_copy_counts() -> None:
    event = ("mlcache", "mlcache:invalidations:kong_db_cache", "router:version")

    own, other = captured(*event, worker=1, from_wid=1), captured(*event, worker=0, from_wid=1)

    assert (len(own.events), len(other.events), other.entries) == (1, 0, 1)


def test_a_recording_without_workers_counts_every_line() -> None:
    line = {"ts": AT_S, "kind": "worker_event", "source": "mlcache", "event": "mlcache:purge:c", "data": ""}

    assert len(decode_captured(line, received_ms=NOW_MS, place="f:1").events) == 1


def test_equal_lines_at_different_places_are_two_events() -> None:
    event = ("mlcache", "mlcache:invalidations:kong_core_db_cache", "router:version")

    ids = {event_of(*event, place=place).id for place in ("f:1", "f:2")}

    assert len(ids) == 2


def test_a_purge_empties_a_whole_cache() -> None:
    event = event_of("mlcache", "mlcache:purge:kong_db_cache", "")

    assert (event.event, event.cache, event.key_masked) == ("purged", "kong_db_cache", None)


def test_the_cache_of_the_name_resolver_counts_as_well() -> None:
    event = event_of("dns_client_mlcache#1", "mlcache:invalidations:dns_cache", "example.com:1")

    assert (event.kind, event.cache, event.key_masked) == ("cache", "dns_cache", "example.com:[redacted]")


@pytest.mark.parametrize("health", ["healthy", "unhealthy"])
def test_a_health_checker_names_its_upstream_and_target(health: str) -> None:
    event = event_of(CHECKER, health, TARGET, kind="worker_event*")

    assert (event.event, event.upstream, event.target, event.health, event.node) == (
        f"target_{health}",
        "inventory.upstream",
        "127.0.0.1:19001",
        health,
        NODE,
    )


def test_an_upstream_may_have_any_name() -> None:
    event = event_of(f"lua-resty-healthcheck [{WORKSPACE}:a:b]c]", "healthy", TARGET)

    assert event.upstream == "a:b]c"


@pytest.mark.parametrize("step", ["mostly_healthy", "mostly_unhealthy", "remove", "clear"])
def test_a_checkers_steps_are_no_change_of_health(step: str) -> None:
    assert captured(CHECKER, step, TARGET).events == []


@pytest.mark.parametrize("kind", ["hc_subscriber", "configure", "cluster_event"])
def test_lines_that_tell_the_same_news_again_are_counted_and_give_nothing(kind: str) -> None:
    found = captured("balancer:post_health", None, "x", kind=kind)

    assert (found.entries, found.events) == (1, [])


def test_a_node_starts_once_however_many_workers_it_has() -> None:
    first = captured(None, None, {"worker_count": 2}, kind="init_worker")
    second = captured(None, None, {"worker_count": 2}, kind="init_worker", worker=1, from_wid=1)

    [event] = first.events
    [seen] = first.nodes
    assert (event.event, event.node, seen.node, seen.via, seen.workers) == (
        "node_started",
        NODE,
        NODE,
        "started",
        2,
    )
    assert (second.events, second.nodes) == ([], [])


def test_a_reloaded_node_is_the_same_node() -> None:
    """Its id stays, so the second start is known to be none."""
    ids = {
        captured(None, None, {}, kind="init_worker", ts=ts, place=str(ts)).events[0].id
        for ts in (AT_S, AT_S + 100)
    }

    assert len(ids) == 1


@pytest.mark.parametrize(
    ("source", "event", "kind", "name"),
    [
        ("declarative", "reconfigure", "cluster", "config_pushed"),
        ("clustering", "push_config", "cluster", "config_push_requested"),
        ("clustering:jsonrpc", "connected", "cluster", "control_plane_connected"),
        ("clustering:jsonrpc", "disconnected", "cluster", "control_plane_disconnected"),
        ("clustering:jsonrpc", "connection_failed", "cluster", "control_plane_unreachable"),
        ("debug", "log_level", "cluster", "log_level_changed"),
        ("balancer", "targets", "cluster", "balancer_updated"),
        ("balancer", "upstreams", "cluster", "balancer_updated"),
        ("plugin_server", "reset_instances", "plugin", "reset_instances"),
        ("something new", "happened", "something new", "happened"),
        (CHECKER, "resized", "cluster", "target_resized"),
    ],
)
def test_everything_else_has_a_name_or_keeps_its_own(source: str, event: str, kind: str, name: str) -> None:
    found = event_of(source, event, {"entity": {"id": "x"}, "operation": "create"})

    assert (found.kind, found.event) == (kind, name)
    assert found.target is None


@pytest.mark.parametrize(
    ("channel", "data", "expected"),
    [
        ("invalidations", f"consumers:{SERVICE_ID}:::::{WORKSPACE}", ("invalidated", "kong_db_cache", None)),
        ("invalidations_kong_core_db_cache", "router:version", ("invalidated", "kong_core_db_cache", None)),
        ("balancer:targets", f"create:{UPSTREAM_ID}", ("balancer_updated", None, UPSTREAM_ID)),
        ("balancer:targets", "delete:all", ("balancer_updated", None, "all")),
        ("balancer:upstreams", f"update:{WORKSPACE}:{UPSTREAM_ID}:a:b", ("balancer_updated", None, "a:b")),
        ("balancer:post_health", f"h||80|1|{UPSTREAM_ID}|up|x", ("target_healthy", None, "up|x")),
        ("clustering:push_config", "services:update", ("config_push_requested", None, None)),
        ("proxy-cache:purge", "p1:nil", ("purged", "proxy-cache", None)),
        ("proxy-cache:purge", "p1:abcdef", ("invalidated", "proxy-cache", None)),
        ("log_level", "{}", ("log_level", None, None)),
        ("our:own", "x", ("our.own", None, None)),
    ],
)
def test_a_row_of_the_table_is_read_by_its_channel(channel: str, data: str, expected: Any) -> None:
    [event] = row(channel, data).events

    assert (event.event, event.cache, event.upstream) == expected
    assert (event.node, event.at_ms, event.id) == (NODE, AT_MS, "kong:cluster:e1")


@pytest.mark.parametrize(
    ("channel", "data", "message"),
    [
        (None, "x", "cluster event: channel or data is missing, expected both as text"),
        ("invalidations", None, "cluster event: channel or data is missing, expected both as text"),
        (
            "balancer:targets",
            "x",
            "cluster event balancer:targets: data is 'x', expected operation:upstream_id",
        ),
        (
            "balancer:upstreams",
            "a:b",
            "cluster event balancer:upstreams: data is 'a:b', expected operation:ws_id:id:name",
        ),
        (
            "balancer:post_health",
            "a|b|1|2|c",
            f"{POST_HEALTH}: data is 'a|b|1|2|c', expected host|ip|port|0 or 1|upstream_id|name",
        ),
    ],
)
def test_a_row_that_is_not_what_its_channel_holds_is_refused(channel: Any, data: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        row(channel, data)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("source", "event", "data", "line", "message"),
    [
        (
            "mlcache",
            "mlcache:invalidations:c",
            None,
            {},
            f"{MLCACHE}: event is 'mlcache:invalidations:c', expected an invalidated key or a purge",
        ),
        (
            "mlcache",
            "something",
            "x",
            {},
            "worker event mlcache: event is 'something', expected an invalidated key or a purge",
        ),
        (
            "dao:crud",
            "create",
            {},
            {},
            "worker event dao:crud: operation is missing, expected create, update or delete",
        ),
        (None, "x", {}, {}, "kong event: kind is 'worker_event', expected a worker or cluster event"),
        (
            "x",
            "x",
            {},
            {"kind": "rumour"},
            "kong event: kind is 'rumour', expected a worker or cluster event",
        ),
    ],
)
def test_a_line_that_kong_would_not_post_is_refused(
    source: Any, event: Any, data: Any, line: dict[str, Any], message: str
) -> None:
    with pytest.raises(DecodeError) as refused:
        captured(source, event, data, **line)

    assert str(refused.value) == message


def test_a_bare_worker_event_needs_source_and_event() -> None:
    with pytest.raises(DecodeError) as refused:
        decode_worker_event({"source": "x", "data": 1}, received_ms=NOW_MS, place="p")

    assert str(refused.value) == "worker event: source or event is missing, expected both as text"


def test_a_line_without_a_believable_moment_is_dated_when_it_came() -> None:
    event = event_of("mlcache", "mlcache:purge:c", "", ts="yesterday")

    assert (event.at_ms, event.at_suspect) == (NOW_MS, True)
