"""All nodes that were ever heard of, and how their states change as signs come in and time passes.

Pure: the caller says what was heard and what time it is, and writes down what follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.events import NodeSeen
from domain.node_states import (
    DRIFT_AFTER_MS,
    HEARD_STATES,
    RHYTHMS,
    Feed,
    Finding,
    NodeState,
    event_of,
    expected_hash,
    misfit,
    next_state,
    presence,
    reason_of,
)
from domain.nodes import Node, Transition, stream_place, transition_of
from domain.successions import Successions

NEVER_MS = 2**62
_FleetKey = tuple[str | None, str | None]


def _fleet_of(node: Node) -> _FleetKey:
    """What nodes have in common that should run one configuration."""
    return node.role, node.control_plane


class Fleet:
    """The nodes by id.

    Args:
        nodes: As they were when they were last written down.
        clock_ms: Until when they were watched then.
        watched_since_ms: Since when they are watched without a pause; None for a recording that is played.
    """

    def __init__(
        self,
        nodes: Iterable[Node] = (),
        clock_ms: int | None = None,
        watched_since_ms: int | None = None,
    ) -> None:
        self.nodes: dict[str, Node] = {node.node: node for node in nodes}
        self.clock_ms = clock_ms
        self.changed: set[str] = set()
        """Nodes that differ from what was written down last; the caller clears it."""
        self.removed: set[str] = set()
        """Addresses that stood for a node whose id is known by now; the caller clears it."""
        self.starts: dict[tuple[str, int], bool] = {}
        """(node, moment) of starts that nodes told of -> whether they are news; the caller clears it."""
        self._transitions: list[Transition] = []
        self._watched_since_ms = watched_since_ms
        self._next_due_ms = 0
        """No node is due before; it may be that none is due then either."""
        self._expected: dict[_FleetKey, str | None] = {}
        self._successions = Successions(self.nodes)

    # ---- what the caller says

    def resume(self, now_ms: int) -> None:
        """We listen from now on. What happened since the nodes were last watched is not known.

        The same holds when the clock was set: then nobody watched the time that was left out, and nothing
        that was heard can be in the future.
        """
        if self.clock_ms is not None and self.clock_ms > now_ms:
            self.clock_ms = now_ms
            for node in self.nodes.values():
                node.not_after(now_ms)
            self.changed.update(self.nodes)
        self._watched_since_ms = now_ms
        newest_ms = max((node.last_seen_ms or 0 for node in self.nodes.values()), default=now_ms)
        until_ms = min(now_ms, newest_ms if self.clock_ms is None else self.clock_ms)
        for node in [node for node in self.nodes.values() if node.is_place_only]:
            self._remove(node.node)
        for node in self.nodes.values():
            if node.replaced_by is None:
                if presence(node.feeds.values(), now_ms, now_ms).finding is not Finding.HEARD:
                    self._find(node, Finding.UNWATCHED, max(node.since_ms, until_ms))
                node.due_ms = now_ms
        self._next_due_ms = 0
        self.advance(now_ms)

    def advance(self, now_ms: int) -> None:
        """Time passes: nodes that are due change their state at the moment they were due."""
        while now_ms >= self._next_due_ms:
            due = min(
                (node for node in self.nodes.values() if node.due_ms is not None),
                key=lambda node: (node.due_ms or 0, node.node),
                default=None,
            )
            if due is None or due.due_ms is None:
                self._next_due_ms = NEVER_MS
            elif due.due_ms > now_ms:
                self._next_due_ms = due.due_ms
            else:
                self._evaluate(due, due.due_ms)
        self.clock_ms = max(now_ms, self.clock_ms or now_ms)

    def hear(
        self, seen: NodeSeen, now_ms: int, stream: str | None = None, told_ms: int | None = None
    ) -> None:
        """Take in one sign, or one question without an answer.

        Args:
            seen: What was heard.
            now_ms: When it was heard.
            stream: The source of the stream that it came by.
            told_ms: The moment by the node's own clock, where `seen.at_ms` is by ours.
        """
        self.advance(now_ms)
        if seen.node is None or not seen.answered:
            self._unnamed(seen, now_ms)
            return
        node = self._known(seen.node, seen.at_ms)
        if node.replaced_by is not None and seen.via in RHYTHMS and seen.at_ms > node.since_ms:
            other = self._successions.share(node)
            self.changed |= {other.node} if other else set()
        self._learn(node, seen)
        node.hear(seen, now_ms)
        if seen.via == Feed.STARTED:
            self.starts[node.node, told_ms or seen.at_ms] = node.start(seen.at_ms)
        self._evaluate(node, max(now_ms, node.since_ms))
        self._settle(node, seen, stream)
        older = self._successions.fell_silent_before(node)
        if older is not None:
            self._replace(older, node, now_ms)

    def drain(self) -> list[Transition]:
        """What changed since the last call, in order."""
        found, self._transitions = self._transitions, []
        return found

    def expected(self, node: Node) -> str | None:
        """The configuration hash of the fleet that a node belongs to; None where none of it is there."""
        fleet = _fleet_of(node)
        if fleet not in self._expected:
            self._expected[fleet] = expected_hash(
                {
                    other.node: (other.config_hash, other.hash_since_ms)
                    for other in self.nodes.values()
                    if other.config_hash is not None
                    and _fleet_of(other) == fleet
                    and other.state in HEARD_STATES
                }
            )
        return self._expected[fleet]

    # ---- one node

    def _known(self, node_id: str, at_ms: int) -> Node:
        node = self.nodes.get(node_id)
        if node is None:
            node = self.nodes[node_id] = Node(node=node_id, first_seen_ms=at_ms, since_ms=at_ms)
        self.changed.add(node_id)
        return node

    def _learn(self, node: Node, seen: NodeSeen) -> None:
        before = (_fleet_of(node), node.config_hash, node.hostname)
        node.learn(seen)
        if before[:2] != (_fleet_of(node), node.config_hash):
            for fleet in (before[0], _fleet_of(node)):
                self._expected.pop(fleet, None)
        if before[2] != node.hostname:
            self._successions.live_on_host(node)

    def _remove(self, place: str) -> None:
        del self.nodes[place]
        self.removed.add(place)
        self.changed.discard(place)

    def _unnamed(self, seen: NodeSeen, now_ms: int) -> None:
        """A silence, or an answer that does not say whose it is: it is of the node at that address."""
        node = self.nodes.get(seen.node) if seen.node else None
        if node is None and seen.address is not None:
            node = self._successions.node_at(seen.address)
        if seen.answered:
            if node is not None:
                self._learn(node, seen)
                self.changed.add(node.node)
            return
        if node is None:
            if seen.address is None:
                return
            node = self._known(seen.address, now_ms)
            node.is_place_only, node.place = True, seen.address
        self.changed.add(node.node)
        node.miss(seen, now_ms)
        self._evaluate(node, max(now_ms, node.since_ms))

    def _evaluate(self, node: Node, at_ms: int) -> None:
        """Find out where a node stands at a moment, and when that will change by itself."""
        if node.replaced_by is not None:
            node.due_ms = None
            return
        found = presence(node.feeds.values(), at_ms, self._watched_since_ms)
        finding, until_ms = found.finding, found.until_ms
        if finding is Finding.HEARD:
            finding, until_ms = self._fit(node, at_ms, until_ms)
        elif finding is Finding.UNHEARD and not node.is_place_only:
            finding = Finding.UNWATCHED
        self._find(node, finding, at_ms)
        node.due_ms = until_ms
        if until_ms is not None:
            self._next_due_ms = min(self._next_due_ms, until_ms)
        newer = self._successions.came_after(node) if finding is Finding.QUIET else None
        if newer is not None:
            self._replace(node, newer, at_ms)

    def _fit(self, node: Node, at_ms: int, until_ms: int | None) -> tuple[Finding, int | None]:
        """How a node that is there fits its fleet."""
        expected = self.expected(node)
        if node.config_hash is None or expected is None or node.config_hash == expected:
            node.differs_since_ms = None
        elif node.differs_since_ms is None:
            node.differs_since_ms = at_ms
        if self._misfit(node) is not None:
            return Finding.UNSUPPORTED, until_ms
        if node.differs_since_ms is None:
            return Finding.HEARD, until_ms
        drifts_ms = node.differs_since_ms + DRIFT_AFTER_MS
        if at_ms >= drifts_ms:
            return Finding.DIFFERS, until_ms
        return Finding.HEARD, min(drifts_ms, until_ms or drifts_ms)

    def _misfit(self, node: Node) -> str | None:
        control_plane = self._successions.node_at(node.control_plane) if node.control_plane else None
        return misfit(
            version=node.version,
            control_plane_version=control_plane.version if control_plane else None,
            plugins_missing=node.facts.get("plugins_missing") or (),
            complaint=node.complaint,
        )

    def _find(self, node: Node, finding: Finding, at_ms: int) -> None:
        is_new = not node.reason
        before, after = node.state, next_state(node.state, finding)
        if after is before and not is_new:
            return
        self._expected.pop(_fleet_of(node), None)
        node.state, node.since_ms, node.reason = after, at_ms, self._reason(node, finding, at_ms)
        self.changed.add(node.node)
        event = None if is_new else event_of(before, after)
        self._transitions.append(transition_of(node, at_ms, None if is_new else before, node.reason, event))

    def _reason(self, node: Node, finding: Finding, at_ms: int) -> str:
        if finding is Finding.UNSUPPORTED:
            return self._misfit(node) or "it does not fit"
        if finding is Finding.DIFFERS:
            return "its configuration is not that of most of the fleet"
        return reason_of(node.feeds.values(), finding, at_ms)

    # ---- one node in another's place

    def _settle(self, node: Node, seen: NodeSeen, stream: str | None) -> None:
        """A node spoke from a place: who spoke from there before was replaced by it."""
        places = []
        if seen.address is not None and seen.via != Feed.DATA_PLANES:
            node.place = seen.address
            places.append(seen.address)
            held = self.nodes.get(seen.address)
            if held is not None and held.is_place_only:
                self._remove(held.node)
        if stream is not None:
            node.stream = stream_place(stream).removeprefix("stream ")
            places.append(stream_place(stream))
        for place in places:
            older = self._successions.speak(node, place, seen.at_ms)
            if older is not None:
                self._replace(older, node, seen.at_ms)

    def _replace(self, older: Node, node: Node, at_ms: int) -> None:
        """`node` is `older` after a restart."""
        before = older.state
        self._expected.pop(_fleet_of(older), None)
        older.replaced_by, older.due_ms = node.node, None
        node.replaces, node.restarts = older.node, older.restarts + 1
        self.changed |= {older.node, node.node}
        if before is not NodeState.LOST:
            older.state, older.since_ms = NodeState.LOST, max(at_ms, older.since_ms)
            older.reason = f"it started again as {node.node}"
            self._transitions.append(transition_of(older, older.since_ms, before, older.reason, "node_lost"))
        if node.started_ms is None:
            node.started_ms = at_ms
            reason = f"a new id where {older.node} was"
            self._transitions.append(transition_of(node, at_ms, node.state, reason, "node_started"))
