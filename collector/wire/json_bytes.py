"""The one JSON parser: what it lets through can be stored and encoded again.

orjson refuses NaN, lone surrogates, byte order marks and control characters, and keeps the last of
duplicate keys. What it lets through and a store cannot take is bounded here: nesting (orjson decodes about
1,000 levels and encodes 254), whole numbers past 64 bits, and NUL (SQLite's text functions stop there).
"""

from __future__ import annotations

from typing import Any

import orjson

from domain.errors import DecodeError, excerpt
from domain.redaction import redact_text

MAX_DEPTH = 32
"""Levels of nesting. Kong's deepest log entry has 6, its deepest plugin configuration about 10."""
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EXCERPT_BYTES = 400
"""More than a message shows, so that a secret is not cut before it can be recognised."""
_NESTING = frozenset((dict, list))
NUL_SHOWN = "\ufffd"
"""What a NUL character becomes."""


def parse_json(raw: bytes, where: str) -> Any:
    """Read one JSON value within our bounds.

    Raises:
        DecodeError: Not JSON, nested deeper than 32 levels, or a whole number past 64 bits.
    """
    return tidied(load_json(raw, where), where)


def load_json(raw: bytes, where: str) -> Any:
    """Read one JSON value, its bounds not yet checked: for hot paths that pick single fields.

    Whatever is kept whole must go through `tidied` first.

    Raises:
        DecodeError: Not JSON.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        found = excerpt(redact_text(raw[:EXCERPT_BYTES].decode("utf-8", "backslashreplace"))) or "nothing"
        raise DecodeError(where, f"not JSON ({error.msg}, at byte {error.pos}): {found}") from None


def tidied(value: Any, where: str, depth: int = 1) -> Any:
    """The same value, within our bounds and with NUL characters replaced; itself where nothing is amiss.

    Args:
        value: Of JSON.
        where: For messages.
        depth: How deep it lies in its message; 1 is the message itself.

    Raises:
        DecodeError: Nested deeper than 32 levels, or a whole number past 64 bits.
    """
    if isinstance(value, dict | list) and _is_tidy(value, depth):
        return value
    return _tidied(value, where, depth)


def _is_tidy(value: Any, depth: int) -> bool:
    """Whether nothing would change: looking takes a third of the time of making a copy."""
    if depth > MAX_DEPTH:
        return False
    if type(value) is dict:
        if any("\0" in key for key in value):
            return False
        value = value.values()
    for item in value:
        kind = type(item)
        if kind is str:
            is_tidy = "\0" not in item
        elif kind is int:
            is_tidy = INT64_MIN <= item <= INT64_MAX
        else:
            is_tidy = kind not in _NESTING or _is_tidy(item, depth + 1)
        if not is_tidy:
            return False
    return True


def _tidied(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, str):
        return value.replace("\0", NUL_SHOWN) if "\0" in value else value
    if isinstance(value, dict):
        _check_depth(depth, where)
        return {_tidied(k, where, depth): _tidied(v, where, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        _check_depth(depth, where)
        return [_tidied(v, where, depth + 1) for v in value]
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        raise DecodeError(where, f"whole number {value}, expected at most 64 bits")
    return value


def _check_depth(depth: int, where: str) -> None:
    if depth > MAX_DEPTH:
        raise DecodeError(where, f"nested deeper than {MAX_DEPTH} levels")
