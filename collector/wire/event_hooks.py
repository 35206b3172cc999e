"""Kong Enterprise event hooks: one flat JSON object per POST, `source` and `event` beside its own fields.

Sources, events and their fields: Kong's Admin API reference, event hooks, 3.9, and the answer of
`GET /event-hooks/sources`. A hook carries no time, no node and no id. Kong never sends one again that was
answered, so two equal bodies are two events, told apart by when they arrived; but it drops repeats within
five seconds before it sends, so violations counted from hooks are a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.wire.changes import decode_change
from collector.wire.fields import digest, shown, text
from collector.wire.json_bytes import parse_json
from collector.wire.kong_events import HEALTH, target_columns
from collector.wire.own_events import columns_of, violation
from collector.wire.payloads import payload_of
from domain.errors import DecodeError
from domain.events import Decoded, Event, Kind

WHERE = "event_hook"
LIMITERS = frozenset(("rate-limiting-advanced", "service-protection", "ai-rate-limiting-advanced"))
EXCEEDED = "rate-limit-exceeded"
"""ai-rate-limiting-advanced adds the provider's name at the end."""


def decode_event_hook(body: bytes, *, received_ms: int) -> Decoded:
    """Read what an event hook posted.

    Raises:
        DecodeError: Not JSON, not an object, or not a hook's event.
    """
    value = parse_json(body, WHERE)
    if not isinstance(value, dict):
        raise DecodeError(WHERE, "expected an object with source and event")
    return decode_hook(value, received_ms=received_ms)


def decode_hook(value: dict[str, Any], *, received_ms: int, run: str = "") -> Decoded:
    """Read a hook's event.

    Args:
        value: JSON within our bounds.
        received_ms: When it arrived: it says nothing of when it happened.
        run: Tells repeated playing of one recording apart.

    Raises:
        DecodeError: Not a hook's event.
    """
    source, event = text(value.get("source")), text(value.get("event"))
    if "handler" in value and "config" in value:
        raise DecodeError(WHERE, "this is a hook's configuration, expected an event that it sent")
    if source is None or event is None:
        missing = "source" if source is None else "event"
        raise DecodeError(WHERE, f"{missing} is missing, expected source and event as text")
    value = _flat(value)
    if source in ("crud", "dao:crud"):
        return _change(value, source, event, received_ms, run)
    kind, name, columns = _columns(value, source, event)
    found = Event(
        id=f"hook:{digest(value)}:{received_ms}{run}",
        kind=kind,
        event=name,
        at_ms=received_ms,
        exact=kind != Kind.RATE_LIMITING,
        payload=payload_of(value),
        **columns,
    )
    return Decoded(entries=1, events=[found])


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    """The `log` handler and custom senders put the fields into `data`."""
    data = value.get("data")
    return {**data, **value} if isinstance(data, dict) else value


def _change(value: dict[str, Any], source: str, event: str, received_ms: int, run: str) -> Decoded:
    where = f"{WHERE} {source}"
    collection = text(value.get("schema"))
    if collection is None:
        collection = text(event.partition(":")[0]) if source == "crud" else None
    if collection is None:
        raise DecodeError(where, "schema is missing, expected the name of a collection")
    return decode_change(value, where, collection=collection, at_ms=received_ms, run=run)


def _columns(value: Mapping[str, Any], source: str, event: str) -> tuple[str, str, dict[str, Any]]:
    """(kind, event, bound columns)."""
    if source in LIMITERS and event.startswith(EXCEEDED):
        return (
            Kind.RATE_LIMITING,
            "exceeded",
            violation(columns_of(value), f"{source} tells of it in an event hook"),
        )
    if source == "balancer" and event == "health":
        health = text(value.get("health"))
        if health not in HEALTH:
            raise DecodeError(
                f"{WHERE} balancer", f"health is {shown(value.get('health'))}, expected healthy or unhealthy"
            )
        return Kind.CLUSTER, f"target_{health}", target_columns(value, None, health)
    columns = columns_of(value)
    columns.pop("certainty", None)
    hook = value.get("event_hooks")
    if isinstance(hook, dict):  # a ping, which tells of the hook itself
        columns |= {"entity_type": "event_hooks", "entity_id": text(hook.get("id"))}
    return Kind.PLUGIN, event, columns
