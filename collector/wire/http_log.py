"""Kong's http-log plugin: one JSON object, or an array of them, per POST.

Shape: kong/pdk/log.lua `serialize` (3.0 to 3.10) and kong/plugins/http-log/handler.lua. Kong logs every
request, so nearly all entries are traffic: of those only single fields are picked. An entry that a limit may
have refused becomes an event of its own and keeps its redacted payload.

Entries of stream routes (TCP, TLS) count as traffic with the status of their session: they went through Kong,
and no limit of Kong's applies to them.
"""

from __future__ import annotations

from typing import Any

import orjson

from collector.wire.admin_calls import admin_call, is_admin_service
from collector.wire.fields import address, digest, fingerprint, mapping, shown, text
from collector.wire.json_bytes import load_json, tidied
from collector.wire.payloads import MOST_QUARANTINED, payload_of, quarantined_rest, quarantined_value
from collector.wire.times import NEWEST_MS, OLDEST_MS, instant_ms
from domain.errors import DecodeError
from domain.events import Decoded, EntitySeen, Event, Kind, Traffic
from domain.violations import Answer, answered_by, judge

TOO_MANY_REQUESTS = 429
Seen = dict[tuple[str, str, str | None], None]
"""(collection, id, name) that a message has told of, in order."""
_NOTHING: dict[str, Any] = {}
_NAMED = (("consumers", "consumer"), ("services", "service"), ("routes", "route"))


def decode_http_log(body: bytes, *, received_ms: int) -> Decoded:
    """Read what Kong's http-log plugin posted.

    Raises:
        DecodeError: Not JSON, or neither an object nor an array.
    """
    value = load_json(body, "http_log")
    entries = value if isinstance(value, list) else [value]
    if not isinstance(value, dict | list):
        raise DecodeError("http_log", f"found {_kind(value)}, expected an object or an array of objects")
    decoded = Decoded(entries=len(entries))
    seen: Seen = {}
    bad = 0
    for number, entry in enumerate(entries, start=1):
        where = f"http_log entry {number} of {len(entries)}"
        try:
            add_log_entry(decoded, seen, entry, received_ms, where)
        except DecodeError as error:
            bad += 1
            if bad <= MOST_QUARANTINED:
                decoded.quarantined.append(quarantined_value(str(error), entry))
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
        entry: One object of `kong.log.serialize()`.
        received_ms: When it arrived.
        node: The node that sent it, where the sender says so; an entry's own node wins.
        where: For messages.
        seen: Names that other entries of the same message have told already; none when not given.

    Raises:
        DecodeError: It is no log entry; the message says why.
    """
    decoded = Decoded(entries=1)
    add_log_entry(decoded, {} if seen is None else seen, entry, received_ms, where, node)
    return decoded


def add_log_entry(
    decoded: Decoded,
    seen: Seen,
    entry: Any,
    received_ms: int,
    where: str,
    node: str | None = None,
) -> None:
    """Read one entry into `decoded`; `seen` remembers which names its message has told already.

    Raises:
        DecodeError: It is no log entry; `decoded` is unchanged.
    """
    if type(entry) is not dict:
        raise DecodeError(where, f"found {_kind(entry)}, expected an object")
    get = entry.get
    response = get("response")
    if type(response) is not dict:
        response = get("session")
        if type(response) is not dict:
            raise DecodeError(where, "no response and no session, expected what kong.log.serialize gives")
    status = response.get("status")
    if type(status) is not int or not 0 <= status <= 999:  # noqa: PLR2004 - three digits
        raise DecodeError(where, f"response.status is {shown(status)}, expected 0 to 999")
    headers = response.get("headers")
    if status == TOO_MANY_REQUESTS or (type(headers) is dict and "retry-after" in headers):
        _add_answer(decoded, seen, entry, status, headers, received_ms, where, node)
        return
    mark = _fingerprint(entry, where)
    at_ms, _ = _started(entry, received_ms)
    who = _who(decoded, seen, entry, at_ms, node)
    decoded.traffic.append(Traffic(fingerprint=mark, at_ms=at_ms, status=status, **who))
    if is_admin_service(get("service")):
        call = admin_call(entry, status, at_ms, who)
        if call is not None:
            decoded.events.append(call)


def _add_answer(
    decoded: Decoded,
    seen: Seen,
    entry: dict[str, Any],
    status: int,
    headers: Any,
    received_ms: int,
    where: str,
    node: str | None,
) -> None:
    """An answer that a limit may have given: judge it, and keep it as an event if so."""
    answer = _answer(entry, status, mapping(headers))
    judgement = judge(answer)
    at_ms, suspect = _started(entry, received_ms)
    if judgement.certainty is None:
        mark = _fingerprint(entry, where)
        limited = status == TOO_MANY_REQUESTS and answered_by(answer) == "upstream"
        who = _who(decoded, seen, entry, at_ms, node)
        decoded.traffic.append(
            Traffic(fingerprint=mark, at_ms=at_ms, status=status, upstream_limited=limited, **who)
        )
        return
    whole = tidied(entry, where)
    request_id = text(mapping(entry.get("request")).get("id"))
    decoded.events.append(
        Event(
            id=f"request:{request_id}" if request_id else f"entry:{digest(whole)}",
            kind=Kind.RATE_LIMITING,
            event="exceeded",
            at_ms=at_ms,
            at_suspect=suspect,
            request_id=request_id,
            status=status,
            limit_name=text(judgement.limit_name),
            limit_value=judgement.limit_value,
            window_s=judgement.window_s,
            certainty=judgement.certainty,
            evidence=text(judgement.evidence),
            is_request=True,
            payload=payload_of(whole),
            **_who(decoded, seen, entry, at_ms, node),
        )
    )


def _answer(entry: dict[str, Any], status: int, headers: Any) -> Answer:
    source = entry.get("source")
    upstream_status = entry.get("upstream_status")
    return Answer(
        status=status,
        source=source if isinstance(source, str) and source else None,
        upstream_status=None if upstream_status is None else str(upstream_status)[:100],
        has_tries=bool(entry.get("tries")),
        has_request_id=bool(mapping(entry.get("request")).get("id")),
        headers=headers,
    )


def _started(entry: dict[str, Any], received_ms: int) -> tuple[int, bool]:
    """When the request began; Kong's `started_at` is in milliseconds."""
    started = entry.get("started_at")
    if type(started) is int and received_ms - OLDEST_MS <= started <= received_ms + NEWEST_MS:
        return started, False
    return instant_ms(started, received_ms)


