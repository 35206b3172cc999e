"""Answers of Kong's Admin API: bodies in, small records and `Decoded` out. Asking is the poller's work.

What is listed page by page stands in `admin_lists`.

| function | path | gives |
|---|---|---|
| `decode_about` | `/` | `About`: who the node is |
| `decode_status` | `/status` | `Status`: database, configuration hash, requests |
| `decode_target_health` | `/upstreams/{u}/health` | one `TargetState` per target, as this node sees it |
| `decode_data_planes` | `/clustering/data-planes` | one `NodeSeen` per data plane |
| `answer_decoded` | any of these | `Decoded`: for recorded answers |

Shapes: kong/api/routes/{kong,health,upstreams,clustering}.lua, kong/api/endpoints.lua, 3.9. Every `decode_`
function takes the raw body and raises `DecodeError` when it is not what its name says, also for Kong's own
error answers `{code, name, message}`; its `_of` twin takes a JSON value that is within our bounds.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from collector.wire.admin_lists import (
    entities_decoded,
    items_of,
    next_path_of,
    object_of,
    page_of,
    plugins_decoded,
)
from collector.wire.changes import NAMED
from collector.wire.fields import address, integer, mapping, reference, shown, text
from collector.wire.json_bytes import parse_json
from domain.errors import DecodeError
from domain.events import Decoded, EntitySeen, NodeSeen
from domain.redaction import redact
from domain.targets import TargetSeen

HEALTH_OF = {
    "HEALTHY": "healthy",
    "UNHEALTHY": "unhealthy",
    "HEALTHCHECKS_OFF": "healthchecks_off",
    "DNS_ERROR": "dns_error",
}
"""Kong's words for a target's health (kong/db/dao/targets.lua) -> ours."""
OUR_PLUGIN = "gatewatch"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers at an Admin API."""

    node: NodeSeen
    plugins_available: tuple[str, ...]
    plugins_enabled: tuple[str, ...]
    """Configured somewhere."""
    configuration: dict[str, Any]
    """kong.conf as this node runs it, redacted."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is."""

    database_reachable: bool | None
    """None for nodes without a database."""
    config_hash: str | None
    """None for nodes with a database."""
    total_requests: int | None
    connections_active: int | None
    workers: int | None


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """One target of an upstream as one node sees it."""

    target_id: str | None
    target: str
    upstream_id: str | None
    health: str
    """`healthy`, `unhealthy`, `healthchecks_off` or `dns_error`."""
    weight: int | None


def decode_about(body: bytes, *, at_ms: int, asked_at: str | None = None) -> About:
    """Read the answer to `GET /`.

    Args:
        body: The answer.
        at_ms: When it came.
        asked_at: Where it was asked, for `NodeSeen.address`.

    Raises:
        DecodeError: Not that answer.
    """
    return about_of(parse_json(body, "admin /"), at_ms=at_ms, asked_at=asked_at)


def about_of(value: Any, *, at_ms: int, asked_at: str | None = None) -> About:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not that answer.
    """
    value = object_of(value, "admin /")
    node_id = text(value.get("node_id"))
    if node_id is None:
        raise DecodeError("admin /", f"node_id is {shown(value.get('node_id'))}, expected the node's id")
    configuration = mapping(value.get("configuration"))
    plugins = mapping(value.get("plugins"))
    available = _names(plugins.get("available_on_server"))
    enabled = _names(plugins.get("enabled_in_cluster"))
    missing = sorted(set(enabled) - set(available)) if available else []
    return About(
        node=NodeSeen(
            at_ms=at_ms,
            via="admin-api",
            node=node_id,
            address=asked_at,
            hostname=text(value.get("hostname")),
            version=text(value.get("version")),
            role=_role(configuration),
            workers=_workers(value.get("pids")),
            asked_ms=at_ms,
            facts={"plugins_missing": missing, "has_our_plugin": OUR_PLUGIN in available},
        ),
        plugins_available=available,
        plugins_enabled=enabled,
        configuration=redact(dict(configuration)),
    )


def decode_status(body: bytes) -> Status:
    """Read the answer to `GET /status`.

    Raises:
        DecodeError: Not that answer.
    """
    return status_of(parse_json(body, "admin /status"))


def status_of(value: Any) -> Status:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not that answer.
    """
    value = object_of(value, "admin /status")
    server, memory = value.get("server"), value.get("memory")
    if not isinstance(server, dict) and not isinstance(memory, dict):
        raise DecodeError("admin /status", "no server and no memory, expected the status of a node")
    reachable = mapping(value.get("database")).get("reachable")
    workers = mapping(memory).get("workers_lua_vms")
    return Status(
        database_reachable=reachable if isinstance(reachable, bool) else None,
        config_hash=text(value.get("configuration_hash")),
        total_requests=integer(mapping(server).get("total_requests")),
        connections_active=integer(mapping(server).get("connections_active")),
        workers=len(workers) if isinstance(workers, list) else None,
    )


