"""Our own event JSON: what the Kong plugin, `simulate`, `replay --to` and other senders put into a message.

`{"kind", "event", "id", "at_ms", ...}` with the fields of `domain.events.Event`, all but `kind` and `event`
optional. Kinds and events we do not know are kept whole and counted. Other fields stay in the payload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from collector.wire.changes import VERBS, change
from collector.wire.fields import address, digest, integer, shown, text
from collector.wire.json_bytes import tidied
from collector.wire.payloads import payload_of
from collector.wire.times import told_ms
from domain.errors import DecodeError
from domain.events import Certainty, Decoded, EntitySeen, Event, Kind, NodeSeen
from domain.limits import window_name, window_seconds
from domain.redaction import mask_cache_key, redact_change, redact_text

EXCEEDED = "exceeded"
_TEXTS = (
    "node",
    "request_id",
    "limit_name",
    "entity_type",
    "entity_id",
    "operation",
    "cache",
    "health",
)
_FREE_TEXTS = ("evidence", "entity_name", "actor", "upstream", "target")
"""People write these, so they may hold anything."""
_PARTIES = ("consumer", "service", "route")
_CERTAINTIES = frozenset(str(certainty) for certainty in Certainty)
_FIELDS = frozenset(Event.__struct_fields__)
MAX_CLASSES = 16
MAX_HEARTBEAT_S = 300
"""The slowest heartbeat that our plugin can be set to."""
_SIGNS_OF_LIFE = {"node_heartbeat": "heartbeat", "node_started": "started"}


def decode_own_event(item: Any, *, received_ms: int, place: str, where: str = "event") -> Decoded:
    """Read one event of our own form.

    Args:
        item: The JSON object.
        received_ms: When it arrived.
        place: Unique for this item: makes the id of an event that comes without one.
        where: For messages.

    Raises:
        DecodeError: No object, no kind or no event name, or it cannot be stored.
    """
    if not isinstance(item, dict):
        raise DecodeError(where, "expected an object with kind and event")
    kind, name = text(item.get("kind")), text(item.get("event"))
    if kind is None or name is None:
        missing = "kind" if kind is None else "event"
        raise DecodeError(where, f"{missing} is {shown(item.get(missing))}, expected text")
    whole = tidied(item, where)
    at_ms, suspect = told_ms(whole, ("at_ms", "timestamp", "at"), received_ms)
    if kind == Kind.CRUD:
        told = _change(whole, at_ms, suspect=suspect)
        if told is not None:
            return told
    event_id = text(whole.get("id")) or f"item:{digest(whole)}:{place}"
    columns = columns_of(whole)
    if kind == Kind.RATE_LIMITING and name == EXCEEDED:
        columns = violation(columns, "the sender tells of it")
    event = Event(
        id=event_id,
        kind=kind,
        event=redact_text(name),
        at_ms=at_ms,
        at_suspect=suspect,
        exact=whole.get("exact") is not False,
        is_request=whole.get("is_request") is True,
        payload=_payload(whole),
        **columns,
    )
    decoded = Decoded(entries=1, events=[event])
    if kind == Kind.CLUSTER and name in _SIGNS_OF_LIFE:
        _add_sign_of_life(decoded, event, whole)
    return decoded


def columns_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The bound columns that an object's fields fill, by name; those it does not tell are left out."""
    columns: dict[str, Any] = {name: text(item.get(name)) for name in _TEXTS if name in item}
    for name in _FREE_TEXTS:
        if (value := text(item.get(name))) is not None:
            columns[name] = redact_text(value)
    for name in _PARTIES:
        party_id, party_name = party(item.get(name))
        columns[name] = party_name
        columns[f"{name}_id"] = text(item.get(f"{name}_id")) or party_id
    columns["ip"] = address(item.get("ip"))
    columns["status"] = integer(item.get("status"))
    columns |= limit_columns(item)
    certainty = text(item.get("certainty"))
    if certainty in _CERTAINTIES:
        columns["certainty"] = certainty
    key = text(item.get("key_masked")) or text(item.get("key"))
    if key is not None and item.get("kind") == Kind.CACHE:
        columns["key_masked"] = mask_cache_key(key)
    return columns


def party(value: Any) -> tuple[str | None, str | None]:
    """(id, name) of a consumer, service or route: an object of Kong's, or its name."""
    if not isinstance(value, dict):
        return None, text(value)
    name = text(value.get("username")) or text(value.get("name")) or text(value.get("custom_id"))
    return text(value.get("id")), name


