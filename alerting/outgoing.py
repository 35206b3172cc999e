"""What is sent, before any notifier gives it its form: a title, lines, a link, and the facts as JSON.

Everything in it may hold names from the wire. A notifier escapes for its own medium; control characters are
gone already, so that no name can make a second header or line.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

import msgspec

from domain.detectors import DETECTORS
from domain.incident_flow import Move, What
from domain.incidents import Incident
from domain.silences import Silence

MOST_TITLE_CHARS = 200
MOST_LINE_CHARS = 1_000
HOUR_MS = 3_600_000
_HELD_BACK = (
    "{receiver} got as many as it takes in an hour. The others since {since} are in the delivery log; nothing"
    " was forgotten."
)
_KINDS = {
    What.OPENED: "incident.opened",
    What.REOPENED: "incident.reopened",
    What.ESCALATED: "incident.escalated",
    What.RESOLVED: "incident.resolved",
    What.LOST_FEED: "incident.feed_lost",
    What.UNSILENCED: "incident.opened",
}
_VERBS = {
    What.OPENED: "",
    What.REOPENED: "again: ",
    What.ESCALATED: "worse: ",
    What.RESOLVED: "over: ",
    What.LOST_FEED: "feed lost: ",
    What.UNSILENCED: "silence over: ",
}


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell."""

    kind: str
    """`incident.opened`, `change.services.updated`, `test`, ..."""
    at_ms: int
    title: str
    lines: tuple[str, ...] = ()
    link: str = ""
    severity: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def text(self) -> str:
        """All of it, one line each."""
        return "\n".join([self.title, *self.lines, *([self.link] if self.link else [])])


def plain(text: str, most: int = MOST_LINE_CHARS) -> str:
    """Text on one line without control characters, cut."""
    cleaned = "".join(c if c.isprintable() else " " for c in text)
    return cleaned if len(cleaned) <= most else cleaned[: most - 1] + "\u2026"


def incident_message(move: Move, incident_id: int, dashboard_url: str) -> Outgoing:
    """What to tell of an incident that moved."""
    incident, detector = move.after, DETECTORS.get(move.after.detector)
    title = (
        f"{incident.severity.upper()}"
        f" {_VERBS.get(move.what, '')}{detector.title if detector else incident.rule}:"
        f" {incident.entity_type} {incident.entity}"
    )
    lines = [incident.why]
    if move.what in {What.RESOLVED, What.LOST_FEED} and incident.reason:
        lines.append(f"{incident.state}: {incident.reason}")
    if incident.muted:
        lines.append(f"{incident.muted} more findings are explained by this")
    if detector is not None and move.what is not What.RESOLVED:
        lines += [f"- {step}" for step in detector.guide]
    return Outgoing(
        kind=_KINDS.get(move.what, "incident.moved"),
        at_ms=move.at_ms,
        title=plain(title, MOST_TITLE_CHARS),
        lines=tuple(plain(line) for line in lines),
        link=incident_link(dashboard_url, incident_id, incident),
        severity=incident.severity.value,
        data={
            "incident_id": incident_id,
            "rule": incident.rule,
            "shape": incident.shape,
            "severity": incident.severity.value,
            "state": incident.state.value,
            "entity_type": incident.entity_type,
            "entity": plain(incident.entity),
            "opened_ms": incident.opened_ms,
            "resolved_ms": incident.resolved_ms,
            "count": incident.count,
            "why": plain(incident.why),
            "reason": plain(incident.reason),
        },
    )


def incident_link(dashboard_url: str, incident_id: int, incident: Incident) -> str:
    """The incident on its page, at the absolute time: an hour before it, to its end."""
    if not dashboard_url:
        return ""
    span = {
        "from": incident.from_ms - HOUR_MS,
        "to": (incident.resolved_ms or incident.last_ms) + HOUR_MS // 12,
    }
    return f"{dashboard_url.rstrip('/')}/alerts?{urlencode({'of': incident_id, **span})}"


def silence_message(silence: Silence, now_ms: int) -> Outgoing:
    """The warning that a silence ends."""
    left_min = max(1, round((silence.until_ms - now_ms) / 60_000))
    return Outgoing(
        kind="silence.ending",
        at_ms=now_ms,
        title=plain(f"The {silence.kind} by {silence.author} ends in {left_min} min", MOST_TITLE_CHARS),
        lines=(plain(silence.reason),),
        data={"silence_id": silence.silence_id, "until_ms": silence.until_ms},
    )


def trial_message(receiver: str, who: str, now_ms: int) -> Outgoing:
    """What the test button sends."""
    return Outgoing(
        kind="test",
        at_ms=now_ms,
        title=plain(f"Gatewatch test for {receiver}", MOST_TITLE_CHARS),
        lines=(plain(f"{who} pressed the test button. If you can read this, alerts reach you."),),
        data={"receiver": receiver},
    )


def held_back_message(receiver: str, held: int, since_ms: int, now_ms: int) -> Outgoing:
    """Instead of a flood: that there were more."""
    return Outgoing(
        kind="flood",
        at_ms=now_ms,
        title=f"Gatewatch holds back {held:,} more messages",
        lines=(_HELD_BACK.format(receiver=receiver, since=instant(since_ms)),),
        data={"held_back": held},
    )


def instant(at_ms: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
