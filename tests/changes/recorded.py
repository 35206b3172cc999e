"""The recorded changes of the trace alpha, in clear as Kong told them and as they are stored."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from domain.changes import Change
from domain.kong_entities import name_of
from domain.redaction import redact_change


def crud_events(alpha: Path) -> list[dict[str, Any]]:
    """`{at_ms, operation, schema, entity, old_entity?}` of every `dao:crud` event, in order of time."""
    found = []
    with gzip.open(alpha / "kong-events.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            seen = json.loads(line)
            if seen.get("source") != "dao:crud":
                continue
            data = seen["data"]
            data["schema"] = data["schema"]["<schema>"]
            found.append({**data, "at_ms": round(seen["ts"] * 1000), "node": seen["node"]})
    return sorted(found, key=lambda event: event["at_ms"])


def change_of(event: dict[str, Any], seq: int, *, masked: bool = False) -> Change:
    """A recorded event as a change; with its secrets masked where it is as stored."""
    name, operation, entity = event["schema"], event["operation"], event["entity"]
    before = entity if operation == "delete" else event.get("old_entity")
    after = None if operation == "delete" else entity
    if masked:
        before, after = redact_change(before, after, collection=name)
    return Change(
        seq=seq,
        at_ms=event["at_ms"],
        entity_type=name,
        entity_id=entity["id"],
        entity_name=name_of(name, entity),
        operation=operation,
        before=before,
        after=after,
    )
