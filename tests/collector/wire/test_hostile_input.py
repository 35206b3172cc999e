"""Whatever comes in, a decoder gives what can be stored, quarantine, or one `DecodeError`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.admin import (
    decode_about,
    decode_data_planes,
    decode_status,
    decode_target_health,
)
from collector.wire.admin_lists import decode_page
from collector.wire.audit import decode_audited_objects, decode_audited_requests
from collector.wire.event_hooks import decode_event_hook
from collector.wire.fields import MAX_TEXT_CHARS
from collector.wire.generic import decode_generic
from collector.wire.http_log import decode_http_log
from collector.wire.json_bytes import INT64_MAX, INT64_MIN
from collector.wire.payloads import MAX_PAYLOAD_BYTES
from collector.wire.recorded import decode_recorded
from collector.wire.stream import decode_stream_items
from domain.errors import DEFECT, DecodeError
from domain.events import Decoded

NOW_MS = 1_795_384_700_000
FOLDER = Path(__file__).parents[2] / "fixtures/payloads"
PAYLOADS = [path.read_bytes() for path in sorted(FOLDER.glob("*.json"))]
MIB = 1_048_576
LONG = 150_000
DEEP = frozenset(("http_log", "generic", "items", "page"))
LONGEST = 20 * MAX_TEXT_CHARS
"""No column is longer, however it was put together or escaped."""
CANARY = "cAnAry-5f1c"
"""Stands where a secret stands, in inputs that have one: nothing that is kept or said may hold it."""


def items(body: bytes) -> Decoded:
    """The body as an item of the stream, and in a batch of three."""
    value = orjson.loads(body)
    parts = decode_stream_items([value, value, {"kind": "http-log", "entry": value}], received_ms=NOW_MS)
    whole = Decoded()
    for part in parts:
        whole.take(part)
    return whole


def intake(decode: Callable[[bytes], Any]) -> Callable[[bytes], Decoded]:
    """A decoder whose result is not a `Decoded`, for its errors only."""

    def act(body: bytes) -> Decoded:
        decode(body)
        return Decoded()

    return act


DECODERS: dict[str, Callable[[bytes], Decoded]] = {
    "http_log": lambda b: decode_http_log(b, received_ms=NOW_MS),
    "event_hook": lambda b: decode_event_hook(b, received_ms=NOW_MS),
    "generic": lambda b: decode_generic(b, received_ms=NOW_MS, kong_event="services:update"),
    "recorded": lambda b: decode_recorded(b, received_ms=NOW_MS, place="f:1"),
    "items": items,
    "about": intake(lambda b: decode_about(b, at_ms=NOW_MS)),
    "status": intake(decode_status),
    "health": intake(decode_target_health),
    "data_planes": intake(lambda b: decode_data_planes(b, at_ms=NOW_MS)),
    "page": intake(lambda b: decode_page(b, "services")),
    "audited_requests": intake(decode_audited_requests),
    "audited_objects": intake(decode_audited_objects),
}


def check_storable(decoded: Decoded) -> None:
    """Everything in bounds: 64 bits, valid UTF-8, no NUL, columns short, payloads at most 64 KiB."""
    d = decoded
    for record in (*d.events, *d.traffic, *d.entities, *d.plugins, *d.nodes, *d.targets):
        for name, value in msgspec.structs.asdict(record).items():
            check_column(name, value)
    for event in decoded.events:
        assert event.payload is None or len(event.payload) <= MAX_PAYLOAD_BYTES
    for bad in decoded.quarantined:
        assert bad.why
        assert DEFECT not in bad.why
        assert len(bad.raw) <= MAX_PAYLOAD_BYTES
    assert CANARY not in repr(decoded)


def check_column(name: str, value: Any) -> None:
    if isinstance(value, str):
        value.encode()
        assert "\0" not in value, name
        assert len(value) <= LONGEST, name
    elif isinstance(value, int):
        assert INT64_MIN <= value <= INT64_MAX, name
    elif isinstance(value, dict):
        orjson.dumps(value)


def check(body: bytes) -> None:
    """Through every decoder; what is long through those that look further than its outside."""
    for name, decode in DECODERS.items():
        if len(body) > LONG and name not in DEEP:
            continue
        if name == "items" and not is_json(body):
            continue
        try:
            decoded = decode(body)
        except DecodeError as error:
            assert 0 < len(str(error)) < 500, name  # noqa: PT017 - either outcome is right
            assert CANARY not in str(error), name  # noqa: PT017 - as above
            continue
        check_storable(decoded)


def is_json(body: bytes) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def nested(depth: int, opening: str, closing: str, inner: str = "1") -> bytes:
    return (opening * depth + inner + closing * depth).encode()


ENTRY = '{"response":{"status":429,"headers":{"retry-after":"1"}},"request":{"id":"r"},"x":%s}'
EVENT = '{"kind":"plugin","event":"x","deep":%s}'
CRUD = (
    '{"source":"crud","event":"services","operation":"update","schema":"services","entity":{"id":"1","x":%s}}'
)

BOMBS: list[tuple[str, bytes]] = [
    ("100,000 open brackets", b"[" * 100_000),
    ("900 levels of arrays", nested(900, "[", "]")),
    ("900 levels of objects", nested(900, '{"a":', "}")),
    ("a log entry with 300 levels", (ENTRY % ("[" * 300 + "]" * 300)).encode()),
    ("a log entry with 900 levels", (ENTRY % ("[" * 900 + "]" * 900)).encode()),
    ("an event with 900 levels", (EVENT % ("[" * 900 + "]" * 900)).encode()),
    ("a change with 900 levels", (CRUD % ("[" * 900 + "]" * 900)).encode()),
    ("a huge whole number", (EVENT % ("9" * 5_000)).encode()),
    ("a number past 64 bits", (EVENT % (2**64 - 1)).encode()),
    ("1e400", (EVENT % "1e400").encode()),
    ("NaN", (EVENT % "NaN").encode()),
    ("infinity", (EVENT % "-Infinity").encode()),
    ("a lone surrogate", (EVENT % r'"\ud800"').encode()),
    ("a lone surrogate as a name", rb'{"kind":"plugin","event":"\udfff"}'),
    (
        "NUL in every place",
        rb'{"kind":"a\u0000","event":"\u0000","id":"\u0000","consumer":"\u0000","x\u0000":"\u0000"}',
    ),
    ("a byte order mark", b"\xef\xbb\xbf" + (EVENT % "1").encode()),
    ("no UTF-8", (EVENT % '"\xff"').encode("latin-1")),
    ("UTF-16", (EVENT % "1").encode("utf-16")),
    ("duplicate keys", b'{"kind":"cache","kind":"plugin","event":"a","event":"b","id":"1","id":"2"}'),
    ("a string of 1 MiB", (EVENT % f'"{"x" * MIB}"').encode()),
    ("names of 1 MiB", f'{{"kind":"{"k" * MIB}","event":"{"e" * MIB}","consumer":"{"c" * MIB}"}}'.encode()),
    ("a key of 1 MiB", (EVENT % f'{{"{"k" * MIB}":1}}').encode()),
    ("100,000 empty arrays", b"[" + b"[]," * 99_999 + b"[]]"),
    ("100,000 empty objects", b"[" + b"{}," * 99_999 + b"{}]"),
    ("100,000 nulls", b"[" + b"null," * 99_999 + b"null]"),
    ("an event with 100,000 empty objects", (EVENT % ("[" + "{}," * 99_999 + "{}]")).encode()),
    (
        "an event with 50,000 fields",
        ("{" + '"kind":"plugin","event":"x"' + "".join(f',"f{n}":1' for n in range(50_000)) + "}").encode(),
    ),
    ("quotes and backslashes", orjson.dumps({"kind": "plugin", "event": "x", "t": '\\"' * 200_000})),
    ("credentials without end", orjson.dumps({"kind": "plugin", "event": "x", "t": "apikey=" * 100_000})),
    (
        "terminal control",
        rb'{"kind":"plugin","event":"\u001b[2J\u202e","consumer":"<script>alert(1)</script>"}',
    ),
]


@pytest.mark.parametrize("body", [row[1] for row in BOMBS], ids=[row[0] for row in BOMBS])
@pytest.mark.timeout(20)
def test_a_bomb_does_no_harm(body: bytes) -> None:
    check(body)


NAMES = [
    "id",
    "kind",
    "event",
    "source",
    "data",
    "entity",
    "response",
    "status",
    "headers",
    "request",
    "consumer",
    "name",
    "operation",
    "schema",
    "body",
    "ts",
    "path",
    "http_status",
    "received_at",
    "channel",
    "t",
    "events",
    "counts",
    "before",
    "after",
    "plugin_id",
    "entity_type",
    "key",
    "worker",
    "from_wid",
    "config",
    "timestamp",
    "at_ms",
    "node",
    "limits",
    "message",
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)


@given(JUNK)
def test_no_json_breaks_a_decoder(value: Any) -> None:
    try:
        body = orjson.dumps(value)
    except TypeError:  # whole numbers past 64 bits, which JSON can hold and orjson cannot write
        body = msgspec.json.encode(str(value))
    check(body)


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Kong's own payload with one part replaced or removed."""
    junk = st.sampled_from(
        [None, True, -1, 1.5, "", "x" * 400, "\0", [], {}, [None], {"id": {}}, 2**63 - 1, "-"]
    )
    if isinstance(value, dict) and value:
        return st.sampled_from(sorted(value)).flatmap(
            lambda key: st.one_of(
                mutated(value[key]).map(lambda part: {**value, key: part}),
                st.just({k: v for k, v in value.items() if k != key}),
            )
        )
    if isinstance(value, list) and value:
        return mutated(value[0]).map(lambda part: [part, *value[1:]])
    return junk


@given(st.sampled_from(PAYLOADS).flatmap(lambda raw: mutated(orjson.loads(raw))))
def test_no_change_of_a_payload_of_kongs_breaks_a_decoder(value: Any) -> None:
    check(orjson.dumps(value))


@given(st.sampled_from(PAYLOADS), st.data())
def test_no_damage_to_a_payload_of_kongs_breaks_a_decoder(raw: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(raw) - 1))
    junk = data.draw(st.binary(max_size=4))

    check(raw[:place] + junk + raw[place + data.draw(st.integers(0, 8)) :])


def test_decoding_needs_no_more_stack_than_there_is() -> None:
    """The deepest message that is taken, from deep inside an application."""
    deepest = (EVENT % ("[" * 30 + "]" * 30)).encode()

    def call(depth: int) -> Decoded:
        return call(depth - 1) if depth else DECODERS["generic"](deepest)

    assert len(call(sys.getrecursionlimit() // 2).events) == 1
