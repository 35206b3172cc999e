"""Kong's declarative configuration: one entity as text to paste into it, and pasted text as entities.

Format 3.0 (kong/db/declarative, 3.9.3). Text is JSON, which is YAML as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.kong_entities import COLLECTIONS, NEVER_SENT, collection_of, plain

FORMAT_VERSION = "3.0"


def fragment_of(entity_type: str, entity: Mapping[str, Any]) -> str:
    """One entity as declarative configuration; what it belongs to is named by its id."""
    foreign = {field for field, _ in collection_of(entity_type).parents}
    kept = {k: v for k, v in plain(entity).items() if k not in NEVER_SENT | {"created_at"}}
    told = {
        k: v["id"] if k in foreign and isinstance(v, Mapping) and "id" in v else v for k, v in kept.items()
    }
    return json.dumps({"_format_version": FORMAT_VERSION, entity_type: [told]}, indent=2, ensure_ascii=False)


def entities_in(value: Any) -> list[tuple[str, dict[str, Any]]]:
    """(collection, entity) of a decoded fragment, parents first.

    References may be `{"id": ...}` or a bare id.

    Raises:
        ValueError: It is no declarative configuration; the message says what was found and expected.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a declarative fragment is an object such as {'plugins': [{...}]}")  # noqa: TRY004 - one kind of error for whoever pasted it
    found: list[tuple[str, dict[str, Any]]] = []
    for name, entities in value.items():
        if str(name).startswith("_"):
            continue
        if name not in COLLECTIONS:
            raise ValueError(
                f"{name!r} is no collection that is known here: {', '.join(sorted(COLLECTIONS))}"
            )
        if not isinstance(entities, list) or not all(isinstance(e, Mapping) for e in entities):
            raise ValueError(f"{name}: expected a list of objects")
        found += [(name, _with_references(name, entity)) for entity in entities]
    if not found:
        raise ValueError("the fragment holds no entity")
    return sorted(found, key=lambda item: depth(item[0]))


def _with_references(entity_type: str, entity: Mapping[str, Any]) -> dict[str, Any]:
    foreign = {field for field, _ in collection_of(entity_type).parents}
    return {
        str(k): {"id": v} if k in foreign and isinstance(v, str) else v
        for k, v in entity.items()
        if k not in NEVER_SENT
    }


def depth(entity_type: str) -> int:
    """How far from those that belong to nothing: parents have a smaller one than their children."""
    parents = [c for _, c in collection_of(entity_type).parents if c != entity_type]
    return 1 + max((depth(parent) for parent in parents), default=-1)
