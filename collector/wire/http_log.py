"""Kong's http-log plugin: one JSON object, or an array of them, per POST.

Shape: kong/pdk/log.lua `serialize` (3.0 to 3.10) and kong/plugins/http-log/handler.lua. Kong logs every
request, so nearly all entries are traffic: of those only single fields are picked. An entry that a limit may
have refused becomes an event of its own and keeps its redacted payload.

Entries of stream routes (TCP, TLS) count as traffic with the status of their session: they went through Kong,
and no limit of Kong's applies to them.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import msgspec
import orjson

from collector.wire.admin_calls import admin_call
from collector.wire.fields import address, digest, mapping, shown, text
from collector.wire.json_bytes import load_json, tidied
from collector.wire.parties import Reading, Seen, parties_of, who_columns
from collector.wire.payloads import (
    MOST_QUARANTINED,
    payload_of_object,
    quarantined,
    quarantined_rest,
)
from collector.wire.raw_json import RawJson, as_raw, checked, split_array
from collector.wire.times import NEWEST_MS, OLDEST_MS, instant_ms
from domain.errors import DecodeError, refusal_of
from domain.events import Decoded, Event, Kind, Traffic
from domain.request_marks import mark_of, mark_of_request
from domain.violations import Answer, Judgement, answered_by, judge

TOO_MANY_REQUESTS = 429
KEPT_ANSWERS = 4_096
MAX_KEPT_BYTES = 2_048
"""Longer headers are judged each time: what is remembered takes 2 MB as a rule, 10 at most."""
LONGEST_NOTHING = 64
"""Longer lists of tries are not empty, whatever the spaces in them."""
_SPACES = b" \t\r\n"
_ABSENT = msgspec.Raw()


class _Request(msgspec.Struct):
    id: Any = None


class _Response(msgspec.Struct):
    status: Any = None
    headers: msgspec.Raw = _ABSENT


class _Entry(msgspec.Struct):
    """What is read of every entry; all else is stepped over: a sixth of the time of reading all."""

    response: _Response | None = None
    session: _Response | None = None
    request: _Request | None = None
    client_ip: Any = None
    started_at: Any = None
    consumer: msgspec.Raw = _ABSENT
    service: msgspec.Raw = _ABSENT
    route: msgspec.Raw = _ABSENT
    node_id: Any = None
    source: msgspec.Raw = _ABSENT
    upstream_status: msgspec.Raw = _ABSENT
    tries: msgspec.Raw = _ABSENT
    dotted_node_id: Any = msgspec.field(default=None, name="node.id")
    node: Any = None
    gatewatch: Any = None


_ENTRY = msgspec.json.Decoder(_Entry)
_NESTED = ("response", "session", "request")


def decode_http_log(body: bytes, *, received_ms: int) -> Decoded:
    """Read what Kong's http-log plugin posted.

    Raises:
        DecodeError: Not JSON, or neither an object nor an array.
    """
    first = checked(body, "http_log").lstrip(_SPACES)[:1]
    entries: list[RawJson] = []
    if first == b"[":
        entries += split_array(body, "http_log")
    elif first == b"{":
        load_json(body, "http_log")
        entries.append(body)
    else:
        found = _kind(load_json(body, "http_log"))
        raise DecodeError("http_log", f"found {found}, expected an object or an array of objects")
    decoded = Decoded(entries=len(entries))
    reading = Reading(decoded, received_ms)
    bad = 0
    for number, entry in enumerate(entries, start=1):
        try:
            add_log_entry(reading, entry, "")
        except Exception as error:  # noqa: BLE001 - see refusal_of
            bad += 1
            if bad <= MOST_QUARANTINED:
                problem = refusal_of(error, "").problem
                why = DecodeError(f"http_log entry {number} of {len(entries)}", problem)
                decoded.quarantined.append(quarantined(str(why), bytes(entry)))
    if bad > MOST_QUARANTINED:
        decoded.quarantined.append(quarantined_rest("http_log", bad - MOST_QUARANTINED))
    return decoded


def decode_log_entry(
    entry: Any,
    *,
    received_ms: int,
    node: str | None = None,
    where: str = "http_log entry",
    seen: Seen | None = None,
) -> Decoded:
    """Read one log entry, however it came.

    Args:
        entry: One object of `kong.log.serialize()`: its JSON, or the value.
        received_ms: When it arrived.
        node: The node that sent it, where the sender says so; an entry's own node wins.
        where: For messages.
        seen: Names that other entries of the same message have told already; none when not given.

    Raises:
        DecodeError: It is no log entry; the message says why.
    """
    decoded = Decoded(entries=1)
    reading = Reading(decoded, received_ms, {} if seen is None else seen)
    add_log_entry(reading, as_raw(entry, where), where, node)
    return decoded


def add_log_entry(reading: Reading, raw: RawJson, where: str, node: str | None = None) -> None:
    """Read one entry of a message.

    Raises:
        DecodeError: It is no log entry; `reading` is unchanged.
    """
    try:
        entry = _ENTRY.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        entry = _straightened(raw, where)
    response = entry.response or entry.session
    if response is None:
        raise DecodeError(where, "no response and no session, expected what kong.log.serialize gives")
    status = response.status
    if type(status) is not int or not 0 <= status <= 999:  # noqa: PLR2004 - three digits
        raise DecodeError(where, f"response.status is {shown(status)}, expected 0 to 999")
    headers = bytes(response.headers)
    if status == TOO_MANY_REQUESTS or b"retry-after" in headers or b"\\" in headers:
        _add_answer(reading, raw, entry, status, headers, where, node)
        return
    _add_traffic(reading, raw, entry, status, where, node)


def _straightened(raw: RawJson, where: str) -> _Entry:
    """An entry whose parts are of other types than Kong's: they count as not there.

    Raises:
        DecodeError: It is no object.
    """
    value = load_json(bytes(raw), where)
    if type(value) is not dict:
        raise DecodeError(where, f"found {_kind(value)}, expected an object")
    straight = {k: v for k, v in value.items() if k not in _NESTED or type(v) is dict}
    try:
        return _ENTRY.decode(as_raw(straight, where))
    except (msgspec.DecodeError, RecursionError):
        raise DecodeError(where, "nested too deeply") from None


def _add_traffic(
    reading: Reading,
    raw: RawJson,
    entry: _Entry,
    status: int,
    where: str,
    node: str | None,
    *,
    is_limited: bool = False,
) -> None:
    """A request that no limit of Kong's refused."""
    mark = _fingerprint(entry, raw, where)
    at_ms, _ = _started(entry, reading.received_ms)
    consumer, service, route = parties_of(reading, (entry.consumer, entry.service, entry.route), at_ms)
    ip, node = address(entry.client_ip), _node(entry) or node
    reading.decoded.traffic.append(
        Traffic(
            fingerprint=mark,
            at_ms=at_ms,
            status=status,
            upstream_limited=is_limited,
            node=node,
            consumer_id=consumer.id,
            consumer=consumer.name,
            ip=ip,
            service_id=service.id,
            service=service.name,
            route_id=route.id,
            route=route.name,
        )
    )
    if service.is_admin:
        who = who_columns(consumer, service, route, ip, node)
        call = admin_call(load_json(bytes(raw), where), status, at_ms, who)
        if call is not None:
            reading.decoded.events.append(call)


