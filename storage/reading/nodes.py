"""Nodes and the targets behind upstreams, as the writer left them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from domain.node_states import HEARD_STATES, SEVERITY, Finding, NodeState, expected_hash, reason_of
from domain.nodes import Node
from domain.windows import Window
from storage.codes import COLLECTOR_GONE_MS, FIRST_KEY, KIND_CODES, META_LAST_RECEIVED
from storage.node_rows import (
    FeedRow,
    NodeRow,
    Nodes,
    StateSpan,
    TargetChange,
    TargetRow,
    Targets,
)
from storage.reading.snapshot import Snapshot

MAX_STATES = 20_000
MAX_CHANGES = 2_000
MAX_TARGETS = 5_000
NOT_WATCHED = "nobody watches: the collector does not run"
UNWATCHED_STATES = frozenset((NodeState.LOST, NodeState.NEVER_SEEN))
"""What stays true when nobody watches any more."""


class Watch(NamedTuple):
    """Until when somebody watched."""

    until_ms: int | None
    is_now: bool


def read_nodes(snapshot: Snapshot, now_ms: int) -> Nodes:
    """Every node as it is known at a moment that is not before the last one stored."""
    watch = _read_watch(snapshot, now_ms)
    bodies = snapshot.rows("SELECT body FROM known_nodes")
    known = [msgspec.json.decode(body, type=Node) for (body,) in bodies]
    fleets = _fleets(known)
    rows = [_row(node, fleets.get(_fleet_of(node), (None, 0)), watch, now_ms) for node in known]
    rows.sort(key=lambda row: (SEVERITY.index(NodeState(row.state)), row.name, row.first_seen_ms, row.node))
    return Nodes(rows=tuple(rows), watched_until_ms=watch.until_ms, is_watched=watch.is_now)


def _fleet_of(node: Node) -> tuple[str | None, str | None]:
    return node.role, node.control_plane


def _fleets(nodes: Sequence[Node]) -> dict[tuple[str | None, str | None], tuple[str | None, int]]:
    """Of each fleet: the configuration hash that is expected, and how many nodes that are there have one."""
    hashes: dict[tuple[str | None, str | None], dict[str, tuple[str, int]]] = {}
    for node in nodes:
        if node.config_hash is not None and node.state in HEARD_STATES:
            hashes.setdefault(_fleet_of(node), {})[node.node] = (node.config_hash, node.hash_since_ms)
    return {fleet: (expected_hash(found), len(found)) for fleet, found in hashes.items()}


def _reason(node: Node, now_ms: int) -> str:
    """Why it is in its state; how long it has been silent is told as of now."""
    if node.replaced_by is None and node.state in {NodeState.LATE, NodeState.LOST}:
        return reason_of(node.feeds.values(), Finding.QUIET, now_ms)
    return node.reason


def _row(node: Node, fleet: tuple[str | None, int], watch: Watch, now_ms: int) -> NodeRow:
    is_known = watch.is_now or node.state in UNWATCHED_STATES
    expected, fleet_nodes = fleet
    return NodeRow(
        node=node.node,
        hostname=node.hostname,
        version=node.version,
        role=node.role,
        state=(node.state if is_known else NodeState.UNKNOWN).value,
        since_ms=node.since_ms if is_known else watch.until_ms or node.since_ms,
        reason=_reason(node, now_ms) if is_known else NOT_WATCHED,
        first_seen_ms=node.first_seen_ms,
        last_seen_ms=node.last_seen_ms,
        feeds=tuple(
            FeedRow(
                feed=feed.feed,
                last_ms=feed.last_ms,
                every_s=feed.every_s,
                problem=feed.problem,
                problem_ms=feed.problem_ms,
                is_telling=feed.is_telling,
            )
            for feed in node.feeds.values()
        ),
        place=node.place,
        control_plane=node.control_plane,
        config_hash=node.config_hash,
        expected_hash=expected,
        fleet_nodes=fleet_nodes,
        complaint=node.complaint,
        restarts=node.restarts,
        started_ms=node.started_ms,
        replaces=node.replaces,
        replaced_by=node.replaced_by,
        is_place_only=node.is_place_only,
        facts=node.facts,
    )


def _read_watch(snapshot: Snapshot, now_ms: int) -> Watch:
    """The collector's own word where there is one; else when something last arrived."""
    beat_ms = snapshot.value("SELECT beat_ms FROM collector_status")
    if beat_ms is None:
        beat_ms = snapshot.value("SELECT value FROM meta WHERE name = ?", (META_LAST_RECEIVED,))
    return Watch(beat_ms, beat_ms is not None and now_ms - beat_ms <= COLLECTOR_GONE_MS)


