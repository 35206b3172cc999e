"""Moves folded into episodes: from when an incident opened, or opened again, to when it was over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from domain.incident_flow import Move, What
from domain.incidents import Incident


class Episode(msgspec.Struct, kw_only=True):
    """One time that an incident was on. The field order is that of the printed line, a public promise."""

    rule: str
    shape: str
    severity: str
    entity_type: str
    entity: str
    opened_ms: int
    resolved_ms: int | None
    count: int
    why: str


def episodes(moves: Iterable[Move]) -> Iterator[Episode]:
    """One episode per opening; the ones still on come last, without an end."""
    on: dict[str, Episode] = {}
    for move in moves:
        incident, print_ = move.after, move.after.fingerprint
        if move.what in {What.OPENED, What.REOPENED}:
            on[print_] = _episode(incident, move.at_ms)
        held = on.get(print_)
        if held is None:
            continue
        _grow(held, incident)
        if move.what is What.RESOLVED:
            held.resolved_ms = incident.resolved_ms
            yield on.pop(print_)
    yield from on.values()


def _episode(incident: Incident, opened_ms: int) -> Episode:
    return Episode(
        rule=incident.rule,
        shape=incident.shape,
        severity=incident.severity.value,
        entity_type=incident.entity_type,
        entity=incident.entity,
        opened_ms=opened_ms,
        resolved_ms=None,
        count=incident.count,
        why=incident.why,
    )


def _grow(episode: Episode, incident: Incident) -> None:
    """What is told is the worst of it."""
    if incident.count >= episode.count:
        episode.count, episode.why = incident.count, incident.why
    episode.shape, episode.severity, episode.entity = (
        incident.shape,
        incident.severity.value,
        incident.entity,
    )
