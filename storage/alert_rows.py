"""Rows of alerts <-> records. A stored incident has a number and a verdict besides."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.incidents import Incident, State
from domain.rules import Who
from domain.silences import Silence

INCIDENT_COLUMNS = (
    "incident_id, fingerprint, opened_ms, rule, detector, shape, severity, entity_type, entity_id, entity,"
    " from_ms, last_ms, resolved_ms, count, why, state, before, reason, assignee, closed_by, verdict, muted,"
    " reopened, team, body"
)
SILENCE_COLUMNS = "silence_id, kind, from_ms, until_ms, author, reason, body, made_ms, ended_by, warned_ms"


class StoredIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its number."""

    incident_id: int
    incident: Incident
    verdict: str | None = None


class HistoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an incident."""

    at_ms: int
    who: str | None
    """None: it moved by itself."""
    what: str
    state_before: str | None
    state_after: str | None
    note: str


class StoredSilence(msgspec.Struct, frozen=True, kw_only=True):
    """A silence, and who ended it before its time."""

    silence: Silence
    made_ms: int
    ended_by: str | None


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a rule, as JSON text."""

    rule_id: str
    version: int
    at_ms: int
    author: str
    note: str
    body: str


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way."""

    message_id: str
    receiver: str
    kind: str
    incident_id: int | None
    subscription: str | None
    made_ms: int
    due_ms: int
    attempts: int
    state: str
    ended_ms: int | None
    error: str | None
    body: dict[str, Any]


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver."""

    at_ms: int
    message_id: str
    receiver: str
    outcome: str
    code: int | None
    took_ms: int
    detail: str


class ReceiverRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver is doing."""

    receiver: str
    kind: str
    shown: str
    """Where it is, without secrets."""
    is_on: bool
    off_reason: str | None
    last_success_ms: int | None
    last_error_ms: int | None
    last_error: str | None
    seen_ms: int


class SubscriptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a subscription is doing."""

    subscription: str
    receiver: str
    what: str
    seq: int
    last_event_ms: int | None
    last_success_ms: int | None
    last_error: str | None
    waiting: int
    """Messages of it that are not delivered yet."""
    oldest_waiting_ms: int | None


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something asked of the collector."""

    request_id: str
    kind: str
    asked_ms: int
    asked_by: str
    body: dict[str, Any]
    done_ms: int | None
    answer: Any


class _Body(msgspec.Struct, kw_only=True):
    actors: list[tuple[str, str]] = msgspec.field(default_factory=list)
    covers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


class _SilenceBody(msgspec.Struct, kw_only=True):
    rules: list[str] = msgspec.field(default_factory=list)
    whom: list[Who] = msgspec.field(default_factory=list)
    up_to: str = "high"


MOST_COVERED = 500


def body_of(incident: Incident) -> str:
    """What has no column of its own, as JSON."""
    body = _Body(
        actors=list(incident.actors), covers=sorted(incident.covers)[:MOST_COVERED], facts=incident.facts
    )
    return msgspec.json.encode(body).decode()


def incident_values(incident: Incident) -> tuple[Any, ...]:
    """The values of `INCIDENT_COLUMNS` after the number, verdict aside (None)."""
    return (
        incident.fingerprint, incident.opened_ms, incident.rule, incident.detector, incident.shape,
        incident.severity.value, incident.entity_type, incident.entity_id, incident.entity, incident.from_ms,
        incident.last_ms, incident.resolved_ms, incident.count, incident.why, incident.state.value,
        None if incident.before is None else incident.before.value, incident.reason, incident.assignee,
        incident.closed_by, None, incident.muted, incident.reopened, incident.team, body_of(incident),
    )  # fmt: skip


def to_incident(row: tuple[Any, ...]) -> StoredIncident:
    """A row of `INCIDENT_COLUMNS`."""
    given = dict(zip(INCIDENT_COLUMNS.replace(" ", "").split(","), row, strict=True))
    body = msgspec.json.decode(given.pop("body"), type=_Body)
    incident_id, verdict = given.pop("incident_id"), given.pop("verdict")
    given["before"] = None if given["before"] is None else State(given["before"])
    given["state"] = State(given["state"])
    given |= {"actors": body.actors, "covers": body.covers, "facts": body.facts}
    return StoredIncident(incident_id=incident_id, verdict=verdict, incident=msgspec.convert(given, Incident))


def silence_body(silence: Silence) -> str:
    """What a silence matches, as JSON."""
    body = _SilenceBody(rules=list(silence.rules), whom=list(silence.whom), up_to=silence.up_to.value)
    return msgspec.json.encode(body).decode()


def to_silence(row: tuple[Any, ...]) -> StoredSilence:
    """A row of `SILENCE_COLUMNS`."""
    silence_id, kind, from_ms, until_ms, author, reason, text, made_ms, ended_by, _ = row
    body = msgspec.json.decode(text, type=_SilenceBody)
    silence = msgspec.convert(
        {
            "silence_id": silence_id,
            "kind": kind,
            "from_ms": from_ms,
            "until_ms": until_ms,
            "author": author,
            "reason": reason,
            "rules": body.rules,
            "whom": [{"entity_type": w.entity_type, "value": w.value} for w in body.whom],
            "up_to": body.up_to,
        },
        Silence,
    )
    return StoredSilence(silence=silence, made_ms=made_ms, ended_by=ended_by)