def decode_target_health(body: bytes) -> tuple[TargetState, ...]:
    """Read the answer to `GET /upstreams/{u}/health`, in Kong's order.

    Raises:
        DecodeError: Not that answer.
    """
    return target_health_of(parse_json(body, "admin upstream health"))


def target_health_of(value: Any) -> tuple[TargetState, ...]:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not that answer.
    """
    where = "admin upstream health"
    found: list[TargetState] = []
    for number, item in enumerate(items_of(value, where), start=1):
        target, health = text(item.get("target")), text(item.get("health"))
        if target is None or health not in HEALTH_OF:
            raise DecodeError(
                f"{where} target {number}",
                f"health is {shown(item.get('health'))}, expected a target with one of Kong's words for it",
            )
        found.append(
            TargetState(
                target_id=text(item.get("id")),
                target=target,
                upstream_id=reference(item.get("upstream")),
                health=HEALTH_OF[health],
                weight=integer(item.get("weight")),
            )
        )
    return tuple(found)


def decode_data_planes(
    body: bytes, *, at_ms: int, asked_at: str | None = None
) -> tuple[tuple[NodeSeen, ...], str | None]:
    """Read one page of `GET /clustering/data-planes`: its nodes, and where the next page is.

    A node's `at_ms` is when its control plane last heard of it, never later than `at_ms`; its `address` is
    that of the control plane.

    Raises:
        DecodeError: Not that answer; nodes that are no control plane answer with an error.
    """
    return data_planes_of(parse_json(body, "admin data planes"), at_ms=at_ms, asked_at=asked_at)


def data_planes_of(
    value: Any, *, at_ms: int, asked_at: str | None = None
) -> tuple[tuple[NodeSeen, ...], str | None]:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not that answer.
    """
    where = "admin data planes"
    nodes: list[NodeSeen] = []
    for number, item in enumerate(items_of(value, where), start=1):
        node_id, last_s = text(item.get("id")), integer(item.get("last_seen"))
        if node_id is None or last_s is None:
            raise DecodeError(f"{where} node {number}", "id or last_seen is missing, expected both")
        expires_s = integer(mapping(item.get("cert_details")).get("expiry_timestamp"))
        nodes.append(
            NodeSeen(
                at_ms=min(last_s * 1000, at_ms),
                via="data-planes",
                node=node_id,
                address=asked_at,
                asked_ms=at_ms,
                hostname=text(item.get("hostname")),
                version=text(item.get("version")),
                role="data_plane",
                config_hash=text(item.get("config_hash")),
                sync_status=text(item.get("sync_status")),
                certificate_expires_ms=None if expires_s is None else expires_s * 1000,
                labels=redact(dict(mapping(item.get("labels")))),
                facts={"ip": address(item.get("ip"))},
            )
        )
    return tuple(nodes), next_path_of(value)


def node_decoded(seen: NodeSeen) -> Decoded:
    """A sign of life, or a silence, and the node's name where it is told."""
    decoded = Decoded(entries=1, nodes=[seen])
    if seen.node is not None and seen.answered:
        about = {"version": seen.version, "role": seen.role}
        decoded.entities.append(
            EntitySeen(
                entity_type="nodes",
                entity_id=seen.node,
                name=seen.hostname,
                at_ms=seen.at_ms,
                attributes={name: value for name, value in about.items() if value is not None},
            )
        )
    return decoded