def read_node_history(snapshot: Snapshot, window: Window, now_ms: int) -> tuple[StateSpan, ...]:
    """The states of every node in a window, by node and time; no span where it was not known yet.

    A state goes on until the next one, and no further than somebody watched: after that it is unknown.
    """
    watch = _read_watch(snapshot, now_ms)
    rows = snapshot.rows(
        "SELECT s.node, s.at_ms, s.state, s.reason FROM node_states s WHERE s.at_ms < ? AND s.at_ms >="
        " coalesce((SELECT max(b.at_ms) FROM node_states b WHERE b.node = s.node AND b.at_ms <= ?), 0)"
        f" ORDER BY s.node, s.at_ms, s.state LIMIT {MAX_STATES}",
        (window.to_ms, window.from_ms),
    )
    end_ms = min(window.to_ms, now_ms if watch.is_now else watch.until_ms or window.to_ms)
    found: list[StateSpan] = []
    for place, (node, at_ms, state, reason) in enumerate(rows):
        following = rows[place + 1] if place + 1 < len(rows) else None
        is_last = following is None or following[0] != node
        to_ms = max(end_ms, at_ms) if is_last or following is None else following[1]
        found += _cut(node, at_ms, to_ms, state, reason, window)
        if is_last and state not in {s.value for s in UNWATCHED_STATES}:
            found += _cut(node, to_ms, min(window.to_ms, now_ms), "unknown", NOT_WATCHED, window)
        elif is_last:
            found += _cut(node, to_ms, min(window.to_ms, now_ms), state, reason, window)
    return tuple(found)


def _cut(node: str, from_ms: int, to_ms: int, state: str, reason: str, window: Window) -> list[StateSpan]:
    from_ms, to_ms = max(from_ms, window.from_ms), min(to_ms, window.to_ms)
    if from_ms >= to_ms:
        return []
    return [StateSpan(node=node, from_ms=from_ms, to_ms=to_ms, state=state, reason=reason)]


def read_targets(snapshot: Snapshot, window: Window) -> Targets:
    """What is known of targets, and how their health changed in a window."""
    now = [
        TargetRow(
            node=node or None,
            upstream=upstream,
            target=target,
            health=health,
            since_ms=since_ms,
            first_ms=first_ms,
            confirmed_ms=confirmed_ms,
        )
        for node, upstream, target, health, since_ms, first_ms, confirmed_ms in snapshot.rows(
            "SELECT node, upstream, target, health, since_ms, first_ms, confirmed_ms FROM known_targets"
            f" ORDER BY upstream, target, node LIMIT {MAX_TARGETS}"
        )
    ]
    inside = _read_changes(snapshot, window.from_ms, window.to_ms)
    before = {
        (change.node, change.upstream, change.target): change
        for change in reversed(_read_changes(snapshot, 0, window.from_ms)[:MAX_CHANGES])
    }
    changes = sorted([*before.values(), *inside[:MAX_CHANGES]], key=lambda change: change.at_ms)
    return Targets(now=tuple(now), changes=tuple(changes), is_cut=len(inside) > MAX_CHANGES)


def _read_changes(snapshot: Snapshot, from_ms: int, to_ms: int) -> list[TargetChange]:
    """Newest first, one more than may be shown."""
    rows = snapshot.rows(
        f"SELECT e.at_ms, CASE WHEN e.node >= {FIRST_KEY} THEN n.value END, u.value, t.value, h.value"
        " FROM events e INDEXED BY events_by_kind JOIN event_details d ON d.seq = e.seq"
        " JOIN keys n ON n.key_id = e.node JOIN keys t ON t.key_id = d.target"
        " JOIN keys u ON u.key_id = d.upstream JOIN keys h ON h.key_id = d.health"
        " WHERE e.kind = ? AND e.kind > 1 AND e.at_ms >= ? AND e.at_ms < ?"
        f" ORDER BY e.at_ms DESC, e.seq DESC LIMIT {MAX_CHANGES + 1}",
        (KIND_CODES["cluster"], from_ms, to_ms),
    )
    return [
        TargetChange(at_ms=at_ms, node=node, upstream=upstream, target=target, health=health)
        for at_ms, node, upstream, target, health in rows
    ]
