"""Moments to draw into every time chart: changes, what happened to nodes, and gaps."""

from __future__ import annotations

from domain.events import Kind
from domain.windows import Window
from storage.codes import KIND_CODES
from storage.reading.event_rows import COLUMNS, to_records
from storage.reading.snapshot import Snapshot
from storage.reading.trouble import read_gaps
from storage.rows import EventRow, Marker

MAX_MARKERS = 500
NODE_EVENTS = {
    "node_started": "started",
    "node_lost": "lost",
    "node_recovered": "recovered",
    "config_drifted": "has another configuration",
}
"""Signs of life and the health of targets come too often to be drawn."""


def read_markers(snapshot: Snapshot, window: Window) -> tuple[Marker, ...]:
    """Oldest first; of more than 500 the newest."""
    changes = [_change(row) for row in _events(snapshot, window, Kind.CRUD, ())]
    nodes = [_node(row) for row in _events(snapshot, window, Kind.CLUSTER, tuple(NODE_EVENTS))]
    gaps = [
        Marker(at_ms=gap.from_ms, to_ms=gap.to_ms, kind="gap", text=f"{gap.source}: {gap.cause}")
        for gap in read_gaps(snapshot, window, MAX_MARKERS)
    ]
    newest = sorted([*changes, *nodes, *gaps], key=lambda marker: (marker.at_ms, marker.kind, marker.text))
    return tuple(newest[-MAX_MARKERS:])


def _events(snapshot: Snapshot, window: Window, kind: Kind, names: tuple[str, ...]) -> tuple[EventRow, ...]:
    types = [
        type_id
        for type_id, event in snapshot.rows(
            "SELECT type_id, event FROM event_types WHERE kind = ?", (str(kind),)
        )
        if not names or event in names
    ]
    if not types:
        return ()
    rows = snapshot.rows(
        f"SELECT {COLUMNS} FROM events INDEXED BY events_by_kind WHERE kind = ? AND kind > 1"
        f" AND at_ms >= ? AND at_ms < ? AND type_id IN ({', '.join('?' * len(types))})"
        f" ORDER BY at_ms DESC, seq DESC LIMIT {MAX_MARKERS}",
        (KIND_CODES[str(kind)], window.from_ms, window.to_ms, *types),
    )
    return to_records(snapshot, rows)


def _change(row: EventRow) -> Marker:
    what = " ".join(part for part in (row.entity_type, row.entity_name or row.entity_id) if part)
    who = f" by {row.actor}" if row.actor else ""
    done = f"{row.operation}d" if row.operation in {"create", "update", "delete"} else row.event
    return Marker(at_ms=row.at_ms, to_ms=None, kind="change", text=f"{what} {done}{who}".strip())


def _node(row: EventRow) -> Marker:
    name = row.entity_name or row.node or "a node"
    text = f"{name} {NODE_EVENTS[row.event]}"
    return Marker(at_ms=row.at_ms, to_ms=None, kind="node", text=text)
