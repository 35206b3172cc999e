"""One node as everything that was heard of it makes it, and what can change about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from domain.events import NodeSeen
from domain.node_states import POLLED, Feed, FeedMemory, NodeState

SLOWEST_S = 86_400.0
"""No feed speaks less often than once a day."""
RESTART_MS = 5_000
"""Two reports of a start that are nearer than this are one start."""


@dataclasses.dataclass(slots=True)
class Node:
    """Everything known of one node."""

    node: str
    """Kong's id; the address itself for a configured address that never answered."""
    first_seen_ms: int
    is_place_only: bool = False
    hostname: str | None = None
    version: str | None = None
    role: str | None = None
    place: str | None = None
    """The address of its Admin API, where it is polled."""
    stream: str | None = None
    """The source that it streams as."""
    control_plane: str | None = None
    """The address of the control plane that knows it."""
    last_seen_ms: int | None = None
    """The newest sign of any feed."""
    state: NodeState = NodeState.UNKNOWN
    since_ms: int = 0
    reason: str = ""
    """Empty until its first state is found."""
    config_hash: str | None = None
    hash_since_ms: int = 0
    differs_since_ms: int | None = None
    complaint: str | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    restarts: int = 0
    started_ms: int | None = None
    is_start_told: bool = False
    """The node itself said that it started; else the start was inferred from its new id."""
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    feeds: dict[str, FeedMemory] = dataclasses.field(default_factory=dict)
    due_ms: int | None = None
    """When its state changes by itself if nothing is heard."""

    def places(self) -> Iterator[str]:
        """Where it speaks from: one node at a time does."""
        if self.place is not None:
            yield self.place
        if self.stream is not None:
            yield stream_place(self.stream)

    def learn(self, seen: NodeSeen) -> None:
        """Take over what a sign says about the node, unless something newer said it already."""
        if seen.via == Feed.DATA_PLANES:
            self.control_plane = seen.address or self.control_plane
            self.complaint = seen.sync_status
        elif self.last_seen_ms is not None and seen.at_ms < self.last_seen_ms:
            return
        self.hostname = seen.hostname or self.hostname
        self.version = seen.version or self.version
        self.role = seen.role or self.role
        if seen.config_hash is not None and seen.config_hash != self.config_hash:
            self.config_hash, self.hash_since_ms = seen.config_hash, seen.at_ms
        self.facts |= _facts_of(seen)

    def hear(self, seen: NodeSeen, now_ms: int) -> None:
        """Note a sign of life."""
        feed = self.feeds.setdefault(seen.via, FeedMemory(seen.via))
        feed.last_ms = max(seen.at_ms, feed.last_ms or seen.at_ms)
        if seen.every_s is not None and 0 < seen.every_s <= SLOWEST_S:
            feed.every_s = seen.every_s
        if seen.via in POLLED:
            feed.asked_ms = max(now_ms, feed.asked_ms or now_ms)
        if feed.problem_ms is None or seen.at_ms >= feed.problem_ms:
            feed.problem, feed.problem_ms, feed.is_telling = None, None, True
        self.first_seen_ms = min(self.first_seen_ms, seen.at_ms)
        self.last_seen_ms = max(seen.at_ms, self.last_seen_ms or seen.at_ms)

    def miss(self, seen: NodeSeen, now_ms: int) -> None:
        """Note a question without an answer."""
        feed = self.feeds.setdefault(seen.via, FeedMemory(seen.via))
        if feed.last_ms is not None and feed.last_ms > seen.at_ms:
            return
        feed.asked_ms = max(now_ms, feed.asked_ms or now_ms)
        feed.problem_ms = feed.problem_ms or seen.at_ms
        feed.problem, feed.is_telling = seen.why or "no answer", seen.is_telling

    def not_after(self, now_ms: int) -> None:
        """The clock was set back: what was heard in what is the future now was heard just now."""
        for feed in self.feeds.values():
            for name in ("last_ms", "asked_ms", "problem_ms"):
                if (at_ms := getattr(feed, name)) is not None and at_ms > now_ms:
                    setattr(feed, name, now_ms)
        for name in ("last_seen_ms", "differs_since_ms", "started_ms"):
            if (at_ms := getattr(self, name)) is not None and at_ms > now_ms:
                setattr(self, name, now_ms)
        self.since_ms = min(self.since_ms, now_ms)
        self.hash_since_ms = min(self.hash_since_ms, now_ms)

    def start(self, at_ms: int) -> bool:
        """The node says that it started; returns whether that start is new, not told or inferred before.

        Only data planes keep their id when they start again; for others the same id means that their workers
        were replaced (`kong reload`).
        """
        before_ms, was_told = self.started_ms, self.is_start_told
        is_same = before_ms is not None and at_ms <= before_ms + RESTART_MS
        if was_told and (is_same or self.role != "data_plane"):
            return False
        self.started_ms, self.is_start_told = at_ms, True
        if was_told:
            self.restarts += 1
        return was_told or before_ms is None


