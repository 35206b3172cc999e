"""The columns of an event that most events do not have: what changed, in which cache, on which target."""

from __future__ import annotations

import json
from typing import Any

from domain.events import Event
from storage.codes import Dim
from storage.writing.keys import KeyBook, check_text

MAX_JSON_CHARS = 1_048_576
Details = tuple[Any, ...]
"""A row of `event_details` after its `seq`."""


def details_of(event: Event, keys: KeyBook) -> Details | None:
    """The details of an event; None when it has none, as no request has.

    Raises:
        ValueError: A text cannot be stored.
    """
    if (
        event.entity_type is None and event.entity_id is None and event.entity_name is None
        and event.operation is None and event.actor is None and event.cache is None
        and event.key_masked is None and event.upstream is None and event.target is None
        and event.health is None and event.before is None and event.after is None
    ):  # fmt: skip
        return None
    words = (
        event.entity_type,
        event.operation,
        event.actor,
        event.cache,
        event.upstream,
        event.target,
        event.health,
    )
    texts = (event.entity_id, event.entity_name, event.key_masked)
    for text in texts:
        if text is not None:
            check_text(text)
    entity_type, operation, actor, cache, upstream, target, health = (
        None if word is None else keys.key(Dim.TEXT, word) for word in words
    )
    return (
        entity_type,
        event.entity_id,
        event.entity_name,
        operation,
        actor,
        cache,
        event.key_masked,
        upstream,
        target,
        health,
        _as_json(event.before),
        _as_json(event.after),
    )


def _as_json(value: dict[str, Any] | None) -> str | None:
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    check_text(text, MAX_JSON_CHARS)
    return text
