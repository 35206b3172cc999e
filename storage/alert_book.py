"""What the collector writes of alerts: incidents as they move, what is to be sent, how sending went.

An incident moves by compare-and-set on its state: when a person moved it in between, the collector's move is
left out, and it takes up how the person left it. Messages go into the outbox in the very transaction that
moved the incident, so that none is lost and none is told of what did not happen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from domain.incident_flow import Move, What
from domain.incidents import Incident
from domain.silences import WARN_BEFORE_MS
from storage.alert_rows import (
    INCIDENT_COLUMNS,
    SILENCE_COLUMNS,
    StoredIncident,
    StoredSilence,
    body_of,
    incident_values,
    to_incident,
    to_silence,
)
from storage.connection import mapped_errors, transaction
from storage.deciding import open_beside_writer
from storage.engine import Connection
from storage.location import located

MOST_EVIDENCE = 500
"""Events kept by number with an incident; the filter and the span show the rest."""
PRUNE_ROWS = 2_000


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be told to one receiver."""

    message_id: str
    receiver: str
    kind: str
    body: str
    """JSON."""
    due_ms: int
    incident_id: int | None = None
    subscription: str | None = None


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a move."""

    move: Move
    incident_id: int
    is_done: bool
    """False: a person had moved it meanwhile."""


Messages = Callable[[Sequence[Applied]], Iterable[NewMessage]]


class AlertBook:
    """One connection of the collector's for alerts. Not for use from several threads at once.

    Raises:
        StoreBusy: The file cannot be opened now.
        StoreCorrupt: It is damaged.
    """

    def __init__(self, database: str | Path) -> None:
        self._path = located(database)
        self._connection = open_beside_writer(self._path)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    # ---- incidents

    def recent(self, since_ms: int) -> list[StoredIncident]:
        """Incidents that are not over, and those that ended since an instant."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE state <> 'resolved'"
                f" UNION ALL SELECT {INCIDENT_COLUMNS} FROM alert_incidents"
                " WHERE last_ms >= ? AND state = 'resolved' ORDER BY incident_id",
                (since_ms,),
            ).fetchall()
        return [to_incident(row) for row in rows]

    def people_moved(self, after_entry: int) -> tuple[int, list[StoredIncident]]:
        """Incidents that people moved since an entry of the history, and the newest entry there is."""
        with mapped_errors(self._path):
            (newest,) = self._connection.execute(
                "SELECT coalesce(max(entry), 0) FROM alert_history"
            ).fetchone()
            rows = self._connection.execute(
                f"SELECT {INCIDENT_COLUMNS} FROM alert_incidents WHERE incident_id IN"
                " (SELECT incident_id FROM alert_history WHERE entry > ? AND who IS NOT NULL)"
                " ORDER BY incident_id",
                (after_entry,),
            ).fetchall()
        return newest, [to_incident(row) for row in rows]

    def apply(
        self,
        moves: Sequence[Move],
        messages: Messages,
        evidence: Callable[[Incident], Sequence[int]],
        state: dict[str, int],
    ) -> list[Applied]:
        """Store moves, what is to be sent because of them, and how far evaluation has come; all or none.

        Args:
            moves: In order.
            messages: Makes the messages; called inside the transaction, with what became of each move.
            evidence: Arrival numbers of events behind an incident, newest first; called before it begins.
            state: Values to remember with them.
        """
        wanted = {
            m.after.fingerprint: evidence(m.after)
            for m in moves
            if m.what in {What.OPENED, What.REOPENED, What.ESCALATED}
        }
        with mapped_errors(self._path), transaction(self._connection):
            done = [self._apply(move, wanted.get(move.after.fingerprint, ())) for move in moves]
            for message in messages(done):
                self._add(message)
            self._remember(state)
        return done

    def _apply(self, move: Move, evidence: Sequence[int]) -> Applied:
        after = move.after
        if move.what is What.OPENED:
            incident_id, is_done = self._insert(after)
        else:
            incident_id, is_done = self._update(move)
        if is_done and move.what is not What.UPDATED:
            before = None if move.before is None else move.before.state.value
            self._connection.execute(
                "INSERT INTO alert_history (incident_id, at_ms, who, what, state_before, state_after, note)"
                " VALUES (?, ?, NULL, ?, ?, ?, ?)",
                (
                    incident_id,
                    move.at_ms,
                    move.what.value,
                    before,
                    after.state.value,
                    after.reason or after.why,
                ),
            )
        if is_done and evidence:
            self._connection.executemany(
                "INSERT INTO alert_evidence SELECT ?1, ?2 WHERE"
                f" (SELECT count(*) FROM alert_evidence WHERE incident_id = ?1) < {MOST_EVIDENCE}"
                " ON CONFLICT DO NOTHING",
                [(incident_id, seq) for seq in evidence],
            )
        return Applied(move=move, incident_id=incident_id, is_done=is_done)

    def _insert(self, after: Incident) -> tuple[int, bool]:
        held = self._held(after)
        if held is not None:
            return held, False
        values = incident_values(after)
        marks = ", ".join("?" * len(values))
        (incident_id,) = self._connection.execute(
            f"INSERT INTO alert_incidents ({INCIDENT_COLUMNS.partition(', ')[2]}) VALUES ({marks})"
            " RETURNING incident_id",
            values,
        ).fetchone()
        return incident_id, True

    def _held(self, after: Incident) -> int | None:
        """The number of an incident that is stored; None when it is not."""
        row = self._connection.execute(
            "SELECT incident_id FROM alert_incidents WHERE fingerprint = ? AND opened_ms = ?",
            (after.fingerprint, after.opened_ms),
        ).fetchone()
        return None if row is None else int(row[0])

    def _update(self, move: Move) -> tuple[int, bool]:
        after, before = move.after, move.before
        found = self._connection.execute(
            "UPDATE alert_incidents SET shape = ?, severity = ?, entity = ?, last_ms = ?, resolved_ms = ?,"
            " count = ?, why = ?, state = ?, before = ?, reason = ?, muted = ?, reopened = ?, closed_by = ?,"
            " body = ? WHERE fingerprint = ? AND opened_ms = ? AND state = ? RETURNING incident_id",
            (
                after.shape,
                after.severity.value,
                after.entity,
                after.last_ms,
                after.resolved_ms,
                after.count,
                after.why,
                after.state.value,
                None if after.before is None else after.before.value,
                after.reason,
                after.muted,
                after.reopened,
                after.closed_by,
                body_of(after),
                after.fingerprint,
                after.opened_ms,
                "" if before is None else before.state.value,
            ),
        ).fetchone()
        if found is not None:
            return found[0], True
        return self._held(after) or 0, False

    # ---- rules and silences

    def rules(self) -> list[str]:
        """The newest version of every rule, as JSON."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                "SELECT body FROM alert_rules r WHERE version ="
                " (SELECT max(version) FROM alert_rules WHERE rule_id = r.rule_id) ORDER BY rule_id"
            ).fetchall()
        return [body for (body,) in rows]

    def ship_rules(self, rules: Iterable[tuple[str, str]], at_ms: int) -> None:
        """Put in the rules that we ship and the file does not have: (id, JSON)."""
        with mapped_errors(self._path), transaction(self._connection):
            self._connection.executemany(
                "INSERT INTO alert_rules SELECT ?1, 1, ?3, 'gatewatch', 'shipped', ?2 WHERE NOT EXISTS"
                " (SELECT 1 FROM alert_rules WHERE rule_id = ?1)",
                [(rule_id, body, at_ms) for rule_id, body in rules],
            )

    def silences(self, now_ms: int) -> list[StoredSilence]:
        """Silences and maintenance windows that are not over."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {SILENCE_COLUMNS} FROM alert_silences WHERE until_ms > ? AND ended_by IS NULL"
                " ORDER BY silence_id",
                (now_ms,),
            ).fetchall()
        return [to_silence(row) for row in rows]

    def warn_of_silences(self, now_ms: int, messages: Callable[[StoredSilence], Iterable[NewMessage]]) -> int:
        """Put a warning into the outbox for each silence that ends soon, once; returns for how many."""
        with mapped_errors(self._path), transaction(self._connection):
            rows = self._connection.execute(
                f"SELECT {SILENCE_COLUMNS} FROM alert_silences WHERE until_ms > ? AND until_ms <= ?"
                " AND from_ms <= ? AND until_ms - from_ms > ? AND ended_by IS NULL AND warned_ms IS NULL"
                " ORDER BY silence_id",
                (now_ms, now_ms + WARN_BEFORE_MS, now_ms, 2 * WARN_BEFORE_MS),
            ).fetchall()
            for row in rows:
                for message in messages(to_silence(row)):
                    self._add(message)
                self._connection.execute(
                    "UPDATE alert_silences SET warned_ms = ? WHERE silence_id = ?", (now_ms, row[0])
                )
        return len(rows)

    # ---- what is remembered

    def remembered(self, name: str) -> int | None:
        """A value that was stored with moves; None when there is none."""
        with mapped_errors(self._path):
            row = self._connection.execute("SELECT value FROM alert_state WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def remember(self, values: dict[str, int], status: dict[str, object] | None = None) -> None:
        """Store values without moves, and what the evaluation says of itself."""
        with mapped_errors(self._path), transaction(self._connection):
            self._remember(values)
            if status is not None:
                self._set("status", json.dumps(status))

    def _remember(self, values: dict[str, int]) -> None:
        for name, value in values.items():
            self._set(name, str(value))

    def _set(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO alert_state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def prune(self, before_ms: int) -> int:
        """Remove at most 2,000 sent messages and log lines older than an instant; returns how many went."""
        with mapped_errors(self._path), transaction(self._connection):
            gone = self._connection.execute(
                "DELETE FROM alert_outbox WHERE message_id IN (SELECT message_id FROM alert_outbox"
                f" WHERE made_ms < ? AND state <> 'waiting' LIMIT {PRUNE_ROWS})",
                (before_ms,),
            ).rowcount
            gone += self._connection.execute(
                "DELETE FROM alert_deliveries WHERE delivery IN (SELECT delivery FROM alert_deliveries"
                f" WHERE at_ms < ? LIMIT {PRUNE_ROWS})",
                (before_ms,),
            ).rowcount
        return gone

    def _add(self, message: NewMessage) -> None:
        add_message(self._connection, message)


def add_message(connection: Connection, message: NewMessage, made_ms: int | None = None) -> None:
    """Put a message into the outbox; the same id twice is one message."""
    connection.execute(
        "INSERT INTO alert_outbox VALUES (?, ?, ?, ?, ?, ?, ?, 0, 'waiting', NULL, NULL, ?)"
        " ON CONFLICT DO NOTHING",
        (
            message.message_id,
            message.receiver,
            message.kind,
            message.incident_id,
            message.subscription,
            message.due_ms if made_ms is None else made_ms,
            message.due_ms,
            message.body,
        ),
    )
