"""Whose request a log entry tells of, and where it went: consumer, service and route, read once for each."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from collector.wire.admin_calls import is_admin_service
from collector.wire.fields import text
from collector.wire.json_bytes import load_json
from domain.events import Decoded, EntitySeen

Seen = dict[tuple[str, str, str | None], None]
"""(collection, id, name) that a message has told of, in order."""


class Reading(msgspec.Struct):
    """A message with log entries that is being read."""

    decoded: Decoded
    """What it told so far."""
    received_ms: int
    seen: Seen = msgspec.field(default_factory=dict)


KEPT_PARTIES = 8_192
MAX_KEPT_BYTES = 2_048
"""Longer ones are read each time: what is remembered takes 4 MB as a rule, 20 at most."""
_NOTHING: dict[str, Any] = {}


class Party(msgspec.Struct, frozen=True):
    """A consumer, service or route as an entry names it."""

    id: str | None
    name: str | None
    key: tuple[str, str, str | None] | None
    """How `Seen` knows it; None without an id."""
    attributes: dict[str, Any]
    is_admin: bool
    """A service that is an Admin API."""


_NOBODY = Party(None, None, None, _NOTHING, False)


def parties_of(
    reading: Reading, raw: tuple[msgspec.Raw, msgspec.Raw, msgspec.Raw], at_ms: int
) -> tuple[Party, Party, Party]:
    """Consumer, service and route of an entry; names that its message has not told are added to it.

    Args:
        reading: The message.
        raw: The JSON of the three, empty where the entry has none.
        at_ms: When the request began.
    """
    found = (
        _party("consumers", bytes(raw[0])),
        _party("services", bytes(raw[1])),
        _party("routes", bytes(raw[2])),
    )
    seen = reading.seen
    for party in found:
        key = party.key
        if key is not None and key not in seen:
            seen[key] = None
            reading.decoded.entities.append(
                EntitySeen(
                    entity_type=key[0],
                    entity_id=key[1],
                    name=party.name,
                    at_ms=at_ms,
                    attributes=party.attributes,
                )
            )
    return found


def _party(collection: str, raw: bytes) -> Party:
    if not raw:
        return _NOBODY
    return _kept_party(collection, raw) if len(raw) <= MAX_KEPT_BYTES else _read_party(collection, raw)


def _read_party(collection: str, raw: bytes) -> Party:
    found = load_json(raw, "")
    if type(found) is not dict:
        return _NOBODY
    is_consumer = collection == "consumers"
    entity_id = text(found.get("id"))
    name = text(found.get("username") or found.get("custom_id") if is_consumer else found.get("name"))
    return Party(
        entity_id,
        name,
        (collection, entity_id, name) if entity_id else None,
        _attributes(found),
        collection == "services" and is_admin_service(found),
    )


_kept_party = functools.lru_cache(maxsize=KEPT_PARTIES)(_read_party)


def who_columns(
    consumer: Party, service: Party, route: Party, ip: str | None, node: str | None
) -> dict[str, Any]:
    """Whose request it was and where it went, as `Event` and `Traffic` name it."""
    return {
        "consumer_id": consumer.id,
        "consumer": consumer.name,
        "service_id": service.id,
        "service": service.name,
        "route_id": route.id,
        "route": route.name,
        "ip": ip,
        "node": node,
    }


def _attributes(entity: dict[str, Any]) -> dict[str, Any]:
    custom_id = text(entity.get("custom_id"))
    return {"custom_id": custom_id} if custom_id else _NOTHING
