"""One item of a stream batch, told apart by its `kind`.

| kind | what it is |
|---|---|
| `http-log` | `{node?, entry}`: one log entry of Kong's |
| `totals` | `{id, at_ms, consumer, route, ..., counts: {status: n}}`: requests that a gateway counted |
| `entity` | `{entity_type, entity_id, name, at_ms, ...}`: a name, as `domain.events.EntitySeen` |
| `plugin` with `plugin_id` | a plugin's configuration, as `domain.events.PluginSeen` |
| `node` | a sign of life, as `domain.events.NodeSeen` |
| `unreadable` | `{why}`: what a sender could not read itself |
| anything else | an event of our own form |
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from collector.wire.fields import integer, text
from collector.wire.http_log import add_log_entry
from collector.wire.json_bytes import load_json, tidied
from collector.wire.own_events import columns_of, decode_own_event
from collector.wire.parties import Reading, Seen
from collector.wire.payloads import quarantined
from collector.wire.raw_json import RawJson, as_raw
from collector.wire.times import instant_ms
from domain.errors import DecodeError, excerpt, refusal_of
from domain.events import Decoded, EntitySeen, NodeSeen, PluginSeen, Traffic
from domain.redaction import redact
from domain.request_marks import mark_of

WHERE = "stream item"
HTTP_LOG = "http-log"
UNREADABLE = "unreadable"
MOST_REQUESTS = 10**9
"""Per item and status: more in a few seconds is no count."""
TOO_MANY_REQUESTS = 429
_TRAFFIC = ("node", "ip", "consumer_id", "consumer", "service_id", "service", "route_id", "route")
_Record = TypeVar("_Record", EntitySeen, PluginSeen, NodeSeen)


class _Outside(msgspec.Struct):
    """What an item says of itself, and where its log entry lies."""

    kind: Any = None
    node: Any = None
    entry: msgspec.Raw = msgspec.Raw()


_OUTSIDE = msgspec.json.Decoder(_Outside)


def decode_item(item: Any, *, received_ms: int, place: str = "0", seen: Seen | None = None) -> Decoded:
    """Read one item; a bad one gives a `Decoded` with one `Quarantined`.

    Args:
        item: Its JSON, or the value.
        received_ms: When it arrived.
        place: Its place in its message, for the id of an event that comes without one.
        seen: Names that other items of the same message have told already.
    """
    reading = Reading(Decoded(), received_ms, {} if seen is None else seen)
    add_item(reading, item, place)
    return reading.decoded


def add_item(reading: Reading, item: Any, place: int | str) -> None:
    """Read one item of a message into it; a bad one adds one `Quarantined`."""
    decoded = reading.decoded
    decoded.entries += 1
    try:
        raw = as_raw(item, WHERE)
        if not _add_log_item(reading, raw, WHERE):
            at_ms, value = reading.received_ms, load_json(bytes(raw), WHERE)
            decoded.take(read_item(value, received_ms=at_ms, place=f"{at_ms}:{place}", seen=reading.seen))
            decoded.entries -= 1
    except Exception as error:  # noqa: BLE001 - see refusal_of
        is_raw = isinstance(item, bytes | msgspec.Raw)
        raw = bytes(item) if is_raw else b"(nested too deeply to be shown)"
        decoded.quarantined.append(quarantined(str(refusal_of(error, WHERE)), raw))


def _add_log_item(reading: Reading, raw: RawJson, where: str) -> bool:
    """Read a log entry in its envelope; False for everything else."""
    try:
        outside = _OUTSIDE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    if outside.kind != HTTP_LOG:
        return False
    entry = outside.entry or msgspec.Raw(b"null")
    try:
        add_log_entry(reading, entry, "", text(outside.node))
    except DecodeError as error:
        raise DecodeError(f"{where} http-log", error.problem) from None
    return True


def read_item(
    item: Any, *, received_ms: int, place: str, where: str = WHERE, seen: Seen | None = None
) -> Decoded:
    """Read one item.

    Args:
        item: The JSON value.
        received_ms: When it arrived.
        place: Unique for this item.
        where: For messages.
        seen: Names that other items of the same message have told already.

    Raises:
        DecodeError: It is no item, or holds what cannot be stored.
    """
    if not isinstance(item, dict):
        raise DecodeError(where, "expected an object")
    kind = item.get("kind")
    if kind == HTTP_LOG:
        reading = Reading(Decoded(entries=1), received_ms, {} if seen is None else seen)
        _add_log_item(reading, as_raw(item, where), where)
        return reading.decoded
    if kind == "totals":
        return _totals(item, received_ms, where)
    if kind == "entity":
        return Decoded(entries=1, entities=[_record(item, EntitySeen, received_ms, where)])
    if kind == "plugin" and "plugin_id" in item and "event" not in item:
        return Decoded(entries=1, plugins=[_record(item, PluginSeen, received_ms, where)])
    if kind == "node":
        return Decoded(entries=1, nodes=[_record(item, NodeSeen, received_ms, where)])
    if kind == UNREADABLE:
        raise DecodeError(where, excerpt(str(item.get("why") or "its sender could not read it")))
    return decode_own_event(item, received_ms=received_ms, place=place, where=where)


def _totals(item: dict[str, Any], received_ms: int, where: str) -> Decoded:
    where = f"{where} totals"
    item_id, counts = text(item.get("id")), item.get("counts")
    if item_id is None:
        raise DecodeError(where, "no id, expected one that no other item has")
    if not isinstance(counts, dict):
        raise DecodeError(where, "counts is missing, expected an object of status to number")
    at_ms, _ = instant_ms(item.get("at_ms"), received_ms)
    who = {name: value for name, value in columns_of(item).items() if name in _TRAFFIC}
    decoded = Decoded(entries=1)
    for key, value in counts.items():
        status, count = integer(key), integer(value)
        if status is None or not 0 <= status <= 999:  # noqa: PLR2004 - three digits
            raise DecodeError(where, f"status is {excerpt(repr(key))}, expected 0 to 999")
        if count is None or not 0 < count <= MOST_REQUESTS:
            raise DecodeError(where, f"count is {excerpt(repr(value))}, expected 1 to {MOST_REQUESTS}")
        decoded.traffic.append(
            Traffic(
                fingerprint=mark_of(f"{item_id}:{status}".encode("utf-8", "surrogatepass")),
                at_ms=at_ms,
                status=status,
                count=count,
                upstream_limited=status == TOO_MANY_REQUESTS and item.get("refusals") == "apart",
                **who,
            )
        )
    return decoded


def _record(item: dict[str, Any], record: type[_Record], received_ms: int, where: str) -> _Record:
    """A record as its sender took it from a decoder; redacted again, for whoever sent it."""
    where = f"{where} {item['kind']}"
    fields = {name: value for name, value in item.items() if name in record.__struct_fields__}
    fields = {name: text(value) if isinstance(value, str) else value for name, value in fields.items()}
    fields["at_ms"], _ = instant_ms(fields.get("at_ms"), received_ms)
    try:
        return msgspec.convert(redact(tidied(fields, where)), record)
    except msgspec.ValidationError as error:
        reason = str(error)
        raise DecodeError(where, reason[:1].lower() + reason[1:]) from None