def _add_answer(
    reading: Reading, raw: RawJson, entry: _Entry, status: int, headers: bytes, where: str, node: str | None
) -> None:
    """An answer that a limit may have given: judge it, and keep it as an event if so."""
    request_id = text(entry.request.id) if entry.request is not None else None
    tries = bytes(entry.tries)
    evidence = _Evidence(
        status,
        bytes(entry.source),
        bytes(entry.upstream_status),
        len(tries) > LONGEST_NOTHING or bool(_loaded(tries)),
        bool(request_id),
        headers,
    )
    judgement, is_limited = _judged(evidence) if len(headers) <= MAX_KEPT_BYTES else _judge(evidence)
    if judgement.certainty is None:
        _add_traffic(reading, raw, entry, status, where, node, is_limited=is_limited)
        return
    at_ms, suspect = _started(entry, reading.received_ms)
    payload = payload_of_object(raw, where)
    if request_id:
        event_id = f"request:{request_id}"
    else:
        event_id = f"entry:{digest(tidied(load_json(bytes(raw), where), where))}"
    consumer, service, route = parties_of(reading, (entry.consumer, entry.service, entry.route), at_ms)
    reading.decoded.events.append(
        Event(
            id=event_id,
            kind=Kind.RATE_LIMITING,
            event="exceeded",
            at_ms=at_ms,
            at_suspect=suspect,
            request_id=request_id,
            status=status,
            limit_name=judgement.limit_name,
            limit_value=judgement.limit_value,
            window_s=judgement.window_s,
            certainty=judgement.certainty,
            evidence=judgement.evidence,
            is_request=True,
            payload=payload,
            node=_node(entry) or node,
            consumer_id=consumer.id,
            consumer=consumer.name,
            ip=address(entry.client_ip),
            service_id=service.id,
            service=service.name,
            route_id=route.id,
            route=route.name,
        )
    )


