"""A configuration change: an entity before and after, whoever tells of it.

`dao:crud` and `crud` worker events, event hooks, webhook publishers and our plugin all tell the same thing,
some of them twice. So a change's id is made from what changed: the same change told again is the same event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collector.wire.fields import digest, reference, shown, text
from collector.wire.json_bytes import tidied
from collector.wire.payloads import payload_of
from domain.errors import DecodeError
from domain.events import Decoded, EntitySeen, Event, Kind, PluginSeen
from domain.redaction import redact, redact_change

VERBS = {"create": "created", "update": "updated", "delete": "deleted"}
"""Kong's operations (kong/db/dao/init.lua, 3.9) and how we name what happened."""
_OPERATION_OF = {done: operation for operation, done in VERBS.items()} | {"upsert": "update"}
"""Other words for them that publishers use."""
NAMED = frozenset(("consumers", "services", "routes", "upstreams"))
"""Collections whose names are kept over time."""
SAME_MOMENT_MS = 10_000
"""Reports of one change come within milliseconds; entities without `updated_at` are told apart by this."""
_NAMES = ("name", "username", "custom_id", "target", "prefix", "group")
_MASK = re.compile(r"\[redacted(?::\d+)?\]")


def decode_change(
    told: Mapping[str, Any],
    where: str,
    *,
    collection: str,
    at_ms: int,
    at_suspect: bool = False,
    node: str | None = None,
    actor: str | None = None,
    payload: Any = None,
    run: str = "",
) -> Decoded:
    """Read a change as Kong words it.

    Args:
        told: `{operation, entity, old_entity?, request_id?}`; other fields are ignored.
        where: For messages.
        collection: Kong's name of the collection: `services`, `keyauth_credentials`, ...
        at_ms: When it happened.
        at_suspect: `at_ms` is when it was received.
        node: The node that took the change.
        actor: Who made it, where that is known.
        payload: What is kept of the message; `told` itself without one.
        run: Tells repeated playing of one recording apart.

    Raises:
        DecodeError: The operation is none of Kong's, or there is no entity.
    """
    operation = told.get("operation")
    operation = _OPERATION_OF.get(operation, operation) if isinstance(operation, str) else None
    if operation not in VERBS:
        raise DecodeError(
            where, f"operation is {shown(told.get('operation'))}, expected create, update or delete"
        )
    entity, old = told.get("entity"), told.get("old_entity")
    if not isinstance(entity, dict) or not entity:
        found = "empty" if entity == {} else shown(entity)
        raise DecodeError(where, f"entity is {found}, expected an object with the entity's fields")
    before, after = (entity, None) if operation == "delete" else (old, entity)
    before = before if isinstance(before, dict) else None
    before, after = redact_change(tidied(before, where), tidied(after, where), collection=collection)
    return change(
        collection,
        operation,
        before,
        after,
        at_ms=at_ms,
        at_suspect=at_suspect,
        node=node,
        actor=actor,
        request_id=text(told.get("request_id")),
        payload=None if payload is None else payload_of(tidied(payload, where)),
        run=run,
    )


def change(
    collection: str,
    operation: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    *,
    at_ms: int,
    at_suspect: bool = False,
    node: str | None = None,
    actor: str | None = None,
    request_id: str | None = None,
    payload: bytes | None = None,
    run: str = "",
) -> Decoded:
    """The event of a change whose states are redacted already, and what it tells of names and plugins."""
    entity = after or before or {}
    decoded = Decoded(
        entries=1,
        events=[
            Event(
                id=change_id(collection, operation, before, after, at_ms) + run,
                kind=Kind.CRUD,
                event=f"{collection}.{VERBS[operation]}",
                at_ms=at_ms,
                at_suspect=at_suspect,
                node=node,
                request_id=request_id,
                entity_type=collection,
                entity_id=text(entity.get("id")),
                entity_name=name_of(entity),
                operation=operation,
                actor=actor,
                before=before,
                after=after,
                payload=payload,
            )
        ],
    )
    is_gone = operation == "delete"
    if collection == "plugins":
        if before is not None:  # until now it was so, whether or not it was seen before
            decoded.plugins += plugin_seen(before, at_ms - 1)
        decoded.plugins += plugin_seen(entity, at_ms, deleted=is_gone)
    elif collection in NAMED:
        decoded.entities += entity_seen(collection, entity, at_ms, deleted=is_gone)
    return decoded


def change_id(
    collection: str,
    operation: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    at_ms: int,
) -> str:
    """Equal for reports of the same change, whichever way they came; their masks may be numbered differently.

    `updated_at` tells repeated changes apart, to the second. Entities without one are told apart by when the
    change was reported, to ten seconds.
    """
    updated = (after or before or {}).get("updated_at")
    moment = at_ms // SAME_MOMENT_MS if updated is None else None
    states = [_without_workspace(state) for state in (before, after)]
    return f"change:{digest(collection, operation, moment, _renumbered(states, {}))}"


def name_of(entity: Mapping[str, Any]) -> str | None:
    """What people call an entity: the first of the fields that Kong's collections use for it."""
    return next((found for key in _NAMES if (found := text(entity.get(key)))), None)


def entity_seen(
    collection: str, entity: Mapping[str, Any], at_ms: int, *, deleted: bool = False
) -> list[EntitySeen]:
    """The sighting of an entity; empty when it has no id."""
    entity_id = text(entity.get("id"))
    if entity_id is None:
        return []
    keep = {key: entity[key] for key in _ATTRIBUTES.get(collection, ()) if entity.get(key) not in (None, [])}
    return [
        EntitySeen(
            entity_type=collection,
            entity_id=entity_id,
            name=name_of(entity),
            at_ms=at_ms,
            deleted=deleted,
            attributes=redact(keep),
        )
    ]


_ATTRIBUTES = {
    "consumers": ("custom_id", "tags"),
    "services": ("host", "port", "path", "protocol", "tags", "enabled"),
    "routes": ("paths", "hosts", "methods", "protocols", "tags", "service"),
    "upstreams": ("algorithm", "tags"),
}
"""What pages show beside a name."""


def plugin_seen(entity: Mapping[str, Any], at_ms: int, *, deleted: bool = False) -> list[PluginSeen]:
    """The sighting of a plugin; empty when it has no id or no name."""
    plugin_id, name = text(entity.get("id")), text(entity.get("name"))
    if plugin_id is None or name is None:
        return []
    config = entity.get("config")
    return [
        PluginSeen(
            plugin_id=plugin_id,
            name=name,
            enabled=entity.get("enabled") is not False,
            at_ms=at_ms,
            deleted=deleted,
            route_id=reference(entity.get("route")),
            service_id=reference(entity.get("service")),
            consumer_id=reference(entity.get("consumer")),
            consumer_group_id=reference(entity.get("consumer_group")),
            config=redact(config) if isinstance(config, dict) else {},
        )
    ]


def _without_workspace(state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Only some reports say in which workspace it was (kong/db/dao/init.lua `show_ws_id`)."""
    return None if state is None else {key: value for key, value in state.items() if key != "ws_id"}


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:
    """The same value with its masks numbered in the order of sorted keys, whoever numbered them."""
    if isinstance(value, dict):
        return {key: _renumbered(value[key], numbers) for key in sorted(value)}
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if isinstance(value, str) and "[redacted" in value:
        return _MASK.sub(lambda m: numbers.setdefault(m.group(), f"[redacted:{len(numbers) + 1}]"), value)
    return value
