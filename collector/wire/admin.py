"""Answers of Kong's Admin API: bodies in, small records and `Decoded` out. Asking is the poller's work.

| function | path | gives |
|---|---|---|
| `decode_about` | `/` | `About`: who the node is |
| `decode_status` | `/status` | `Status`: database, configuration hash, requests |
| `decode_target_health` | `/upstreams/{u}/health` | one `TargetState` per target, as this node sees it |
| `decode_data_planes` | `/clustering/data-planes` | one `NodeSeen` per data plane |
| `decode_page` | `/services`, `/plugins`, ... | `Page`: entities, and the path of the next page |
| `entities_decoded`, `plugins_decoded` | | entities of such pages -> `Decoded` |

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

from collector.wire.changes import NAMED, entity_seen, plugin_seen
from collector.wire.fields import address, integer, mapping, reference, shown, text
from collector.wire.json_bytes import parse_json
from domain.errors import DecodeError, excerpt
from domain.events import Decoded, EntitySeen, NodeSeen
from domain.redaction import redact, redact_text

HEALTH_OF = {
    "HEALTHY": "healthy",
    "UNHEALTHY": "unhealthy",
    "HEALTHCHECKS_OFF": "healthchecks_off",
    "DNS_ERROR": "dns_error",
}
"""Kong's words for a target's health (kong/db/dao/targets.lua) -> ours."""
NO_CONFIG_HASH = "0" * 32
"""The hash of a data plane that has no configuration yet (kong/constants.lua)."""


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


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    items: tuple[dict[str, Any], ...]
    next_path: str | None
    """Where the next page is, query included; None on the last one."""


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
    value = _object(value, "admin /")
    node_id = text(value.get("node_id"))
    if node_id is None:
        raise DecodeError("admin /", f"node_id is {shown(value.get('node_id'))}, expected the node's id")
    configuration = mapping(value.get("configuration"))
    plugins = mapping(value.get("plugins"))
    available = plugins.get("available_on_server")
    return About(
        node=NodeSeen(
            at_ms=at_ms,
            via="admin-api",
            node=node_id,
            address=asked_at,
            hostname=text(value.get("hostname")),
            version=text(value.get("version")),
            role=text(configuration.get("role")),
            workers=_workers(value.get("pids")),
        ),
        plugins_available=_names(available),
        plugins_enabled=_names(plugins.get("enabled_in_cluster")),
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
    value = _object(value, "admin /status")
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
    for number, item in enumerate(_items(value, where), start=1):
        target, health = text(item.get("target")), item.get("health")
        if target is None or health not in HEALTH_OF:
            raise DecodeError(
                f"{where} target {number}",
                f"health is {shown(health)}, expected one of {', '.join(HEALTH_OF)} and a target",
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


def decode_data_planes(body: bytes, *, at_ms: int) -> tuple[tuple[NodeSeen, ...], str | None]:
    """Read one page of `GET /clustering/data-planes`: its nodes, and where the next page is.

    A node's `at_ms` is when its control plane last heard of it, never later than `at_ms`.

    Raises:
        DecodeError: Not that answer; nodes that are no control plane answer with an error.
    """
    return data_planes_of(parse_json(body, "admin data planes"), at_ms=at_ms)


def data_planes_of(value: Any, *, at_ms: int) -> tuple[tuple[NodeSeen, ...], str | None]:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not that answer.
    """
    where = "admin data planes"
    nodes: list[NodeSeen] = []
    for number, item in enumerate(_items(value, where), start=1):
        node_id, last_s = text(item.get("id")), integer(item.get("last_seen"))
        if node_id is None or last_s is None:
            raise DecodeError(f"{where} node {number}", "id or last_seen is missing, expected both")
        expires_s = integer(mapping(item.get("cert_details")).get("expiry_timestamp"))
        nodes.append(
            NodeSeen(
                at_ms=min(last_s * 1000, at_ms),
                via="data-planes",
                node=node_id,
                address=address(item.get("ip")),
                hostname=text(item.get("hostname")),
                version=text(item.get("version")),
                role="data_plane",
                config_hash=text(item.get("config_hash")),
                sync_status=text(item.get("sync_status")),
                certificate_expires_ms=None if expires_s is None else expires_s * 1000,
                labels=redact(dict(mapping(item.get("labels")))),
            )
        )
    return tuple(nodes), _next_path(value)


def decode_page(body: bytes, collection: str) -> Page:
    """Read one page of a list, such as `GET /services?size=1000`.

    Args:
        body: The answer.
        collection: Kong's name of what is listed, for messages.

    Raises:
        DecodeError: Not a list.
    """
    return page_of(parse_json(body, f"admin /{collection}"), collection)


def page_of(value: Any, collection: str) -> Page:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not a list.
    """
    return Page(items=tuple(_items(value, f"admin /{collection}")), next_path=_next_path(value))


def entities_decoded(collection: str, items: Iterable[Mapping[str, Any]], *, at_ms: int) -> Decoded:
    """Names of listed consumers, services, routes or upstreams; nothing for other collections."""
    decoded = Decoded(entries=1)
    if collection in NAMED:
        for item in items:
            decoded.entities += entity_seen(collection, item, at_ms)
    return decoded


def plugins_decoded(items: Iterable[Mapping[str, Any]], *, at_ms: int, complete: bool) -> Decoded:
    """Listed plugins.

    Args:
        items: Of one page, or of all of them.
        at_ms: When the list was read.
        complete: `items` is the whole list: plugins that are not in it are gone.
    """
    decoded = Decoded(entries=1, plugins_complete=complete)
    for item in items:
        decoded.plugins += plugin_seen(item, at_ms)
    return decoded


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
    """What an answer with status 200 tells of nodes, names and plugins; nothing for paths that tell none.

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
    elif collection == "clustering/data-planes":
        for seen in data_planes_of(value, at_ms=at_ms)[0]:
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


def silence_decoded(why: str, *, at_ms: int, asked_at: str | None) -> Decoded:
    """A node did not answer.

    Args:
        why: A short phrase, such as `connection refused` or `HTTP 503`.
        at_ms: When it was asked.
        asked_at: Where.
    """
    return node_decoded(NodeSeen(at_ms=at_ms, via="admin-api", answered=False, why=why, address=asked_at))


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(where, "expected an object")
    if isinstance(value.get("message"), str) and "data" not in value and "node_id" not in value:
        problem = excerpt(redact_text(value["message"]))
        raise DecodeError(where, f"Kong answers with an error (code {shown(value.get('code'))}): {problem}")
    return value


def _items(value: Any, where: str) -> list[dict[str, Any]]:
    items = _object(value, where).get("data")
    if isinstance(items, dict) and not items:
        return []  # an empty Lua table
    if not isinstance(items, list):
        raise DecodeError(where, f"data is {shown(items)}, expected a list")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise DecodeError(f"{where} item {number} of {len(items)}", "expected an object")
    return items


def _next_path(value: Mapping[str, Any]) -> str | None:
    """The path of the next page; only the path, so that no answer can send us to another host."""
    found = text(value.get("next"))
    if found is None:
        return None
    parts = urllib.parse.urlsplit(found)
    return urllib.parse.urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, ""))


def _workers(pids: Any) -> int | None:
    workers = mapping(pids).get("workers")
    return len(workers) if isinstance(workers, list) else None


def _names(value: Any) -> tuple[str, ...]:
    """Names of plugins: Kong 3 gives an object by name, older ones a list."""
    names = value if isinstance(value, dict | list) else ()
    return tuple(sorted(name for item in names if (name := text(item)) is not None))