def answer_decoded(path: str, value: Any, *, at_ms: int, asked_at: str | None = None) -> Decoded:
    """What an answer with status 200 tells of nodes, targets, names and plugins; nothing for other paths.

    Args:
        path: What was asked for, query included.
        value: The answer's JSON, within our bounds.
        at_ms: When it came.
        asked_at: Where it was asked.

    Raises:
        DecodeError: Not what this path answers.
    """
    page_path, _, query = path.partition("?")
    collection = page_path.strip("/")
    decoded = Decoded(entries=1)
    if not collection:
        decoded = node_decoded(about_of(value, at_ms=at_ms, asked_at=asked_at).node)
    elif collection == "status":
        decoded.nodes.append(status_seen(status_of(value), at_ms=at_ms, asked_at=asked_at))
    elif (upstream := upstream_of(page_path)) is not None:
        decoded.targets += targets_seen(
            target_health_of(value), upstream, at_ms=at_ms, node=text(mapping(value).get("node_id"))
        )
    elif collection == "clustering/data-planes":
        for seen in data_planes_of(value, at_ms=at_ms, asked_at=asked_at)[0]:
            found = node_decoded(seen)
            decoded.nodes += found.nodes
            decoded.entities += found.entities
    elif collection == "plugins":
        page = page_of(value, collection)
        is_whole = page.next_path is None and "offset=" not in query
        decoded = plugins_decoded(page.items, at_ms=at_ms, complete=is_whole)
    elif collection in NAMED:
        decoded = entities_decoded(collection, page_of(value, collection).items, at_ms=at_ms)
    return decoded


def silence_decoded(
    why: str, *, at_ms: int, asked_at: str | None, is_telling: bool = True, via: str = "admin-api"
) -> Decoded:
    """A node did not answer.

    Args:
        why: A short phrase, such as `connection refused` or `HTTP 503`.
        at_ms: When it was asked.
        asked_at: Where.
        is_telling: Whether this says something about the node, see `NodeSeen.is_telling`.
        via: What was asked.
    """
    return node_decoded(
        NodeSeen(
            at_ms=at_ms,
            via=via,
            answered=False,
            why=why,
            address=asked_at,
            asked_ms=at_ms,
            is_telling=is_telling,
        )
    )


def status_seen(status: Status, *, at_ms: int, asked_at: str | None, node: str | None = None) -> NodeSeen:
    """What a node's status tells of it; the answer itself does not say which node it is."""
    return NodeSeen(
        at_ms=at_ms,
        via="admin-api",
        node=node,
        address=asked_at,
        workers=status.workers,
        config_hash=status.config_hash,
        database_reachable=status.database_reachable,
        asked_ms=at_ms,
    )


def targets_seen(
    states: Iterable[TargetState], upstream: str, *, at_ms: int, node: str | None
) -> list[TargetSeen]:
    """Targets of one upstream as one node sees them; `at_ms` is when it was asked."""
    return [
        TargetSeen(upstream=upstream, target=state.target, health=state.health, at_ms=at_ms, node=node)
        for state in states
    ]


def upstream_of(path: str) -> str | None:
    """The name in `/upstreams/{name}/health`; None for other paths."""
    parts = path.strip("/").split("/")
    if len(parts) != 3 or parts[0] != "upstreams" or parts[2] != "health":  # noqa: PLR2004 - as above
        return None
    return text(urllib.parse.unquote(parts[1]))


def _workers(pids: Any) -> int | None:
    workers = mapping(pids).get("workers")
    return len(workers) if isinstance(workers, list) else None


def _role(configuration: Mapping[str, Any]) -> str | None:
    """`traditional` nodes without a database are told apart: they have configurations of their own."""
    role = text(configuration.get("role"))
    return "dbless" if role == "traditional" and configuration.get("database") == "off" else role


def _names(value: Any) -> tuple[str, ...]:
    """Names of plugins: Kong 3 gives an object by name, older ones a list."""
    names = value if isinstance(value, dict | list) else ()
    return tuple(sorted(name for item in names if (name := text(item)) is not None))
