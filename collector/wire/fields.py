"""One value of a JSON object as a bound column may hold it: short text, an address, a whole number."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from collections.abc import Mapping
from typing import Any

import orjson

from collector.wire.json_bytes import INT64_MAX, INT64_MIN, NUL_SHOWN
from domain.errors import excerpt
from domain.redaction import redact_text

MAX_TEXT_CHARS = 300
"""Longer texts are cut: Kong's own names end at 255, and a column is for reading, not for keeping."""
CACHED_ADDRESSES = 65_536
"""About 10 MB. Reading an address takes 2 to 6 us, looking one up 0.1."""


def text(value: Any) -> str | None:
    """Text for a column: cut at 300 characters, NUL replaced; None for empty text and for anything else."""
    if not isinstance(value, str) or not value:
        return None
    cut: str = value[:MAX_TEXT_CHARS] if len(value) > MAX_TEXT_CHARS else value
    return cut.replace("\0", NUL_SHOWN) if "\0" in cut else cut


def integer(value: Any) -> int | None:
    """A whole number of 64 bits, also from digits or a float without a fraction; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < 2**53 else None
    elif isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None  # noqa: PLR2004 - fits 64 bits
    if not isinstance(value, int):
        return None
    return value if INT64_MIN <= value <= INT64_MAX else None


def address(value: Any) -> str | None:
    """An IP address in its canonical form, `::ffff:` mapped ones as IPv4; other text escaped and cut."""
    if type(value) is not str or not value:
        return None
    return _canonical(value[:MAX_TEXT_CHARS])


@functools.lru_cache(maxsize=CACHED_ADDRESSES)
def _canonical(value: str) -> str:
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        return value.encode("unicode_escape").decode("ascii")[:MAX_TEXT_CHARS]
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def shown(value: Any) -> str:
    """A value as a message names it: `missing`, `an object`, or an excerpt of it without secrets."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, str):
        value = redact_text(value[:MAX_TEXT_CHARS])
    return "missing" if value is None else excerpt(repr(value))


def mapping(value: Any) -> Mapping[str, Any]:
    """The object itself, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def reference(value: Any) -> str | None:
    """The id of `{"id": ...}`, or the text itself."""
    return text(value.get("id")) if isinstance(value, dict) else text(value)


def digest(*parts: Any) -> str:
    """32 hexadecimal digits that are equal for equal JSON values, whatever the order of their keys.

    Raises:
        TypeError: A value is nested too deeply to be encoded.
    """
    data = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=16).hexdigest()
