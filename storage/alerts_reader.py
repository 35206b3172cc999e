"""Questions about alerts that pages ask: read-only, each with a deadline, safe to share between threads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.alert_rows import (
    INCIDENT_COLUMNS,
    SILENCE_COLUMNS,
    DeliveryRow,
    HistoryRow,
    OutboxRow,
    ReceiverRow,
    RequestRow,
    RuleRow,
    StoredIncident,
    StoredSilence,
    SubscriptionRow,
    to_incident,
    to_silence,
)
from storage.reading.choosing import open_snapshots

MOST_ROWS = 500
_SEVERITY_ORDER = "CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'notice' THEN 2 ELSE 3 END"
_OUTBOX_COLUMNS = (
    "message_id, receiver, kind, incident_id, subscription, made_ms, due_ms, attempts, state,"
    " ended_ms, error, body"
)


class AlertsReader:
    """Read-only. A file that does not exist yet answers like an empty one.

    Args:
        database: The file, or the URL.
        deadline_ms: Longest that one question may take.
    """

    def __init__(self, database: str | Path, deadline_ms: int) -> None:
        self._connections = open_snapshots(database, deadline_ms)

    def close(self) -> None:
        """Release the file."""
        self._connections.close()

    # ---- incidents

    def open_counts(self) -> dict[str, int]:
        """Severity -> how many incidents are open or unknown."""
        return dict(
            self._rows(
                "SELECT severity, count(*) FROM alert_incidents WHERE state <> 'resolved'"
                " AND state IN ('open', 'unknown') GROUP BY severity"
            )
        )

    def live(self) -> tuple[StoredIncident, ...]:
        """Everything that is not over, the worst first, the newest first among equals."""
        rows = self._rows(
            f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE state <> 'resolved'"
            f" ORDER BY {_SEVERITY_ORDER}, opened_ms DESC, incident_id DESC LIMIT {MOST_ROWS}"
        )
        return tuple(map(to_incident, rows))

    def between(self, from_ms: int, to_ms: int, limit: int = MOST_ROWS) -> tuple[StoredIncident, ...]:
        """Incidents that touch a span, the newest first."""
        rows = self._rows(
            f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE last_ms >= ? AND from_ms < ?"
            " ORDER BY opened_ms DESC, incident_id DESC LIMIT ?",
            (from_ms, to_ms, limit),
        )
        return tuple(map(to_incident, rows))

    def of_entity(
        self, entity_type: str, values: Sequence[str], limit: int = 50
    ) -> tuple[StoredIncident, ...]:
        """The incidents of one entity by its id or name, the newest first."""
        rows = self._rows(
            f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE entity_type = ?"
            " AND (entity_id IN (SELECT CAST(value AS TEXT) FROM json_each(?))"
            " OR entity IN (SELECT CAST(value AS TEXT) FROM json_each(?)))"
            " ORDER BY opened_ms DESC, incident_id DESC LIMIT ?",
            (entity_type, json.dumps(list(values)), json.dumps(list(values)), limit),
        )
        return tuple(map(to_incident, rows))

    def incident(self, incident_id: int) -> StoredIncident | None:
        """One incident."""
        rows = self._rows(
            f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE incident_id = ?", (incident_id,)
        )
        return to_incident(rows[0]) if rows else None

    def history(self, incident_id: int) -> tuple[HistoryRow, ...]:
        """What happened to an incident, oldest first."""
        rows = self._rows(
            "SELECT at_ms, who, what, state_before, state_after, note FROM alert_history"
            f" WHERE incident_id = ? ORDER BY entry LIMIT {MOST_ROWS}",
            (incident_id,),
        )
        names = ("at_ms", "who", "what", "state_before", "state_after", "note")
        return tuple(HistoryRow(**dict(zip(names, row, strict=True))) for row in rows)

    def evidence(self, incident_id: int) -> tuple[int, ...]:
        """Arrival numbers of events behind an incident, newest first."""
        rows = self._rows(
            f"SELECT seq FROM alert_evidence WHERE incident_id = ? ORDER BY seq DESC LIMIT {MOST_ROWS}",
            (incident_id,),
        )
        return tuple(seq for (seq,) in rows)

    # ---- silences and rules

    def silences(self, now_ms: int) -> tuple[StoredSilence, ...]:
        """Those that hold or will, and those that ended within a day, the last to end first."""
        rows = self._rows(
            f"SELECT {SILENCE_COLUMNS} FROM alert_silences WHERE until_ms > ?"
            f" ORDER BY until_ms DESC, silence_id DESC LIMIT {MOST_ROWS}",
            (now_ms - 86_400_000,),
        )
        return tuple(map(to_silence, rows))

    def rules(self) -> tuple[RuleRow, ...]:
        """The newest version of every rule."""
        return self._rules(
            "WHERE version = (SELECT max(version) FROM alert_rules WHERE rule_id = r.rule_id) ORDER"
            " BY rule_id"
        )

    def rule_versions(self, rule_id: str) -> tuple[RuleRow, ...]:
        """Every version of a rule, the newest first."""
        return self._rules("WHERE rule_id = ? ORDER BY version DESC LIMIT 100", (rule_id,))

    def _rules(self, rest: str, values: Sequence[Any] = ()) -> tuple[RuleRow, ...]:
        names = ("rule_id", "version", "at_ms", "author", "note", "body")
        rows = self._rows(f"SELECT {', '.join(names)} FROM alert_rules r {rest}", values)
        return tuple(RuleRow(**dict(zip(names, row, strict=True))) for row in rows)

    def noise(self, from_ms: int) -> dict[str, tuple[int, int]]:
        """Rule -> (incidents since an instant, those of them that people called false or benign)."""
        rows = self._rows(
            "SELECT rule, count(*), sum(CASE WHEN verdict IN ('false', 'benign') THEN 1 ELSE 0 END)"
            " FROM alert_incidents"
            " WHERE opened_ms >= ? GROUP BY rule",
            (from_ms,),
        )
        return {rule: (count, wrong) for rule, count, wrong in rows}

    # ---- notifications

    def receivers(self) -> tuple[ReceiverRow, ...]:
        """How every configured receiver is doing."""
        names = (
            "receiver", "kind", "shown", "is_on", "off_reason", "last_success_ms", "last_error_ms",
            "last_error", "seen_ms",
        )  # fmt: skip
        rows = self._rows(f"SELECT {', '.join(names)} FROM alert_receivers ORDER BY receiver")
        return tuple(
            ReceiverRow(**{**dict(zip(names, row, strict=True)), "is_on": bool(row[3])}) for row in rows
        )

    def subscriptions(self) -> tuple[SubscriptionRow, ...]:
        """How every subscription is doing."""
        rows = self._rows(
            "SELECT subscription, receiver, what, seq, last_event_ms, last_success_ms, last_error,"
            " (SELECT count(*) FROM alert_outbox o WHERE o.subscription = s.subscription"
            " AND o.state = 'waiting'),"
            " (SELECT min(made_ms) FROM alert_outbox o WHERE o.subscription = s.subscription"
            " AND o.state = 'waiting') FROM alert_subscriptions s ORDER BY subscription"
        )
        names = (
            "subscription", "receiver", "what", "seq", "last_event_ms", "last_success_ms", "last_error",
            "waiting", "oldest_waiting_ms",
        )  # fmt: skip
        return tuple(SubscriptionRow(**dict(zip(names, row, strict=True))) for row in rows)

    def outbox(self, states: Sequence[str], limit: int = 100) -> tuple[OutboxRow, ...]:
        """Messages in some states, the newest first."""
        rows = self._rows(
            f"SELECT {_OUTBOX_COLUMNS} FROM alert_outbox WHERE state IN (SELECT CAST(value AS TEXT)"
            " FROM json_each(?)) ORDER BY made_ms DESC, message_id LIMIT ?",
            (json.dumps(list(states)), limit),
        )
        return tuple(to_outbox(row) for row in rows)

    def deliveries(self, limit: int = 100) -> tuple[DeliveryRow, ...]:
        """The delivery log, newest first."""
        names = ("at_ms", "message_id", "receiver", "outcome", "code", "took_ms", "detail")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM alert_deliveries ORDER BY at_ms DESC, delivery DESC LIMIT ?",
            (limit,),
        )
        return tuple(DeliveryRow(**dict(zip(names, row, strict=True))) for row in rows)

    def request(self, request_id: str) -> RequestRow | None:
        """Something that was asked of the collector, with its answer."""
        rows = self._rows(
            "SELECT request_id, kind, asked_ms, asked_by, body, done_ms, answer FROM alert_requests"
            " WHERE request_id = ?",
            (request_id,),
        )
        if not rows:
            return None
        row = rows[0]
        return RequestRow(
            request_id=row[0], kind=row[1], asked_ms=row[2], asked_by=row[3], body=json.loads(row[4]),
            done_ms=row[5], answer=None if row[6] is None else json.loads(row[6]),
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        """What the evaluation says of itself; empty before it ever ran."""
        rows = self._rows("SELECT value FROM alert_state WHERE name = 'status'")
        found = json.loads(rows[0][0]) if rows else {}
        return found if isinstance(found, dict) else {}

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connections.snapshot() as snapshot:
            return snapshot.rows(query, values)


def to_outbox(row: tuple[Any, ...]) -> OutboxRow:
    """A row of the outbox."""
    fields = dict(zip(_OUTBOX_COLUMNS.replace(" ", "").split(","), row, strict=True))
    return OutboxRow(**{**fields, "body": json.loads(fields["body"])})
