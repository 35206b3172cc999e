"""What comes out of a store about nodes, targets and caches.

Instants are UTC milliseconds; `None` is unknown.

Every text may come from an attacker: escape it where it is shown.
"""

from __future__ import annotations

from typing import Any

import msgspec


class FeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one feed told of one node."""

    feed: str
    last_ms: int | None
    every_s: float | None
    problem: str | None
    problem_ms: int | None
    is_telling: bool


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One node as it is known now."""

    node: str
    """Kong's id; the address of one that never answered."""
    hostname: str | None
    version: str | None
    role: str | None
    state: str
    """A value of `domain.node_states.NodeState`."""
    since_ms: int
    reason: str
    first_seen_ms: int
    last_seen_ms: int | None
    feeds: tuple[FeedRow, ...]
    place: str | None
    """The address of its Admin API, where it is polled."""
    control_plane: str | None
    config_hash: str | None
    expected_hash: str | None
    """What most of its fleet runs."""
    fleet_nodes: int
    """How many nodes of its fleet have a configuration hash and are there."""
    complaint: str | None
    """What its control plane has against it."""
    restarts: int
    started_ms: int | None
    replaces: str | None
    replaced_by: str | None
    is_place_only: bool
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """What people call it: the host, else the id."""
        return self.hostname or self.node


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes, and until when somebody watched them."""

    rows: tuple[NodeRow, ...]
    """The worst state first, then by name. Nodes that were replaced by a restart are among them."""
    watched_until_ms: int | None
    """When the collector last lived, or something last arrived; None when neither ever was."""
    is_watched: bool
    """Whether that is now. If not, nobody who is not lost is known to be there."""


class StateSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A node was in a state."""

    node: str
    from_ms: int
    to_ms: int
    state: str
    reason: str


class TargetChange(msgspec.Struct, frozen=True, kw_only=True):
    """A node gave a target another health."""

    at_ms: int
    node: str | None
    """None when it came by an event hook, which does not say."""
    upstream: str
    target: str
    health: str


class TargetRow(msgspec.Struct, frozen=True, kw_only=True):
    """The health that a node gave a target last."""

    node: str | None
    upstream: str
    target: str
    health: str
    since_ms: int
    first_ms: int
    """When it was first heard of."""
    confirmed_ms: int


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """Target health in a window."""

    now: tuple[TargetRow, ...]
    """By upstream, target, node."""
    changes: tuple[TargetChange, ...]
    """In the window, oldest first; and the last one before it, of each target as a node sees it."""
    is_cut: bool
    """There were more changes than are given here; the newest are."""


class KindSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one kind over time, split by entity type or by node."""

    from_ms: int
    bucket_ms: int
    buckets: int
    groups: tuple[tuple[str, tuple[int, ...]], ...]
    """(name, count per bucket), the largest first; the name is empty where the events do not say."""


class CacheEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A node dropped a key from a cache, or purged a cache."""

    at_ms: int
    node: str | None
    event: str
    cache: str | None
    entity_type: str | None
    entity_id: str | None
    key_masked: str | None


class ConfigEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the configuration, as far as caches are concerned."""

    seq: int
    at_ms: int
    node: str | None
    entity_type: str
    entity_id: str | None
    entity_name: str | None
    operation: str
    actor: str | None
    scope: tuple[str | None, str | None, str | None]
    """Of a plugin: ids of its route, service and consumer; of a target: (upstream's id, None, None)."""


class CachePast(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to caches in a window, one by one."""

    events: tuple[CacheEvent, ...]
    """Oldest first."""
    changes: tuple[ConfigEvent, ...]
    """Oldest first."""
    from_ms: int
    """Where the events begin: later than the window where there were too many."""


class ChurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was dropped again and again."""

    key_masked: str
    cache: str | None
    entity_type: str | None
    count: int
    nodes: int
    first_ms: int
    last_ms: int


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A node took a new configuration as a whole."""

    at_ms: int
    node: str | None
