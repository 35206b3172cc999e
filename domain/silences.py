"""Silences and maintenance windows: who is not told of what, from when until when, by whom and why.

A silence mutes telling people, never seeing: incidents open, are counted and resolve as ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from domain.detectors.findings import Severity
from domain.incidents import Incident
from domain.rules import Who

WARN_BEFORE_MS = 15 * 60_000
"""Its author is warned so long before a silence ends."""
LONGEST_MS = 30 * 86_400_000
"""Nothing is silenced for longer than thirty days at once."""


class Kind(StrEnum):
    """Why it is quiet."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """What is muted. Empty matchers match everything: a window for everything is possible, and shown so."""

    silence_id: int
    kind: Kind = Kind.SILENCE
    from_ms: int
    until_ms: int
    author: str
    reason: str
    rules: tuple[str, ...] = ()
    whom: tuple[Who, ...] = ()
    up_to: Severity = Severity.HIGH
    """Worse than this is told all the same."""

    def is_active(self, now_ms: int) -> bool:
        """Whether it holds at an instant."""
        return self.from_ms <= now_ms < self.until_ms

    def ends_soon(self, now_ms: int) -> bool:
        """Whether its author should be warned."""
        return self.is_active(now_ms) and self.until_ms - now_ms <= WARN_BEFORE_MS

    def matches(self, incident: Incident) -> bool:
        """Whether it mutes an incident, time aside."""
        if incident.severity.rank < self.up_to.rank:
            return False
        if self.rules and incident.rule not in self.rules:
            return False
        return not self.whom or any(
            who.entity_type == incident.entity_type and who.value in {incident.entity, incident.entity_id}
            for who in self.whom
        )


def problem(silence: Silence, now_ms: int) -> str | None:
    """Why a silence cannot be made; None when it can."""
    if not silence.reason.strip():
        return "a silence needs a reason"
    if not silence.author.strip():
        return "a silence needs an author"
    if silence.until_ms <= max(now_ms, silence.from_ms):
        return "a silence must end after it begins, and in the future"
    if silence.until_ms - silence.from_ms > LONGEST_MS:
        return "a silence lasts at most 30 days"
    return None


def active_for(silences: Iterable[Silence], incident: Incident, now_ms: int) -> Silence | None:
    """The silence that mutes an incident now, the one that ends last."""
    found = [s for s in silences if s.is_active(now_ms) and s.matches(incident)]
    return max(found, key=lambda s: s.until_ms, default=None)
