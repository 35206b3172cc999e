"""Worker events and cluster events as Kong posts them inside a node.

They come as recorded lines `{ts, node, worker, from_wid, kind, source, event, data}`, bare `{source, event,
data}`, and as rows of the table `cluster_events`. Who posts what is read from Kong 3.9
(kong/runloop/events.lua, kong/resty/mlcache/init.lua, kong/clustering/events.lua,
kong/clustering/rpc/manager.lua, kong/cluster_events/init.lua) and lua-resty-healthcheck 3.1.

A worker event reaches every worker of its node, and a recording holds what each of them received. One copy
counts: the one of the worker that posted it (`worker` equals `from_wid`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from collector.wire.changes import decode_change
from collector.wire.fields import address, digest, integer, mapping, shown, text
from collector.wire.json_bytes import tidied
from collector.wire.payloads import payload_of
from collector.wire.times import instant_ms
from domain.errors import DecodeError, excerpt
from domain.events import Decoded, Event, Kind, NodeSeen
from domain.redaction import mask_cache_key

CORE_CACHE = "kong_core_db_cache"
CACHE_OF_CHANNEL = {"invalidations": "kong_db_cache", f"invalidations_{CORE_CACHE}": CORE_CACHE}
"""Cluster event channel -> cache (kong/global.lua `init_cache`, kong/cache/init.lua)."""
HEALTH = frozenset(("healthy", "unhealthy"))
STEPS = frozenset(("mostly_healthy", "mostly_unhealthy", "remove", "clear"))
"""What a health checker counts on its way; the target's state is as it was."""
_CHECKER = re.compile(r"lua-resty-healthcheck \[(?:[^:\]]*:)?(.*)\]", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLUSTER = {
    ("declarative", "reconfigure"): "config_pushed",
    ("clustering", "push_config"): "config_push_requested",
    ("clustering:jsonrpc", "connected"): "control_plane_connected",
    ("clustering:jsonrpc", "disconnected"): "control_plane_disconnected",
    ("clustering:jsonrpc", "connection_failed"): "control_plane_unreachable",
    ("debug", "log_level"): "log_level_changed",
}
"""(source, event) -> how we name it."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """When and where an event was posted, and what makes its id unique."""

    at_ms: int
    suspect: bool = False
    node: str | None = None
    place: str
    run: str = ""
    whole: Any
    """The message, tidied."""


def decode_captured(line: Mapping[str, Any], *, received_ms: int, place: str, run: str = "") -> Decoded:
    """Read one line of a recording made inside Kong.

    Args:
        line: `{ts, node, worker, kind, source?, event?, data?, from_wid?}`.
        received_ms: When it was recorded, as far as is known.
        place: Unique for this line.
        run: Tells repeated playing apart.

    Raises:
        DecodeError: It is none.
    """
    where = "kong event"
    kind, source = text(line.get("kind")), text(line.get("source"))
    at_ms, suspect = instant_ms(line.get("ts"), received_ms)
    whole = tidied(dict(line), where)
    told = Told(at_ms=at_ms, suspect=suspect, node=text(line.get("node")), place=place, run=run, whole=whole)
    if kind == "init_worker":
        return _node_started(told, line)
    if kind in ("configure", "hc_subscriber", "cluster_event"):
        # What `configure` gets is in the plugins' own changes. The other two are the news of a worker event
        # that the same node posts: the health checker's, and the invalidation that a cluster event makes.
        return Decoded(entries=1)
    if kind is None or not kind.startswith("worker_event") or source is None:
        raise DecodeError(where, f"kind is {shown(line.get('kind'))}, expected a worker or cluster event")
    if "from_wid" in line and line["from_wid"] != line.get("worker"):
        return Decoded(entries=1)
    return _worker_event(source, text(line.get("event")) or "", line.get("data"), told)


def decode_worker_event(value: Mapping[str, Any], *, received_ms: int, place: str, run: str = "") -> Decoded:
    """Read a bare `{source, event, data}`.

    Raises:
        DecodeError: It is none.
    """
    where = "worker event"
    source, event = text(value.get("source")), text(value.get("event"))
    if source is None or event is None:
        raise DecodeError(where, "source or event is missing, expected both as text")
    whole = tidied(dict(value), where)
    told = Told(at_ms=received_ms, place=f"{digest(whole)}:{place}", run=run, whole=whole)
    return _worker_event(source, event, value.get("data"), told)


def decode_cluster_event(row: Mapping[str, Any], *, received_ms: int, run: str = "") -> Decoded:
    """Read a row of Kong's table `cluster_events`; its node is the one that broadcast it.

    Raises:
        DecodeError: No channel, or data that is not the channel's.
    """
    channel, data = text(row.get("channel")), row.get("data")
    where = f"cluster event {channel}"
    if channel is None or not isinstance(data, str):
        raise DecodeError("cluster event", "channel or data is missing, expected both as text")
    at_ms, suspect = instant_ms(row.get("at"), received_ms)
    whole = tidied(dict(row), where)
    row_id = text(row.get("id")) or digest(whole)
    told = Told(
        at_ms=at_ms, suspect=suspect, node=text(row.get("node_id")), place=f"cluster:{row_id}", run=run,
        whole=whole,
    )  # fmt: skip
    if channel in CACHE_OF_CHANNEL:
        return _invalidated(told, CACHE_OF_CHANNEL[channel], data)
    decode = _CHANNELS.get(channel)
    if decode is not None:
        return decode(told, data, where)
    return _event(told, Kind.CLUSTER, channel.replace(":", "."))


def _worker_event(source: str, event: str, data: Any, told: Told) -> Decoded:
    where = f"worker event {excerpt(source)[:60]}"
    checker = _CHECKER.fullmatch(source)
    if source in ("dao:crud", "crud"):
        decoded = _crud(told, event, data, where)
    elif source == "mlcache" or source.startswith("dns_client_mlcache"):
        decoded = _mlcache(told, event, data, where)
    elif checker is not None:
        decoded = _checked(told, event, checker[1], mapping(data))
    elif source == "balancer" and event in ("targets", "upstreams"):
        decoded = _balancer(told, event, mapping(data))
    elif (source, event) in _CLUSTER:
        decoded = _event(told, Kind.CLUSTER, _CLUSTER[source, event])
    elif source == "plugin_server":
        name = text(mapping(data).get("plugin_name"))
        decoded = _event(told, Kind.PLUGIN, event or "posted", entity_type="plugins", entity_name=name)
    else:
        decoded = _event(told, source, event or "posted")
    return decoded


def _event(told: Told, kind: str, name: str, **columns: Any) -> Decoded:
    event = Event(
        id=f"kong:{told.place}{told.run}",
        kind=kind,
        event=name,
        at_ms=told.at_ms,
        at_suspect=told.suspect,
        node=told.node,
        payload=columns.pop("payload", None) or payload_of(told.whole),
        **columns,
    )
    return Decoded(entries=1, events=[event])


def _crud(told: Told, event: str, data: Any, where: str) -> Decoded:
    data = mapping(data)
    collection = _collection(data.get("schema"))
    if collection is None:  # the schema could not be encoded: `crud` says it in the event's name
        collection = text(event.partition(":")[0])
        if collection is None or collection in ("create", "update", "delete"):
            collection = _guessed(mapping(data.get("entity")))
    return decode_change(
        data,
        where,
        collection=collection,
        at_ms=told.at_ms,
        at_suspect=told.suspect,
        node=told.node,
        run=told.run,
    )


def _collection(schema: Any) -> str | None:
    """A collection's name, from its name or from a recorded schema `{"<schema>": name}`."""
    if isinstance(schema, dict):
        return text(schema.get("<schema>")) or text(schema.get("name"))
    name = text(schema)
    return name if name is not None and re.fullmatch(r"[\w-]+", name) else None


def _guessed(entity: Mapping[str, Any]) -> str:
    """The collection of an entity that nobody names, from fields that only one of them has."""
    for collection, fields in _TELLTALE.items():
        if all(field in entity for field in fields):
            return collection
    return "entities"


_TELLTALE = {
    "plugins": ("name", "config", "enabled"),
    "services": ("host", "protocol", "retries"),
    "routes": ("protocols", "strip_path"),
    "upstreams": ("algorithm", "healthchecks"),
    "targets": ("target", "upstream"),
    "consumers": ("username",),
}


def _mlcache(told: Told, event: str, data: Any, where: str) -> Decoded:
    what, _, cache = event.removeprefix("mlcache:").partition(":")
    if what == "purge":
        return _event(told, Kind.CACHE, "purged", cache=text(cache))
    if what != "invalidations" or not isinstance(data, str):
        raise DecodeError(where, f"event is {excerpt(event)!r}, expected an invalidated key or a purge")
    return _invalidated(told, cache, data)


def _invalidated(told: Told, cache: str, key: str) -> Decoded:
    """One key left a cache. It is masked, in the payload as well: for credentials it holds the credential."""
    masked = mask_cache_key(tidied(key, "cache key"))
    name, colon, rest = masked.partition(":")
    first = rest.partition(":")[0]
    return _event(
        told,
        Kind.CACHE,
        "invalidated",
        cache=text(cache),
        key_masked=text(masked),
        entity_type=text(name) if colon else None,
        entity_id=first if _UUID.fullmatch(first) else None,
        payload=payload_of({**told.whole, "data": masked}),
    )


def _checked(told: Told, event: str, upstream: str, data: Mapping[str, Any]) -> Decoded:
    if event in STEPS:
        return Decoded(entries=1)
    if event not in HEALTH:
        return _event(told, Kind.CLUSTER, f"target_{event}"[:100])
    return _event(told, Kind.CLUSTER, f"target_{event}", **target_columns(data, text(upstream), event))


def target_columns(data: Mapping[str, Any], upstream: str | None, health: str) -> dict[str, Any]:
    """The columns of a target's health: `{ip, port, hostname, upstream_id?}`."""
    upstream_id = text(data.get("upstream_id"))
    host = text(data.get("hostname")) or address(data.get("ip"))
    port = integer(data.get("port"))
    shown = None if host is None else f"[{host}]" if ":" in host else host
    return {
        "entity_type": "upstreams",
        "entity_id": upstream_id,
        "upstream": upstream or upstream_id,
        "target": shown if port is None else f"{shown}:{port}",
        "health": health,
    }


def _balancer(told: Told, event: str, data: Mapping[str, Any]) -> Decoded:
    """A node's balancer took a change of targets or upstreams."""
    entity = mapping(data.get("entity"))
    return _event(
        told,
        Kind.CLUSTER,
        "balancer_updated",
        entity_type=event,
        entity_id=text(entity.get("id")),
        entity_name=text(entity.get("name")) or text(entity.get("target")),
        operation=text(data.get("operation")),
        upstream=text(mapping(entity.get("upstream")).get("id")),
    )


def _targets_channel(told: Told, data: str, where: str) -> Decoded:
    operation, colon, upstream_id = data.partition(":")
    if not colon:
        raise DecodeError(where, f"data is {excerpt(data)!r}, expected operation:upstream_id")
    return _event(
        told, Kind.CLUSTER, "balancer_updated", entity_type="targets", operation=text(operation),
        upstream=text(upstream_id),
    )  # fmt: skip


def _upstreams_channel(told: Told, data: str, where: str) -> Decoded:
    parts = data.split(":", 3)
    if len(parts) != 4:  # noqa: PLR2004 - operation, workspace, id, name
        raise DecodeError(where, f"data is {excerpt(data)!r}, expected operation:ws_id:id:name")
    operation, _, upstream_id, name = parts
    return _event(
        told, Kind.CLUSTER, "balancer_updated", entity_type="upstreams", operation=text(operation),
        entity_id=text(upstream_id), entity_name=text(name), upstream=text(name),
    )  # fmt: skip


def _post_health_channel(told: Told, data: str, where: str) -> Decoded:
    """Somebody set a target's health by hand (kong/db/dao/targets.lua `post_health`)."""
    parts = data.split("|", 5)
    if len(parts) != 6 or parts[3] not in ("0", "1"):  # noqa: PLR2004 - see the message
        raise DecodeError(where, f"data is {excerpt(data)!r}, expected host|ip|port|0 or 1|upstream_id|name")
    host, ip, port, is_healthy, upstream_id, name = parts
    health = "healthy" if is_healthy == "1" else "unhealthy"
    found = {"hostname": host, "ip": ip, "port": port, "upstream_id": upstream_id}
    return _event(told, Kind.CLUSTER, f"target_{health}", **target_columns(found, text(name), health))


def _push_channel(told: Told, data: str, _where: str) -> Decoded:
    collection, _, operation = data.partition(":")
    return _event(
        told, Kind.CLUSTER, "config_push_requested", entity_type=text(collection), operation=text(operation)
    )


def _proxy_cache_channel(told: Told, data: str, _where: str) -> Decoded:
    plugin_id, _, key = data.partition(":")
    is_all = key in ("", "nil")
    return _event(
        told, Kind.CACHE, "purged" if is_all else "invalidated", cache="proxy-cache", entity_type="plugins",
        entity_id=text(plugin_id), key_masked=None if is_all else text(mask_cache_key(key)),
    )  # fmt: skip


_CHANNELS: dict[str, Callable[[Told, str, str], Decoded]] = {
    "balancer:targets": _targets_channel,
    "balancer:upstreams": _upstreams_channel,
    "balancer:post_health": _post_health_channel,
    "clustering:push_config": _push_channel,
    "proxy-cache:purge": _proxy_cache_channel,
}


def _node_started(told: Told, line: Mapping[str, Any]) -> Decoded:
    """A node started, as its first worker tells. Each start gives a node a new id, so that is the event's."""
    if line.get("worker") != 0 or told.node is None:
        return Decoded(entries=1)
    workers = integer(mapping(line.get("data")).get("worker_count"))
    seen = NodeSeen(
        at_ms=told.at_ms,
        via="started",
        node=told.node,
        workers=workers,
        address=text(line.get("node_name")),
    )
    decoded = _event(
        msgspec.structs.replace(told, place=f"started:{told.node}"), Kind.CLUSTER, "node_started"
    )
    decoded.nodes.append(seen)
    return decoded
