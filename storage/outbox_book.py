"""What delivery writes: which messages are due, how sending went, how receivers and subscriptions are doing.

A message leaves `waiting` only after its attempt was recorded, so a crash between sending and recording
sends it
again: at least once, never lost. Its id stays the same, and receivers can know it by that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from storage.alert_book import NewMessage, add_message
from storage.alert_rows import OutboxRow, RequestRow
from storage.alerts_reader import to_outbox
from storage.connection import mapped_errors, transaction
from storage.deciding import open_beside_writer
from storage.location import located

_COLUMNS = (
    "message_id, receiver, kind, incident_id, subscription, made_ms, due_ms, attempts, state,"
    " ended_ms, error, body"
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt to deliver went."""

    message_id: str
    receiver: str
    at_ms: int
    outcome: str
    """`sent`, `retry` or `dead`."""
    code: int | None = None
    took_ms: int = 0
    detail: str = ""
    due_ms: int | None = None
    """When it is tried again, for `retry`."""
    switch_off: str | None = None
    """Why the receiver is switched off, where it is."""


class OutboxBook:
    """One connection of the delivery's. Not for use from several threads at once.

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

    def due(self, now_ms: int, limit: int = 50) -> list[OutboxRow]:
        """Messages to be tried now, of receivers that are switched on, the longest due first."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM alert_outbox o WHERE state = 'waiting' AND due_ms <= ?"
                " AND NOT EXISTS (SELECT 1 FROM alert_receivers r WHERE r.receiver = o.receiver AND"
                " r.is_on = 0)"
                " ORDER BY due_ms, message_id LIMIT ?",
                (now_ms, limit),
            ).fetchall()
        return [to_outbox(row) for row in rows]

    def record(self, attempt: Attempt) -> None:
        """Write down how an attempt went; the message moves with it."""
        with mapped_errors(self._path), transaction(self._connection):
            run = self._connection.execute
            run(
                "INSERT INTO alert_deliveries (message_id, receiver, at_ms, outcome, code, took_ms, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    attempt.message_id, attempt.receiver, attempt.at_ms, attempt.outcome, attempt.code,
                    attempt.took_ms, attempt.detail,
                ),
            )  # fmt: skip
            if attempt.outcome == "retry":
                run(
                    (
                        "UPDATE alert_outbox SET attempts = attempts + 1, due_ms = ?, error = ?"
                        " WHERE message_id = ?"
                    ),
                    (attempt.due_ms, attempt.detail, attempt.message_id),
                )
            else:
                run(
                    "UPDATE alert_outbox SET attempts = attempts + 1, state = ?, ended_ms = ?, error = ?"
                    " WHERE message_id = ?",
                    (
                        attempt.outcome, attempt.at_ms, None if attempt.outcome == "sent" else attempt.detail,
                        attempt.message_id,
                    ),
                )  # fmt: skip
            self._note_receiver(attempt)

    def _note_receiver(self, attempt: Attempt) -> None:
        run = self._connection.execute
        if attempt.outcome == "sent":
            run(
                "UPDATE alert_receivers SET last_success_ms = ? WHERE receiver = ?",
                (attempt.at_ms, attempt.receiver),
            )
        else:
            run(
                "UPDATE alert_receivers SET last_error_ms = ?, last_error = ? WHERE receiver = ?",
                (attempt.at_ms, attempt.detail, attempt.receiver),
            )
        if attempt.switch_off is not None:
            run(
                "UPDATE alert_receivers SET is_on = 0, off_reason = ? WHERE receiver = ?",
                (attempt.switch_off, attempt.receiver),
            )
        what = "last_success_ms = ?, last_error = NULL" if attempt.outcome == "sent" else "last_error = ?"
        run(
            f"UPDATE alert_subscriptions SET {what} WHERE subscription ="
            " (SELECT subscription FROM alert_outbox WHERE message_id = ?)",
            (attempt.at_ms if attempt.outcome == "sent" else attempt.detail, attempt.message_id),
        )

    def sent_lately(self, receiver: str, since_ms: int) -> int:
        """How many messages went to a receiver since an instant."""
        with mapped_errors(self._path):
            row = self._connection.execute(
                (
                    "SELECT count(*) FROM alert_deliveries WHERE receiver = ? AND at_ms >= ? AND"
                    " outcome = 'sent'"
                ),
                (receiver, since_ms),
            ).fetchone()
        return int(row[0])

    def drop(self, message_ids: Sequence[str], summary: NewMessage | None, at_ms: int, why: str) -> None:
        """Leave messages out, with one that says so in their place."""
        with mapped_errors(self._path), transaction(self._connection):
            self._connection.executemany(
                "UPDATE alert_outbox SET state = 'dropped', ended_ms = ?, error = ? WHERE message_id = ?",
                [(at_ms, why, message_id) for message_id in message_ids],
            )
            if summary is not None:
                add_message(self._connection, summary, made_ms=at_ms)

    def waiting_of(self, receiver: str, limit: int) -> list[OutboxRow]:
        """Messages that wait for a receiver, the oldest first."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM alert_outbox WHERE state = 'waiting' AND receiver = ?"
                " ORDER BY made_ms, message_id LIMIT ?",
                (receiver, limit),
            ).fetchall()
        return [to_outbox(row) for row in rows]

    # ---- receivers, subscriptions, requests

    def set_receivers(self, receivers: Iterable[tuple[str, str, str]], now_ms: int) -> None:
        """Receivers as configured now: (name, kind, where without secrets); others are forgotten."""
        found = list(receivers)
        with mapped_errors(self._path), transaction(self._connection):
            for name, kind, shown in found:
                self._connection.execute(
                    "INSERT INTO alert_receivers (receiver, kind, shown, is_on, seen_ms) VALUES (?,"
                    " ?, ?, 1, ?)"
                    " ON CONFLICT (receiver) DO UPDATE SET kind = excluded.kind, seen_ms = excluded.seen_ms,"
                    # a receiver that moved is another one: try it again
                    " is_on = CASE WHEN alert_receivers.shown = excluded.shown"
                    " THEN alert_receivers.is_on ELSE 1 END,"
                    " off_reason = CASE WHEN alert_receivers.shown = excluded.shown"
                    " THEN alert_receivers.off_reason END,"
                    " shown = excluded.shown",
                    (name, kind, shown, now_ms),
                )
            names = json.dumps([name for name, _, _ in found])
            self._connection.execute(
                "DELETE FROM alert_receivers WHERE receiver NOT IN"
                " (SELECT CAST(value AS TEXT) FROM json_each(?))",
                (names,),
            )

    def set_subscriptions(
        self, subscriptions: Iterable[tuple[str, str, str]], first_seq: int, now_ms: int
    ) -> dict[str, int]:
        """Subscriptions as configured now: (name, receiver, what); a new one begins after `first_seq`.

        Returns name -> the event up to which it has gone.
        """
        found = list(subscriptions)
        with mapped_errors(self._path), transaction(self._connection):
            for name, receiver, what in found:
                self._connection.execute(
                    "INSERT INTO alert_subscriptions (subscription, receiver, what, seq, seen_ms)"
                    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (subscription) DO UPDATE SET"
                    " receiver = excluded.receiver,"
                    " what = excluded.what, seen_ms = excluded.seen_ms",
                    (name, receiver, what, first_seq, now_ms),
                )
            names = json.dumps([name for name, _, _ in found])
            self._connection.execute(
                "DELETE FROM alert_subscriptions WHERE subscription NOT IN"
                " (SELECT CAST(value AS TEXT) FROM json_each(?))",
                (names,),
            )
            rows = self._connection.execute(
                "SELECT subscription, seq FROM alert_subscriptions ORDER BY subscription"
            ).fetchall()
        return dict(rows)

    def feed_subscription(
        self, subscription: str, upto_seq: int, newest_ms: int | None, messages: Iterable[NewMessage]
    ) -> None:
        """Put what a subscription asked for into the outbox, and move it on, in one transaction."""
        with mapped_errors(self._path), transaction(self._connection):
            for message in messages:
                add_message(self._connection, message)
            self._connection.execute(
                "UPDATE alert_subscriptions SET seq = ?, last_event_ms = coalesce(?, last_event_ms)"
                " WHERE subscription = ?",
                (upto_seq, newest_ms, subscription),
            )

    def add(self, message: NewMessage) -> None:
        """Put one message into the outbox."""
        with mapped_errors(self._path), transaction(self._connection):
            add_message(self._connection, message)

    def open_requests(self, kind: str) -> list[RequestRow]:
        """What was asked and not answered yet, oldest first."""
        with mapped_errors(self._path):
            rows = self._connection.execute(
                "SELECT request_id, kind, asked_ms, asked_by, body FROM alert_requests"
                " WHERE kind = ? AND done_ms IS NULL ORDER BY asked_ms, request_id LIMIT 20",
                (kind,),
            ).fetchall()
        return [
            RequestRow(
                request_id=row[0],
                kind=row[1],
                asked_ms=row[2],
                asked_by=row[3],
                body=json.loads(row[4]),
                done_ms=None,
                answer=None,
            )
            for row in rows
        ]

    def answer(self, request_id: str, answer: Any, at_ms: int) -> None:
        """Answer a request; answers older than a day go."""
        with mapped_errors(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE alert_requests SET done_ms = ?, answer = ? WHERE request_id = ?",
                (at_ms, json.dumps(answer), request_id),
            )
            self._connection.execute("DELETE FROM alert_requests WHERE done_ms < ?", (at_ms - 86_400_000,))
