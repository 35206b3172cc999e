"""The generic intake: whatever can post JSON. One object, or an array of them.

| form | what it is |
|---|---|
| `{entity_type, operation, entity, old_entity?, timestamp}` | a configuration change |
| `{event_type, consumer, ip, timestamp, ...}` | an alert; `rate_limit_exceeded` is a violation |
| `{kind, event, ...}` | an event of our own form |

An alert without an id and with a timestamp that came before is a resend. Senders that tell of one refusal
twice cannot be told from two refusals, so counts of alerts are a lower bound.
"""

from __future__ import annotations

import re
from typing import Any

from collector.wire.changes import decode_change
from collector.wire.fields import digest, shown, text
from collector.wire.items import read_item
from collector.wire.json_bytes import load_json, tidied
from collector.wire.own_events import columns_of, violation
from collector.wire.payloads import MOST_QUARANTINED, payload_of, quarantined_rest, quarantined_value
from collector.wire.times import told_ms
from domain.errors import DecodeError, refusal_of
from domain.events import Decoded, Event, Kind

WHERE = "event"
TIMES = ("timestamp", "at_ms", "time")
_COLLECTION_OF = {
    "key_auth": "keyauth_credentials",
    "basic_auth": "basicauth_credentials",
    "hmac_auth": "hmacauth_credentials",
    "jwt": "jwt_secrets",
    "oauth2": "oauth2_credentials",
    "acl": "acls",
    "sni": "snis",
    "ca_certificate": "ca_certificates",
    "key_set": "key_sets",
}
_SINGULAR = frozenset(
    (
        "service",
        "route",
        "consumer",
        "plugin",
        "upstream",
        "target",
        "certificate",
        "vault",
        "key",
        "workspace",
    )
)
_LIMIT_WORDS = re.compile(r"rate_?limit(?:ing)?_?(?:exceeded|violation|violated|reached|hit)?|exceeded")


def decode_generic(body: bytes, *, received_ms: int, kong_event: str | None = None) -> Decoded:
    """Read what somebody posted; a bad object among good ones goes to quarantine.

    Args:
        body: JSON.
        received_ms: When it arrived.
        kong_event: The header `X-Kong-Event`: names the event where the body does not.

    Raises:
        DecodeError: Not JSON, or a single object that is none of the forms.
    """
    value = load_json(body, WHERE)
    if not isinstance(value, list):
        return decode_posted(value, received_ms=received_ms, place=str(received_ms), kong_event=kong_event)
    decoded, bad = Decoded(), 0
    for number, item in enumerate(value, start=1):
        where = f"{WHERE} {number} of {len(value)}"
        place = f"{received_ms}:{number}"
        try:
            part = decode_posted(
                item, received_ms=received_ms, place=place, kong_event=kong_event, where=where
            )
            decoded.take(part)
        except Exception as error:  # noqa: BLE001 - see refusal_of
            bad += 1
            if bad <= MOST_QUARANTINED:
                decoded.quarantined.append(quarantined_value(str(refusal_of(error, where)), item))
    if bad > MOST_QUARANTINED:
        decoded.quarantined.append(quarantined_rest(WHERE, bad - MOST_QUARANTINED))
    decoded.entries = len(value)
    return decoded


def decode_posted(
    value: Any,
    *,
    received_ms: int,
    place: str,
    kong_event: str | None = None,
    where: str = WHERE,
    run: str = "",
) -> Decoded:
    """Read one object of any of the forms.

    Args:
        value: The JSON value.
        received_ms: When it arrived.
        place: Unique for this object, for the id of an event that says nothing else to tell it apart.
        kong_event: As above.
        where: For messages.
        run: Tells repeated playing of one recording apart.

    Raises:
        DecodeError: None of the forms.
    """
    if not isinstance(value, dict):
        raise DecodeError(where, "expected an object")
    value = tidied(value, where)
    if "kind" in value:
        return read_item(value, received_ms=received_ms, place=place, where=where)
    if isinstance(value.get("entity"), dict) or "operation" in value:
        return _change(value, where, received_ms, kong_event, run)
    if isinstance(value.get("data"), list | dict) or ("code" in value and "message" in value):
        raise DecodeError(where, "this is an answer of Kong's Admin API, expected an event")
    name = text(value.get("event_type")) or text(value.get("event")) or text(kong_event)
    if name is None or not value:
        raise DecodeError(where, "found no kind, event_type or entity, expected one of them")
    return _alert(value, name, received_ms, place, run)


def _change(value: dict[str, Any], where: str, received_ms: int, kong_event: str | None, run: str) -> Decoded:
    named, _, operation = (text(kong_event) or "").partition(":")
    collection = _collection(text(value.get("entity_type")) or named)
    if collection is None:
        found = shown(value.get("entity_type"))
        raise DecodeError(where, f"entity_type is {found}, expected the name of a collection")
    told = value if value.get("operation") or not operation else {**value, "operation": operation}
    at_ms, suspect = told_ms(value, TIMES, received_ms)
    return decode_change(
        told,
        where,
        collection=collection,
        at_ms=at_ms,
        at_suspect=suspect,
        node=text(value.get("node")) or text(value.get("node_id")),
        actor=text(value.get("actor")) or text(value.get("user")),
        run=run,
    )


def _collection(name: str) -> str | None:
    """Kong's name of a collection, also from the singular, or as it is."""
    plain = name.strip().lower().replace("-", "_")
    if not re.fullmatch(r"\w{1,100}", plain, re.ASCII) or plain in ("crud", "dao"):
        return None
    return _COLLECTION_OF.get(plain.removesuffix("s"), plain + "s" if plain in _SINGULAR else plain)


def _alert(value: dict[str, Any], name: str, received_ms: int, place: str, run: str) -> Decoded:
    at_ms, suspect = told_ms(value, TIMES, received_ms)
    columns = columns_of({"ip": value.get("client_ip"), **value})
    request_id = columns.get("request_id")
    kind, event = Kind.PLUGIN, name
    if _LIMIT_WORDS.fullmatch(name.lower().replace("-", "_").replace(".", "_")):
        kind, event = Kind.RATE_LIMITING, "exceeded"
        columns = violation(columns, "the sender tells of it")
    is_request = kind == Kind.RATE_LIMITING and request_id is not None
    found = Event(
        id=(f"request:{request_id}" if is_request else _id_of(value, place)) + run,
        kind=kind,
        event=event,
        at_ms=at_ms,
        at_suspect=suspect,
        exact=is_request or kind != Kind.RATE_LIMITING,
        is_request=is_request,
        payload=payload_of(value),
        **columns,
    )
    return Decoded(entries=1, events=[found])


def _id_of(value: dict[str, Any], place: str) -> str:
    given = text(value.get("id")) or text(value.get("event_id"))
    if given is not None:
        return f"alert:{given}"
    mark = "" if value.get("timestamp") is not None else f":{place}"
    return f"alert:{digest(value)}{mark}"
