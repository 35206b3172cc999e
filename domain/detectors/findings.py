"""What a detector says: one finding, and how bad it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Severity(StrEnum):
    """How bad. Only what is above `information` asks for anybody's attention."""

    CRITICAL = "critical"
    HIGH = "high"
    NOTICE = "notice"
    INFORMATION = "information"

    @property
    def rank(self) -> int:
        """0 for critical; higher is calmer."""
        return _RANKS[self]

    def at_least(self, other: Severity) -> bool:
        """Whether it is as bad as `other`, or worse."""
        return self.rank <= other.rank


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class EntityType(StrEnum):
    """What a finding is about."""

    CONSUMER = "consumer"
    IP = "ip"
    PREFIX = "prefix"
    """The /24 of an IPv4 address, the /64 of an IPv6 one."""
    SERVICE = "service"
    ROUTE = "route"
    UPSTREAM = "upstream"
    NODE = "node"
    SOURCE = "source"
    PLUGIN = "plugin"
    CACHE = "cache"
    EVERYTHING = "everything"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a detector sees at an instant. Seen again, it is the same finding, not another one.

    `why` and `entity` hold names from the wire: escape them where they are shown.
    """

    detector: str
    shape: str
    """What it looks like, one word of the field's: `one_key_many_addresses`."""
    severity: Severity
    entity_type: EntityType
    entity_id: str
    """Kong's id where there is one, so that a renamed consumer stays the same; else what `entity` says."""
    entity: str
    """What people call it."""
    from_ms: int
    """When what was seen began."""
    to_ms: int
    """The instant it was seen at."""
    count: int
    """How many requests, refusals, addresses or events it rests on."""
    why: str
    """One plain sentence: what was seen, against what, from where."""
    covers: frozenset[tuple[str, str]] = frozenset()
    """(entity type, entity id) of others whose findings this one explains."""
    actors: tuple[tuple[str, str], ...] = ()
    """(dimension, value) for the filter that shows the events behind it."""
    facts: dict[str, Any] = msgspec.field(default_factory=dict)
    """Figures behind the sentence, for the evidence pane."""
    wants_sample: bool = False
    """The shape depends on what the refusals looked like: `refine` needs some of them."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal as it was stored."""

    seq: int
    at_ms: int
    status: int | None
    retry_after_s: int | None
    """As Kong told the client; None when it told nothing."""
    has_limit_headers: bool | None
    """None when the entry that tells was not kept."""