def stream_place(source: str) -> str:
    """The place of a stream: its source without the number of the worker, apart from addresses."""
    base, slash, worker = source.rpartition("/")
    return "stream " + (base if slash and worker.isdecimal() else source)


MOST_PARTS = 32
MOST_CHARS = 300
LARGEST = 2**53
FACTS: Mapping[str, type] = {
    "workers": int,
    "database_reachable": bool,
    "certificate_expires_ms": int,
    "labels": dict,
    "plugin_version": str,
    "queue_events": int,
    "queue_bytes": int,
    "dropped": dict,
    "plugins_missing": list,
    "has_our_plugin": bool,
    "ip": str,
    "clock_off_ms": int,
    "lag_ms": int,
}
"""What is kept of a node, by name; anything else a sender tells is left out."""
_PARTS: Mapping[str, type] = {"labels": str, "dropped": int, "plugins_missing": str}


def _facts_of(seen: NodeSeen) -> dict[str, Any]:
    told = {
        **seen.facts,
        "workers": seen.workers if seen.workers is not None else seen.facts.get("workers"),
        "database_reachable": seen.database_reachable,
        "certificate_expires_ms": seen.certificate_expires_ms,
        "labels": seen.labels or None,
    }
    return {name: fact for name in FACTS if (fact := _fact(name, told.get(name))) is not None}


def _fact(name: str, value: Any) -> Any:
    """A fact as pages may rely on it; None where it is of another type, or out of bounds."""
    wanted = FACTS[name]
    if wanted is dict:
        pairs = list(value.items())[:MOST_PARTS] if isinstance(value, dict) else None
        return pairs and {str(key)[:MOST_CHARS]: part for key, part in pairs if _is_fit(part, _PARTS[name])}
    if wanted is list:
        parts = value[:MOST_PARTS] if isinstance(value, list) else None
        return parts and [part for part in parts if _is_fit(part, _PARTS[name])]
    return value if _is_fit(value, wanted) else None


def _is_fit(part: Any, wanted: type) -> bool:
    if isinstance(part, bool):
        return wanted is bool
    if isinstance(part, int):
        return wanted is int and -LARGEST < part < LARGEST
    return wanted is str and isinstance(part, str) and len(part) <= MOST_CHARS


@dataclasses.dataclass(frozen=True, slots=True)
class Transition:
    """One change of state; or a start, where `before` and `after` are the same."""

    node: str
    hostname: str | None
    at_ms: int
    before: NodeState | None
    """None when the node was not known before."""
    after: NodeState
    reason: str
    event: str | None
    """The event that it is, see `node_states.event_of`; `node_started` for a restart that was inferred."""
    last_seen_ms: int | None


def transition_of(
    node: Node, at_ms: int, before: NodeState | None, reason: str, event: str | None
) -> Transition:
    """The record of what a node has just become."""
    return Transition(
        node=node.node,
        hostname=node.hostname,
        at_ms=at_ms,
        before=before,
        after=node.state,
        reason=reason,
        event=event,
        last_seen_ms=node.last_seen_ms,
    )
