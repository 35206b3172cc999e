"""What detectors look at besides traffic: changes, targets, nodes, caches; as it stood at an instant."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from domain.changes import Change
from domain.detectors.scene import Invalidations, NodeFacts, TargetHealth
from domain.kong_entities import reference
from storage.alert_reads import AlertReads
from storage.reading.alert_feed import RareEvent

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
MOST_CHANGES = 5_000
MOST_HEALTH = 5_000
MOST_KEYS_A_MINUTE = 2_000


class Minute:
    """Invalidations of one minute as they come in."""

    __slots__ = ("keys", "nodes")

    def __init__(self) -> None:
        self.nodes: dict[str, int] = {}
        self.keys: dict[tuple[str, str], int] = {}

    def add(self, node: str, key: str) -> None:
        """Count one."""
        self.nodes[node] = self.nodes.get(node, 0) + 1
        place = (node, key)
        if place in self.keys or len(self.keys) < MOST_KEYS_A_MINUTE:
            self.keys[place] = self.keys.get(place, 0) + 1


class Surroundings:
    """What happened besides requests, in event time; older than a day is forgotten."""

    def __init__(self, reads: AlertReads) -> None:
        self._reads = reads
        self.changes: deque[Change] = deque(maxlen=MOST_CHANGES)
        self.health: deque[TargetHealth] = deque(maxlen=MOST_HEALTH)
        self._minutes: dict[int, Minute] = {}
        self._upstreams: dict[str, str] = {}
        self._known: list[tuple[str, str, int]] = []

    def renew(self) -> None:
        """Nodes may have told of other targets: read them again."""
        self._known = self._reads.targets()

    def take(self, events: Iterable[RareEvent]) -> None:
        """Take in events, in order of time."""
        for event in events:
            if event.event.startswith("target_"):
                self._take_health(event)
            elif event.event == "invalidated":
                minute = self._minutes.setdefault(event.at_ms // MINUTE_MS, Minute())
                minute.add(event.node or "an unnamed node", event.key_masked or "?")
            else:
                self._take_change(event)

    def _take_change(self, event: RareEvent) -> None:
        change = change_of(event)
        if change.entity_type == "upstreams" and change.entity_id and change.entity_name:
            self._upstreams[change.entity_id] = change.entity_name
        late = bool(self.changes) and change.at_ms < self.changes[-1].at_ms
        self.changes.append(change)
        if late:
            ordered = sorted(self.changes, key=lambda c: (c.at_ms, c.seq))
            self.changes = deque(ordered, maxlen=MOST_CHANGES)

    def _take_health(self, event: RareEvent) -> None:
        if event.upstream is None or event.target is None:
            return
        name = self._upstreams.get(event.upstream, event.upstream)
        seen = TargetHealth(
            at_ms=event.at_ms,
            upstream=name,
            target=event.target,
            node=event.node,
            is_healthy=event.event == "target_healthy",
        )
        late = bool(self.health) and seen.at_ms < self.health[-1].at_ms
        self.health.append(seen)
        if late:
            self.health = deque(sorted(self.health, key=lambda h: h.at_ms), maxlen=MOST_HEALTH)

    def forget_before(self, at_ms: int) -> None:
        """Drop what is older."""
        while self.changes and self.changes[0].at_ms < at_ms:
            self.changes.popleft()
        while self.health and self.health[0].at_ms < at_ms:
            self.health.popleft()
        for minute in [m for m in self._minutes if (m + 1) * MINUTE_MS < max(at_ms, 0)]:
            del self._minutes[minute]

    def targets(self, now_ms: int) -> Mapping[str, frozenset[str]]:
        """Upstream -> its targets that were there at an instant, as nodes and changes tell."""
        found: dict[str, set[str]] = {}
        for upstream, target, first_ms in self._known:
            if first_ms <= now_ms:
                found.setdefault(self._upstreams.get(upstream, upstream), set()).add(target)
        for change in self.changes:
            if change.entity_type != "targets" or change.at_ms > now_ms or change.entity_name is None:
                continue
            upstream = reference(change.entity, "upstream") or "?"
            held = found.setdefault(self._upstreams.get(upstream, upstream), set())
            (held.discard if change.operation == "delete" else held.add)(change.entity_name)
        return {upstream: frozenset(targets) for upstream, targets in found.items()}

    def invalidations(self, now_ms: int) -> list[Invalidations]:
        """The last hour, by minute, oldest first."""
        newest = now_ms // MINUTE_MS
        found = []
        for minute in sorted(m for m in self._minutes if newest - HOUR_MS // MINUTE_MS <= m <= newest):
            held = self._minutes[minute]
            top = max(held.keys.items(), key=lambda item: item[1], default=None)
            found.append(
                Invalidations(
                    minute=minute,
                    by_node=dict(held.nodes),
                    top_key=None if top is None else top[0][1],
                    top_key_count=0 if top is None else top[1],
                )
            )
        return found


class Nodes:
    """How nodes stood at an instant."""

    def __init__(self, reads: AlertReads) -> None:
        self._reads = reads
        self._states: list[tuple[str, int, str, str]] = []
        self._facts: dict[str, tuple[str, str | None, int | None]] = {}

    def renew(self) -> None:
        """Read them again: tens of nodes, seldom changed."""
        self._states = self._reads.node_states()
        self._facts = self._reads.node_facts()

    def at(self, now_ms: int) -> list[NodeFacts]:
        """The state of every node that nothing took the place of."""
        newest: dict[str, tuple[str, int, str, str]] = {}
        for row in self._states:
            if row[1] <= now_ms:
                newest[row[0]] = row
        found = []
        for node, at_ms, state, reason in newest.values():
            name, replaced_by, expires_ms = self._facts.get(node, (node, None, None))
            if replaced_by is None:
                found.append(
                    NodeFacts(
                        node=node,
                        name=name,
                        state=state,
                        since_ms=at_ms,
                        certificate_expires_ms=expires_ms,
                        detail=reason,
                    )
                )
        return found


def change_of(event: RareEvent) -> Change:
    """A change from its event."""
    return Change(
        seq=event.seq,
        at_ms=event.at_ms,
        entity_type=event.entity_type or event.event.partition(".")[0],
        entity_id=event.entity_id,
        entity_name=event.entity_name,
        operation=event.operation or "update",
        node=event.node,
        actor=event.actor,
        before=_object(event.before),
        after=_object(event.after),
    )


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value = json.loads(text)
    return value if isinstance(value, dict) else None
