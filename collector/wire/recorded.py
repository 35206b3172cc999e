"""One line of a recorded file, of any kind, recognised by its shape.

| shape | what it is |
|---|---|
| `{received_at, body, path?, headers?}` | a POST to one of the intakes |
| `{ts, path, http_status, body}` | an Admin API answer, or its absence |
| `{ts, node, kind, source, event, data}` | what a plugin inside Kong was told |
| `{channel, data, node_id, at}` | a row of Kong's table `cluster_events` |
| `{source, event, data}` | a bare worker event |
| `{source, event, ...}` | an event hook's body |
| `{t: "batch", first, events}` | a frame of the stream |
| `{kind, ...}` | an item of the stream |
| `{response, latencies, ...}`, or an array of them | log entries |
| anything else | what the generic intake takes |
"""

from __future__ import annotations

from typing import Any

import orjson

from collector.wire.admin import answer_decoded, silence_decoded
from collector.wire.event_hooks import decode_hook
from collector.wire.fields import digest, mapping, shown, text
from collector.wire.generic import decode_generic, decode_posted
from collector.wire.http_log import decode_http_log, decode_log_entry
from collector.wire.items import decode_item, read_item
from collector.wire.json_bytes import load_json, tidied
from collector.wire.kong_events import decode_captured, decode_cluster_event, decode_worker_event
from collector.wire.times import instant_ms
from domain.errors import DecodeError
from domain.events import Decoded

WHERE = "recorded line"
OK = 200
_CAPTURED = ("worker_event", "worker_event*", "cluster_event", "hc_subscriber", "init_worker", "configure")


def decode_recorded(raw: bytes, *, received_ms: int, place: str = "", run: str = "") -> Decoded:
    """Read one line.

    Args:
        raw: The line, without its end.
        received_ms: When it was received, as recorded.
        place: Unique for this line among all lines of all files: two equal lines are two events. Without one,
            equal lines are the same.
        run: Tells repeated playing of one recording apart, where its times were moved.

    Raises:
        DecodeError: The line is none of these; the message says why.
    """
    value = load_json(raw, WHERE)
    place = place or digest(value if raw.isascii() else raw.decode("utf-8", "replace"))
    if isinstance(value, list) and value and not is_log_entry(value[0]):
        return decode_generic(raw, received_ms=received_ms)
    if isinstance(value, list) or is_log_entry(value):
        return decode_http_log(raw, received_ms=received_ms)
    if not isinstance(value, dict):
        raise DecodeError(WHERE, f"found {shown(value)}, expected an object or an array")
    if "body" in value and ("received_at" in value or "path" in value):
        if "ts" in value:
            return _admin_answer(value, received_ms)
        return _posted(value, received_ms, place, run)
    return _told(value, received_ms, place, run)


def _told(value: dict[str, Any], received_ms: int, place: str, run: str) -> Decoded:
    """A line that says itself what it is."""
    if "ts" in value and value.get("kind") in _CAPTURED:
        decoded = decode_captured(value, received_ms=received_ms, place=place, run=run)
    elif "channel" in value and "data" in value:
        decoded = decode_cluster_event(value, received_ms=received_ms, run=run)
    elif value.get("t") == "batch" and isinstance(value.get("events"), list):
        decoded = _batch(value["events"], received_ms, place)
    elif "kind" in value:
        decoded = read_item(value, received_ms=received_ms, place=place, where=WHERE)
    elif "source" in value and "event" in value:
        if "data" in value and not isinstance(mapping(value["data"]).get("source"), str):
            return decode_worker_event(value, received_ms=received_ms, place=place, run=run)
        decoded = decode_hook(tidied(value, WHERE), received_ms=received_ms, run=run)
    elif is_log_entry(value.get("entry")):
        decoded = decode_log_entry(value["entry"], received_ms=received_ms, node=text(value.get("node")))
    else:
        decoded = decode_posted(value, received_ms=received_ms, place=place, where=WHERE, run=run)
    return decoded


def _posted(value: dict[str, Any], received_ms: int, place: str, run: str) -> Decoded:
    """A recorded POST: the intake is known from its path, else from its body's shape."""
    body, path = value["body"], str(value.get("path") or "")
    raw = body.encode() if isinstance(body, str) else _encoded(body)
    if path.endswith("/intake/http-log"):
        return decode_http_log(raw, received_ms=received_ms)
    if path.endswith("/intake/event-hooks"):
        return decode_hook(_object(load_json(raw, WHERE)), received_ms=received_ms, run=run)
    if path.endswith("/intake/events"):
        named = {str(name).lower(): text(item) for name, item in mapping(value.get("headers")).items()}
        return decode_generic(raw, received_ms=received_ms, kong_event=named.get("x-kong-event"))
    return decode_recorded(raw, received_ms=received_ms, place=place, run=run)


def _admin_answer(value: dict[str, Any], received_ms: int) -> Decoded:
    """An Admin API answer `{ts, node, path, http_status, err, body}`; `node` says where it was asked."""
    path, status = str(value.get("path") or ""), value.get("http_status")
    at_ms, _ = instant_ms(value.get("ts"), received_ms)
    asked_at = text(value.get("node"))
    if status == OK:
        body = tidied(value["body"], f"admin {path}"[:100])
        return answer_decoded(path, body, at_ms=at_ms, asked_at=asked_at)
    if path != "/":  # one question per round is enough to know that nobody answers
        return Decoded(entries=1)
    why = text(value.get("err")) or f"it answers HTTP {shown(status)}"
    return silence_decoded(why, at_ms=at_ms, asked_at=asked_at, is_telling=status is None)


def _batch(items: list[Any], received_ms: int, place: str) -> Decoded:
    decoded = Decoded()
    for number, item in enumerate(items):
        decoded.take(decode_item(item, received_ms=received_ms, place=f"{place}:{number}"))
    return decoded


def _encoded(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        raise DecodeError(WHERE, "nested too deeply") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(WHERE, f"body is {shown(value)}, expected an object")
    tidy: dict[str, Any] = tidied(value, WHERE)
    return tidy


def is_log_entry(value: Any) -> bool:
    """Whether this has the shape of what `kong.log.serialize()` gives."""
    return isinstance(value, dict) and (
        ("latencies" in value or "request" in value) and ("response" in value or "session" in value)
    )
