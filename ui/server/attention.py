"""What needs somebody now: the worst alert in a sentence, how many more there are, and marks on the chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from domain.windows import Window
from storage.alert_rows import StoredIncident
from storage.rows import Marker
from ui import wording, wording_alerts
from ui.safe_text import visible

WAITING = frozenset({"open", "unknown"})
"""States in which nobody has taken an incident yet."""
CALM = "information"
"""A severity that asks for nobody's attention."""
MOST_SHOWN = 2


class Alerts(Protocol):
    """The part of `storage.alerts_reader.AlertsReader` that Live needs."""

    def live(self) -> tuple[StoredIncident, ...]:
        """Everything that is not over, the worst first, the newest first among equals."""

    def between(self, from_ms: int, to_ms: int) -> tuple[StoredIncident, ...]:
        """Incidents that touch a span, the newest first."""


class NoAlerts:
    """Of a store without alerts, as in a test."""

    def live(self) -> tuple[StoredIncident, ...]:
        """None."""
        return ()

    def between(self, _from_ms: int, _to_ms: int) -> tuple[StoredIncident, ...]:
        """None."""
        return ()


def mark_of_alerts(live: Sequence[StoredIncident]) -> object:
    """Changes when there is something new to say."""
    return tuple((row.incident_id, row.incident.state, row.incident.count) for row in live)


def attention(live: Sequence[StoredIncident]) -> dict[str, Any]:
    """The rows above the numbers, and the words in the strip."""
    waiting = [row for row in live if row.incident.state in WAITING and row.incident.severity != CALM]
    critical = sum(row.incident.severity == "critical" for row in waiting)
    return {
        "open": len(waiting),
        "critical": critical,
        "words": _strip_words(len(waiting), critical),
        "more": max(0, len(waiting) - MOST_SHOWN),
        "rows": [_row(row) for row in waiting[:MOST_SHOWN]],
    }


def _strip_words(waiting: int, critical: int) -> str:
    if not waiting:
        return "no open alert"
    worst = f" ({critical} critical)" if critical else ""
    return f"{wording.counted(waiting, 'alert')} open{worst}"


def _row(row: StoredIncident) -> dict[str, Any]:
    incident = row.incident
    icon, word = wording.SEVERITIES.get(str(incident.severity), ("?", str(incident.severity)))
    return {
        "id": row.incident_id,
        "severity": str(incident.severity),
        "icon": icon,
        "word": word if incident.state != "unknown" else f"{word}, not known any more",
        "shape": visible(f"{incident.entity}, {wording_alerts.shape(incident.shape)}", 120),
        "sentence": visible(incident.why, 400),
        "opened_ms": incident.opened_ms,
    }


def alert_markers(incidents: Sequence[StoredIncident], window: Window) -> list[Marker]:
    """Where on a chart each alert was raised."""
    return [
        Marker(at_ms=row.incident.opened_ms, to_ms=None, kind="alert", text=_marker_words(row))
        for row in reversed(incidents)
        if window.from_ms <= row.incident.opened_ms < window.to_ms
    ]


def _marker_words(row: StoredIncident) -> str:
    severity = wording.SEVERITIES.get(str(row.incident.severity), ("?", str(row.incident.severity)))[1]
    return f"{severity} alert: {row.incident.why}"