def _fingerprint(entry: dict[str, Any], where: str) -> int:
    """Of the request id; of the whole entry before Kong 3.5, which logged none."""
    request = entry.get("request")
    request_id = request.get("id") if type(request) is dict else None
    if type(request_id) is str and request_id:
        return fingerprint(request_id.encode())
    try:
        return fingerprint(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        raise DecodeError(where, "nested too deeply") from None


def _who(
    decoded: Decoded,
    seen: Seen,
    entry: dict[str, Any],
    at_ms: int,
    node: str | None,
) -> dict[str, Any]:
    """The columns that say whose request it was and where it went, as `Event` and `Traffic` name them."""
    get = entry.get
    who: dict[str, Any] = {"ip": address(get("client_ip")), "node": _node(entry) or node}
    for collection, field in _NAMED:
        found = get(field)
        if type(found) is not dict:
            continue
        entity_id = text(found.get("id"))
        name = text(
            found.get("username") or found.get("custom_id") if field == "consumer" else found.get("name")
        )
        who[field + "_id"] = entity_id
        who[field] = name
        key = (collection, entity_id or "", name)
        if entity_id and key not in seen:
            seen[key] = None
            decoded.entities.append(
                EntitySeen(
                    entity_type=collection,
                    entity_id=entity_id,
                    name=name,
                    at_ms=at_ms,
                    attributes=_attributes(found),
                )
            )
    return who


def _attributes(entity: dict[str, Any]) -> dict[str, Any]:
    custom_id = text(entity.get("custom_id"))
    return {"custom_id": custom_id} if custom_id else _NOTHING


def _node(entry: dict[str, Any]) -> str | None:
    """The node id that `custom_fields_by_lua` or our plugin put into an entry; Kong itself names none."""
    for name in ("node_id", "node.id", "node", "gatewatch"):
        if name in entry:
            found = entry[name]
            if type(found) is dict:
                found = found.get("id") or found.get("node_id") or found.get("node")
            if type(found) is str:
                return text(found)
    return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
