"""The health of upstream targets as one node reported it when asked."""

from __future__ import annotations

import msgspec


class TargetSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one address of an upstream's target, as one node reported it when asked."""

    upstream: str
    target: str
    """`host:port` or `ip:port`."""
    health: str
    """`healthy`, `unhealthy`, `healthchecks_off` or `dns_error`."""
    at_ms: int
    """When it was asked, not when it answered: an event that came in between is newer."""
    node: str | None = None