def limit_columns(item: Mapping[str, Any]) -> dict[str, Any]:
    """`limit_value`, `window_s` and `limit_name`, also from Kong's words `limit` and `window`."""
    window_s = integer(item.get("window_s"))
    window_s = window_seconds(item.get("window")) if window_s is None else window_s
    value = integer(item.get("limit_value"))
    value = integer(item.get("limit")) if value is None else value
    name = text(item.get("limit_name"))
    if name is None and window_s is not None:
        name = window_name(window_s)
    return {"limit_name": name, "limit_value": value, "window_s": window_s}


def violation(columns: dict[str, Any], evidence: str) -> dict[str, Any]:
    """The columns of a violation that a sender tells of: certain, unless it says otherwise."""
    return {"certainty": Certainty.CERTAIN.value, "evidence": evidence} | {
        name: value for name, value in columns.items() if value is not None
    }


def _payload(whole: dict[str, Any]) -> bytes | None:
    """The item itself; of an event that somebody passes on, what came with it."""
    if "payload" in whole and _FIELDS.issuperset(whole):
        return payload_of(whole["payload"])
    return payload_of(whole)


def _change(item: dict[str, Any], at_ms: int, *, suspect: bool) -> Decoded | None:
    """A configuration change with its states; None where they are missing: then it is an event like any."""
    collection, operation = text(item.get("entity_type")), text(item.get("operation"))
    before, after = item.get("before"), item.get("after")
    before = before if isinstance(before, dict) and before else None
    after = after if isinstance(after, dict) and after else None
    if collection is None or operation not in VERBS or (before is None and after is None):
        return None
    before, after = redact_change(before, after, collection=collection)
    told = change(
        collection,
        operation,
        before,
        after,
        at_ms=at_ms,
        at_suspect=suspect,
        node=text(item.get("node")),
        actor=text(item.get("actor")),
        request_id=text(item.get("request_id")),
    )
    event = told.events[0]
    given_id, entity_name = text(item.get("id")), text(item.get("entity_name"))
    if given_id is not None and given_id.startswith("change:"):
        event = msgspec.structs.replace(event, id=given_id)
    if entity_name is not None and event.entity_name is None:
        event = msgspec.structs.replace(event, entity_name=redact_text(entity_name))
    told.events[0] = event
    return told


def _add_sign_of_life(decoded: Decoded, event: Event, item: Mapping[str, Any]) -> None:
    if event.node is None:
        return
    hostname, version = text(item.get("hostname")), text(item.get("version"))
    every_s = integer(item.get("heartbeat_s"))
    role, workers = text(item.get("role")), integer(item.get("workers"))
    decoded.nodes.append(
        NodeSeen(
            at_ms=event.at_ms,
            via=_SIGNS_OF_LIFE[event.event],
            node=event.node,
            hostname=hostname,
            version=version,
            role=role,
            workers=workers,
            config_hash=text(item.get("config_hash")),
            every_s=float(every_s) if every_s is not None and 0 < every_s <= MAX_HEARTBEAT_S else None,
            facts=_sender_facts(item),
        )
    )
    about = {
        "version": version,
        "role": role,
        "workers": workers,
        "plugin_version": text(item.get("plugin_version")),
    }
    decoded.entities.append(
        EntitySeen(
            entity_type="nodes",
            entity_id=event.node,
            name=hostname,
            at_ms=event.at_ms,
            attributes={name: value for name, value in about.items() if value is not None},
        )
    )


def _sender_facts(item: Mapping[str, Any]) -> dict[str, Any]:
    """How the sender inside the node is: its version, what it holds, what it had to drop by kind."""
    queue = item.get("queue")
    facts: dict[str, Any] = {"plugin_version": text(item.get("plugin_version"))}
    if isinstance(queue, dict):
        facts |= {f"queue_{name}": integer(queue.get(name)) for name in ("events", "bytes")}
    dropped = item.get("dropped")
    if isinstance(dropped, dict):
        numbers = {text(name): integer(n) for name, n in list(dropped.items())[:MAX_CLASSES]}
        facts["dropped"] = {name: n for name, n in numbers.items() if name is not None and n}
    return {name: value for name, value in facts.items() if value is not None}
