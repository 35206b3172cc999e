"""What decoders learn about nodes and upstream targets: signs of life, and target health as one node sees it.

Signs are observations, not judgements: `domain.node_states` makes states from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Feed(StrEnum):
    """Where a sign comes from. Each feed has its own rhythm, and so its own patience."""

    HEARTBEAT = "heartbeat"
    """Our Kong plugin, from inside the node."""
    ADMIN_API = "admin-api"
    """The node's own Admin API answered our poll."""
    DATA_PLANE = "data-plane"
    """The control plane's row about a data plane says when it last pinged."""
    STREAM = "stream"
    """An open stream connection whose peer answers."""
    EVENTS = "events"
    """Something that names the node arrived. It has no rhythm: silence of this feed says nothing."""


class NodeSign(msgspec.Struct, frozen=True, kw_only=True):
    """One sign of life of a Kong node, or the news that none could be had."""

    feed: str
    at_ms: int
    node: str | None
    """Kong's id of the node; None when only the place is known, as with a poll that was not answered."""
    place: str | None = None
    """Where the node was found: the address of its Admin API, the source of its stream. A new id at the same
    place is a restart."""
    hostname: str | None = None
    version: str | None = None
    role: str | None = None
    """`traditional`, `control_plane`, `data_plane`, or `dbless`."""
    config_hash: str | None = None
    every_s: float | None = None
    """Seconds between signs of this feed, where the sender says so."""
    problem: str | None = None
    """Why there is no sign, in words; None for a sign of life."""
    is_telling: bool = True
    """With a problem: whether the silence says something about the node. A refused connection does; an answer
    of 403, a certificate we do not trust or a name we cannot resolve does not."""
    complaint: str | None = None
    """What a control plane says against the node, such as `plugin_set_incompatible`. Its `normal` is no sign
    of anything: rows of dead nodes keep it for 14 days."""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    """Small, redacted: workers, plugin_version, queue, dropped, certificate_expires_ms, database_reachable,
    plugins_available, plugins_enabled, labels, ip, ..."""


class TargetSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one address of an upstream's target, as one node reported it when asked."""

    upstream: str
    target: str
    """`host:port` or `ip:port`."""
    health: str
    """`healthy`, `unhealthy`, `unchecked` (health checks off) or `dns_error`."""
    at_ms: int
    """When it was asked, not when it answered: an event that came in between is newer."""
    node: str | None = None
