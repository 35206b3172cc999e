"""JSON objects without secrets, from bytes to bytes: `domain.redaction` decides, part by part, and once.

Of a log entry's hundred values most came before (its route, its service, a client's headers), and most others
cannot hold a secret whatever they are. So `redact` sees each part once: what it made of a part is remembered
by the part's bytes, and what it would surely leave alone stays the bytes that came. What is remembered is in
the memory of this process only, secrets as they came among it.

What comes out is, as JSON, what `redact` makes of the whole: fields of an object and items of a list are
redacted one by one, and `is_plain` holds for no text that it changes. Of duplicate fields the last stays, as
always. tests/collector/wire/test_masked_json.py compares the two.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import orjson

from collector.wire.json_bytes import MAX_DEPTH, load_json, tidied
from collector.wire.raw_json import RawJson, split_array, split_object
from domain.errors import DecodeError
from domain.redaction import is_plain, is_plain_name, redact

KEPT_PARTS = 8_192
MAX_KEPT_BYTES = 2_048
"""Longer parts are worked out each time: what is remembered takes 4 MB as a rule, 35 at most."""
KEPT_NAMES = 2_048
MAX_NAME_CHARS = 100
LONGEST_ALIKE = {"request": 0, "response": 300, "latencies": 0, "tries": 0}
"""Parts of log entries that, above this many bytes, come once only; what is in them may come again."""
SHORT_DIGITS = 18
"""So many are within 64 bits."""
_QUOTE, _BRACE, _BRACKET = _NESTING = b'"{['
_SMALL = re.compile(rb"-?\d{1,18}(?:\.\d{1,20})?(?:[eE][+-]?\d\d?)?|true|false|null").fullmatch
"""Numbers within 64 bits, and what has no inside."""


def masked_object(raw: RawJson, where: str) -> bytes:
    """A JSON object redacted, compact.

    Args:
        raw: The object.
        where: For messages.

    Raises:
        DecodeError: Nested deeper than our bounds, or a whole number past 64 bits.
    """
    try:
        return _object(raw, 1)
    except DecodeError as error:
        raise DecodeError(where, error.problem) from None


def _object(raw: RawJson, depth: int) -> bytes:
    _check(depth)
    parts = []
    for name, part in split_object(raw, "").items():
        prefix = _kept_prefix(name) if len(name) <= MAX_NAME_CHARS else None
        value = bytes(part)
        if prefix is None:
            make = _remembered if len(value) + len(name) <= MAX_KEPT_BYTES else _made
            parts.append(make(_named, value, name, depth))
        elif (value[0] == _QUOTE and is_plain(value)) or (len(value) <= SHORT_DIGITS and value.isdigit()):
            parts.append(prefix + value)  # as in _value: the most common ones, without a call
        else:
            parts.append(prefix + _value(value, depth, LONGEST_ALIKE.get(name, MAX_KEPT_BYTES)))
    return b"{%b}" % b",".join(parts)


def _array(raw: RawJson, depth: int) -> bytes:
    _check(depth)
    return b"[%b]" % b",".join([_value(bytes(part), depth, 0) for part in split_array(raw, "")])


def _check(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError("", f"nested deeper than {MAX_DEPTH} levels")


def _value(raw: bytes, depth: int, longest: int) -> bytes:
    """A value whose name does not matter, inside something at this depth; up to `longest` bytes are kept."""
    first = raw[0]
    if first == _QUOTE:
        if is_plain(raw):
            return raw
    elif first in _NESTING:
        inside = _object if first == _BRACE else _array
        return _remembered(inside, raw, depth + 1) if len(raw) <= longest else inside(raw, depth + 1)
    elif _SMALL(raw):
        return raw
    return _remembered(_leaf, raw) if len(raw) <= MAX_KEPT_BYTES else _leaf(raw)


def _named(raw: bytes, name: str, depth: int) -> bytes:
    """A field whose name may decide what becomes of its value."""
    field = tidied({name: load_json(raw, "")}, "", depth)
    return orjson.dumps(redact(field))[1:-1]


def _leaf(raw: bytes) -> bytes:
    """A text that may hold a secret, or a number that may be too large."""
    return orjson.dumps(redact(tidied(load_json(raw, ""), "")))


@functools.lru_cache(maxsize=KEPT_NAMES)
def _kept_prefix(name: str) -> bytes | None:
    """`"name":`; None where the name says what becomes of the value."""
    return orjson.dumps(name) + b":" if is_plain_name(name) and "\0" not in name else None


def _made(make: Callable[..., bytes], *what: Any) -> bytes:
    return make(*what)


_remembered = functools.lru_cache(maxsize=KEPT_PARTS)(_made)
