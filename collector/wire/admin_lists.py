"""Lists of Kong's Admin API, a page at a time: entities with their names, and plugins.

| function | path | gives |
|---|---|---|
| `decode_page` | `/services`, `/plugins`, ... | `Page`: entities, and the path of the next page |
| `entities_decoded`, `plugins_decoded` | | entities of such pages -> `Decoded` |

Shapes: kong/api/endpoints.lua, 3.9.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from collector.wire.changes import NAMED, entity_seen, plugin_seen
from collector.wire.fields import integer, shown, text
from collector.wire.json_bytes import parse_json
from domain.errors import DecodeError, excerpt
from domain.events import Decoded
from domain.redaction import redact_text


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    items: tuple[dict[str, Any], ...]
    next_path: str | None
    """Where the next page is, query included; None on the last one."""


def decode_page(body: bytes, collection: str) -> Page:
    """Read one page of a list, such as `GET /services?size=1000`.

    Args:
        body: The answer.
        collection: Kong's name of what is listed, for messages.

    Raises:
        DecodeError: Not a list.
    """
    return page_of(parse_json(body, f"admin /{collection}"), collection)


def page_of(value: Any, collection: str) -> Page:
    """The same from a JSON value within our bounds.

    Raises:
        DecodeError: Not a list.
    """
    return Page(items=tuple(items_of(value, f"admin /{collection}")), next_path=next_path_of(value))


def entities_decoded(collection: str, items: Iterable[Mapping[str, Any]], *, at_ms: int) -> Decoded:
    """Names of listed consumers, services, routes or upstreams; nothing for other collections."""
    decoded = Decoded(entries=1)
    if collection in NAMED:
        for item in items:
            decoded.entities += entity_seen(collection, item, at_ms)
    return decoded


def plugins_decoded(items: Iterable[Mapping[str, Any]], *, at_ms: int, complete: bool) -> Decoded:
    """Listed plugins: each as it has been since Kong last updated it.

    Args:
        items: Of one page, or of all of them.
        at_ms: When the list was read.
        complete: `items` is the whole list: plugins that are not in it are gone.
    """
    decoded = Decoded(entries=1, plugins_complete=complete)
    for item in items:
        decoded.plugins += plugin_seen(item, _unchanged_since_ms(item, at_ms))
    return decoded


def _unchanged_since_ms(item: Mapping[str, Any], at_ms: int) -> int:
    """Since when a listed entity has been as it is: Kong's `updated_at`, in seconds."""
    updated_s = integer(item.get("updated_at"))
    return at_ms if updated_s is None or updated_s <= 0 else min(updated_s * 1000, at_ms)


def object_of(value: Any, where: str) -> dict[str, Any]:
    """The object that an answer is.

    Raises:
        DecodeError: It is none, or an error that Kong answers with.
    """
    if not isinstance(value, dict):
        raise DecodeError(where, "expected an object")
    if isinstance(value.get("message"), str) and "data" not in value and "node_id" not in value:
        problem = excerpt(redact_text(value["message"]))
        raise DecodeError(where, f"Kong answers with an error (code {shown(value.get('code'))}): {problem}")
    return value


def items_of(value: Any, where: str) -> list[dict[str, Any]]:
    """What a list answer holds.

    Raises:
        DecodeError: It is no list of objects.
    """
    items = object_of(value, where).get("data")
    if isinstance(items, dict) and not items:
        return []  # an empty Lua table
    if not isinstance(items, list):
        raise DecodeError(where, f"data is {shown(items)}, expected a list")
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise DecodeError(f"{where} item {number} of {len(items)}", "expected an object")
    return items


def next_path_of(value: Mapping[str, Any]) -> str | None:
    """The path of the next page; only the path, so that no answer can send us to another host."""
    found = text(value.get("next"))
    if found is None:
        return None
    parts = urllib.parse.urlsplit(found)
    return urllib.parse.urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, ""))
