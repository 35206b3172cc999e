"""Which node took whose place.

Kong makes a new id at each start (kong/pdk/node.lua, 3.9; only data planes keep theirs), so a restart shows
as a new node where another one was. The place is the address of an Admin API or the source of a stream;
where neither is known, the host name, if only one node of that host has fallen silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from domain.node_states import HEARD_STATES, Feed
from domain.nodes import Node

POLL_EVERY_S = 5.0


class Successions:
    """Who spoke last from which place."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._places: dict[str, tuple[str, int]] = {}
        self._shared: dict[str, set[str]] = {}
        self._hosts: dict[str, dict[str, None]] = {}
        for node in nodes.values():
            self.live_on_host(node)
        for node in sorted(nodes.values(), key=lambda n: n.last_seen_ms or 0):
            for place in node.places():
                self._places[place] = (node.node, node.last_seen_ms or node.first_seen_ms)

    def live_on_host(self, node: Node) -> None:
        """Note the host of a node."""
        if node.hostname is not None:
            self._hosts.setdefault(node.hostname, {})[node.node] = None

    def node_at(self, place: str) -> Node | None:
        """Who spoke last from a place."""
        found = self._places.get(place)
        return self._nodes.get(found[0]) if found else None

    def speak(self, node: Node, place: str, at_ms: int) -> Node | None:
        """A node spoke from a place; returns the node that it replaced there, if any."""
        before, since_ms = self._places.get(place, (node.node, at_ms))
        if at_ms < since_ms and before != node.node:
            return None
        self._places[place] = (node.node, at_ms)
        older = self._nodes.get(before)
        if older is None or older is node or place in self._shared:
            return None
        if older.replaced_by is None and older.node != node.replaces:
            return older
        return None

    def share(self, node: Node) -> Node | None:
        """A node that we took for replaced is back: several answer at one place, as behind a balancer.

        Returns the node that was taken for its successor.
        """
        other = self._nodes.get(node.replaced_by or "")
        node.replaced_by = None
        if other is None:
            return None
        other.replaces, other.restarts = None, max(0, other.restarts - 1)
        for place in set(node.places()) & set(other.places()):
            shared = self._shared.setdefault(place, set())
            shared |= {node.node, other.node}
            for one in (node, other):
                if Feed.ADMIN_API in one.feeds:
                    one.feeds[Feed.ADMIN_API].every_s = POLL_EVERY_S * 3 * len(shared)
        return other

    def fell_silent_before(self, node: Node) -> Node | None:
        """The one node of the same host that is silent since before this one was first heard."""
        if node.replaces is not None:
            return None
        older = [
            other
            for other in self._on_host(node)
            if other.state not in HEARD_STATES and (other.last_seen_ms or 0) < node.first_seen_ms
        ]
        return older[0] if len(older) == 1 else None

    def came_after(self, node: Node) -> Node | None:
        """The one node of the same host that is there, and was first heard after this one was heard last."""
        newer = [
            other
            for other in self._on_host(node)
            if other.replaces is None
            and other.state in HEARD_STATES
            and other.first_seen_ms > (node.last_seen_ms or 0)
        ]
        return newer[0] if len(newer) == 1 else None

    def _on_host(self, node: Node) -> Iterator[Node]:
        """Other nodes of the same host that may be the same one: not those that speak from another place."""
        if node.hostname is None:
            return
        for name in self._hosts.get(node.hostname, ()):
            other = self._nodes.get(name)
            if (
                other is not None
                and other is not node
                and other.hostname == node.hostname
                and other.replaced_by is None
                and not other.is_place_only
                and _may_be_same(other.place, node.place)
                and _may_be_same(other.stream, node.stream)
            ):
                yield other


def _may_be_same(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other
