"""What nodes dropped from their caches, and the changes around it."""

from __future__ import annotations

from typing import Any

from domain.events import Kind
from domain.windows import Window
from storage.codes import FIRST_KEY, KIND_CODES, NONE_KEY
from storage.node_rows import CacheEvent, CachePast, ChurnRow, ConfigEvent, KindSeries, Push
from storage.packing import load_json
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Kept, buckets
from storage.reading.words import as_list

MAX_EVENTS = 5_000
"""One by one: about 40 ms."""
MAX_CHANGES = 300
MAX_CHURN_EVENTS = 50_000
MAX_PUSHES = 500
AROUND_MS = 20_000
"""A change just before the window explains what was dropped in it."""

_IN_WINDOW = "WHERE e.kind = ? AND e.kind > 1 AND e.at_ms >= ? AND e.at_ms < ?"


def read_kind_series(
    snapshot: Snapshot, window: Window, kept: Kept, bucket_ms: int, kind: str, by: str, event: str | None
) -> KindSeries:
    """Events of one kind per bucket, split by `entity_type` or `node`.

    Args:
        snapshot: The store.
        window: What to count.
        kept: What retention has left.
        bucket_ms: Width of a bucket; wider where finer totals are gone.
        kind: Of the events.
        by: The column to split by.
        event: Only events of this name; None counts all.
    """
    if by not in {"entity_type", "node"}:
        raise ValueError(f"events are not counted by {by!r}, expected entity_type or node")
    shape = buckets(window, bucket_ms, kept)
    types = snapshot.rows(
        "SELECT type_id FROM event_types WHERE kind = ? AND event = coalesce(?, event)", (kind, event)
    )
    rows = snapshot.rows(
        f"SELECT bucket_s, {by}, sum(n) FROM kind_counts WHERE res = ? AND bucket_s >= ? AND bucket_s < ?"
        f" AND type_id IN (SELECT value FROM json_each(?)) GROUP BY bucket_s, {by}",
        (shape.res, shape.from_ms // 1000, shape.to_ms // 1000, as_list(row[0] for row in types)),
    )
    counts: dict[int, list[int]] = {}
    for bucket_s, key, n in rows:
        place = (bucket_s * 1000 - shape.from_ms) // shape.width_ms
        counts.setdefault(key, [0] * shape.n)[place] += n
    names = dict(
        snapshot.rows(
            "SELECT k.key_id, k.value FROM json_each(?) j CROSS JOIN keys k ON k.key_id = j.value",
            (as_list(counts),),
        )
    )
    groups = [
        ("" if key == NONE_KEY else names.get(key, ""), tuple(values)) for key, values in counts.items()
    ]
    groups.sort(key=lambda group: (-sum(group[1]), group[0]))
    return KindSeries(from_ms=shape.from_ms, bucket_ms=shape.width_ms, buckets=shape.n, groups=tuple(groups))


def read_cache_past(snapshot: Snapshot, window: Window) -> CachePast:
    """The newest 5,000 things that happened to caches in a window, and the changes around them."""
    rows = snapshot.rows(
        f"SELECT e.at_ms, CASE WHEN e.node >= {FIRST_KEY} THEN n.value END, t.event, c.value, y.value,"
        " d.entity_id, d.key_masked FROM events e INDEXED BY events_by_kind"
        " JOIN event_types t ON t.type_id = e.type_id JOIN keys n ON n.key_id = e.node"
        " LEFT JOIN event_details d ON d.seq = e.seq LEFT JOIN keys c ON c.key_id = d.cache"
        " LEFT JOIN keys y ON y.key_id = d.entity_type"
        f" {_IN_WINDOW} ORDER BY e.at_ms DESC, e.seq DESC LIMIT {MAX_EVENTS + 1}",
        (KIND_CODES[Kind.CACHE.value], window.from_ms, window.to_ms),
    )
    events = [
        CacheEvent(
            at_ms=at_ms,
            node=node,
            event=event,
            cache=cache,
            entity_type=entity_type,
            entity_id=entity_id,
            key_masked=key_masked,
        )
        for at_ms, node, event, cache, entity_type, entity_id, key_masked in reversed(rows[:MAX_EVENTS])
    ]
    from_ms = events[0].at_ms if len(rows) > MAX_EVENTS else window.from_ms
    return CachePast(
        events=tuple(events),
        changes=_read_changes(snapshot, Window(min(from_ms, window.to_ms) - AROUND_MS, window.to_ms)),
        from_ms=from_ms,
    )


def _read_changes(snapshot: Snapshot, window: Window) -> tuple[ConfigEvent, ...]:
    rows = snapshot.rows(
        f"SELECT e.seq, e.at_ms, CASE WHEN e.node >= {FIRST_KEY} THEN n.value END, y.value, d.entity_id,"
        " d.entity_name, o.value, a.value, coalesce(d.after, d.before)"
        " FROM events e INDEXED BY events_by_kind JOIN event_details d ON d.seq = e.seq"
        " JOIN keys n ON n.key_id = e.node JOIN keys y ON y.key_id = d.entity_type"
        " JOIN keys o ON o.key_id = d.operation LEFT JOIN keys a ON a.key_id = d.actor"
        f" {_IN_WINDOW} ORDER BY e.at_ms DESC, e.seq DESC LIMIT {MAX_CHANGES}",
        (KIND_CODES[Kind.CRUD.value], window.from_ms, window.to_ms),
    )
    return tuple(
        ConfigEvent(
            seq=seq,
            at_ms=at_ms,
            node=node,
            entity_type=entity_type,
            entity_id=entity_id,
            entity_name=entity_name,
            operation=operation,
            actor=actor,
            scope=_scope(entity_type, load_json(entity)),
        )
        for seq, at_ms, node, entity_type, entity_id, entity_name, operation, actor, entity in reversed(rows)
    )


def _scope(entity_type: str, entity: Any) -> tuple[str | None, str | None, str | None]:
    if not isinstance(entity, dict):
        return None, None, None
    if entity_type == "targets":
        return _id_in(entity, "upstream"), None, None
    return _id_in(entity, "route"), _id_in(entity, "service"), _id_in(entity, "consumer")


def _id_in(entity: dict[str, Any], field: str) -> str | None:
    found = entity.get(field)
    found = found.get("id") if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def read_churn(snapshot: Snapshot, window: Window, limit: int) -> tuple[ChurnRow, ...]:
    """Keys that were dropped most often, of the newest 50,000 in a window; only those dropped twice or more.

    A key that every node drops once was dropped once: a row counts the most that any one node did. Keys of
    credentials are masked whole, so that they cannot be told apart, and are left out.
    """
    rows = snapshot.rows(
        "SELECT key_masked, cache, entity_type, max(n), count(*), min(first_ms), max(last_ms) FROM ("
        " SELECT d.key_masked, d.cache, d.entity_type, e.node, count(*) AS n,"
        " min(e.at_ms) AS first_ms, max(e.at_ms) AS last_ms"
        " FROM (SELECT seq, node, at_ms FROM events INDEXED BY events_by_kind"
        " WHERE kind = ? AND kind > 1 AND at_ms >= ? AND at_ms < ?"
        f" ORDER BY at_ms DESC, seq DESC LIMIT {MAX_CHURN_EVENTS}) e"
        " JOIN event_details d ON d.seq = e.seq WHERE d.key_masked IS NOT NULL"
        " AND instr(d.key_masked, '[redacted') = 0"
        " GROUP BY d.key_masked, d.cache, d.entity_type, e.node)"
        " GROUP BY key_masked, cache, entity_type HAVING max(n) > 1"
        " ORDER BY 4 DESC, 1, 2 NULLS FIRST, 3 NULLS FIRST LIMIT ?",
        (KIND_CODES[Kind.CACHE.value], window.from_ms, window.to_ms, limit),
    )
    names = dict(
        snapshot.rows(
            "SELECT k.key_id, k.value FROM json_each(?) j CROSS JOIN keys k ON k.key_id = j.value",
            (as_list({key for row in rows for key in row[1:3] if key is not None}),),
        )
    )
    return tuple(
        ChurnRow(
            key_masked=key_masked,
            cache=names.get(cache),
            entity_type=names.get(entity_type),
            count=count,
            nodes=nodes,
            first_ms=first_ms,
            last_ms=last_ms,
        )
        for key_masked, cache, entity_type, count, nodes, first_ms, last_ms in rows
    )


def read_pushes(snapshot: Snapshot, window: Window) -> tuple[Push, ...]:
    """Configurations that nodes took as a whole, newest first."""
    rows = snapshot.rows(
        f"SELECT e.at_ms, CASE WHEN e.node >= {FIRST_KEY} THEN n.value END"
        " FROM events e INDEXED BY events_by_kind JOIN keys n ON n.key_id = e.node"
        f" {_IN_WINDOW} AND e.type_id IN (SELECT type_id FROM event_types WHERE event = 'config_pushed')"
        f" ORDER BY e.at_ms DESC, e.seq DESC LIMIT {MAX_PUSHES}",
        (KIND_CODES[Kind.CLUSTER.value], window.from_ms, window.to_ms),
    )
    return tuple(Push(at_ms=at_ms, node=node) for at_ms, node in rows)