class _Evidence(NamedTuple):
    """The parts of an entry that tell whether a limit refused, as they came."""

    status: int
    source: bytes
    upstream_status: bytes
    has_tries: bool
    has_request_id: bool
    headers: bytes


def _judge(told: _Evidence) -> tuple[Judgement, bool]:
    """The judgement, and whether the upstream itself refused."""
    source, upstream_status = _loaded(told.source), _loaded(told.upstream_status)
    answer = Answer(
        status=told.status,
        source=source if isinstance(source, str) and source else None,
        upstream_status=None if upstream_status is None else str(upstream_status)[:100],
        has_tries=told.has_tries,
        has_request_id=told.has_request_id,
        headers=mapping(_loaded(told.headers)),
    )
    found = judge(answer)
    if found.certainty is None:
        return found, told.status == TOO_MANY_REQUESTS and answered_by(answer) == "upstream"
    found = msgspec.structs.replace(found, limit_name=text(found.limit_name), evidence=text(found.evidence))
    return found, False


_judged = functools.lru_cache(maxsize=KEPT_ANSWERS)(_judge)
"""Of the refusals by one limit there are as many kinds as its window has seconds."""


def _loaded(raw: bytes) -> Any:
    return load_json(raw, "") if raw else None


def _started(entry: _Entry, received_ms: int) -> tuple[int, bool]:
    """When the request began; Kong's `started_at` is in milliseconds."""
    started = entry.started_at
    if type(started) is int and received_ms - OLDEST_MS <= started <= received_ms + NEWEST_MS:
        return started, False
    return instant_ms(started, received_ms)


def _fingerprint(entry: _Entry, raw: RawJson, where: str) -> int:
    """Of the request id; of the whole entry before Kong 3.5, which logged none."""
    request_id = entry.request.id if entry.request is not None else None
    if type(request_id) is str and request_id:
        return mark_of_request(request_id)
    try:
        return mark_of(orjson.dumps(load_json(bytes(raw), where), option=orjson.OPT_SORT_KEYS))
    except TypeError:
        raise DecodeError(where, "nested too deeply") from None


def _node(entry: _Entry) -> str | None:
    """The node id that `custom_fields_by_lua` or our plugin put into an entry; Kong itself names none."""
    for found in (entry.node_id, entry.dotted_node_id, entry.node, entry.gatewatch):
        if found is not None:
            if type(found) is dict:
                found = found.get("id") or found.get("node_id") or found.get("node")  # noqa: PLW2901 - its id
            if type(found) is str:
                return text(found)
    return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
