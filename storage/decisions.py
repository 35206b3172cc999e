"""The dashboard's only way to write about alerts: what people decide, who and when.

Every decision is one short transaction. A decision about an incident says in which state the person saw it,
and is refused when it is not in it any more: of two who click at once, one wins and the other is told. Every
decision leaves a line in the history, and one in the audit trail, which tells its notes by their hash alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from domain.errors import GatewatchError
from domain.incidents import Act, State, Verdict, next_state
from domain.rules import Rule, RuleError, problems
from domain.silences import Silence, problem
from storage.alert_rows import silence_body
from storage.audit_trail import append, digest_of
from storage.connection import mapped_errors, transaction
from storage.deciding import open_for_decisions
from storage.engine import Connection
from storage.location import located

MAX_NOTE_CHARS = 4_000
MAX_NAME_CHARS = 200


class Outrun(GatewatchError):  # noqa: N818 - reads as what happened
    """Somebody else was quicker; the message says how it stands now."""


class NotAllowed(GatewatchError):  # noqa: N818
    """The decision itself cannot be taken; the message says why."""


class Decisions:
    """One connection for decisions. Not for use from several threads at once; close it soon.

    Args:
        database: The file, or the URL; its tables must be there, the collector makes them.

    Raises:
        StoreBusy: It is not there yet, or cannot be opened now.
        StoreCorrupt: It is damaged.
    """

    def __init__(self, database: str | Path) -> None:
        self._path = located(database)
        self._connection = open_for_decisions(self._path)

    def __enter__(self) -> Self:
        """Use it for one block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    # ---- incidents

    def acknowledge(self, incident_id: int, seen: State, who: str, at_ms: int, note: str = "") -> None:
        """Take an incident: it is that person's from now on.

        Raises:
            Outrun: It is not in the state that was seen any more.
            IllegalMove: That state does not allow it.
        """
        self._move(incident_id, seen, Act.ACKNOWLEDGE, who, at_ms, note, assignee=who)

    def give_back(self, incident_id: int, seen: State, who: str, at_ms: int, note: str = "") -> None:
        """No longer look at it.

        Raises:
            Outrun: It is not in the state that was seen any more.
            IllegalMove: That state does not allow it.
        """
        self._move(incident_id, seen, Act.GIVE_BACK, who, at_ms, note, assignee=None)

    def close_incident(
        self, incident_id: int, seen: State, verdict: Verdict, who: str, at_ms: int, reason: str
    ) -> None:
        """Say what it was; it comes back when it was away, or is worse.

        Raises:
            NotAllowed: There is no reason.
            Outrun: It is not in the state that was seen any more.
            IllegalMove: It is over already.
        """
        if not reason.strip():
            raise NotAllowed("a verdict needs a reason: what was it, and how do you know?")
        self._move(
            incident_id, seen, Act.RESOLVE, who, at_ms, reason, resolved_ms=at_ms, closed_by=who,
            verdict=verdict.value, reason=f"{verdict.value}: {reason}"[:MAX_NOTE_CHARS],
        )  # fmt: skip

    def assign(self, incident_id: int, assignee: str | None, who: str, at_ms: int) -> None:
        """Give it to somebody, or to nobody."""
        with mapped_errors(self._path), transaction(self._connection):
            state = self._state(incident_id)
            self._connection.execute(
                "UPDATE alert_incidents SET assignee = ? WHERE incident_id = ?",
                (_name(assignee) if assignee else None, incident_id),
            )
            what = f"assigned to {assignee}" if assignee else "assigned to nobody"
            self._tell(incident_id, at_ms, who, what, state, state, "")

    def note(self, incident_id: int, text: str, who: str, at_ms: int) -> None:
        """Write something beside it.

        Raises:
            NotAllowed: There is nothing in it.
        """
        if not text.strip():
            raise NotAllowed("a note needs some text")
        with mapped_errors(self._path), transaction(self._connection):
            state = self._state(incident_id)
            self._tell(incident_id, at_ms, who, "note", state, state, text)

    def _move(
        self, incident_id: int, seen: State, act: Act, who: str, at_ms: int, note: str, **columns: Any
    ) -> None:
        after = next_state(seen, act)
        names = ", ".join(f"{name} = ?" for name in columns)
        with mapped_errors(self._path), transaction(self._connection):
            moved = self._connection.execute(
                f"UPDATE alert_incidents SET state = ?, {names} WHERE incident_id = ? AND state = ?",
                (after.value, *columns.values(), incident_id, seen.value),
            ).rowcount
            if not moved:
                now = self._state(incident_id)
                raise Outrun(f"this incident was {seen} and is {now} now: look again")
            self._tell(incident_id, at_ms, who, act.value, seen.value, after.value, note)

    def _state(self, incident_id: int) -> str:
        row = self._connection.execute(
            "SELECT state FROM alert_incidents WHERE incident_id = ?", (incident_id,)
        ).fetchone()
        if row is None:
            raise NotAllowed(f"there is no incident {incident_id}")
        return str(row[0])

    def _tell(
        self, incident_id: int, at_ms: int, who: str, what: str, before: str, after: str, note: str
    ) -> None:
        self._connection.execute(
            "INSERT INTO alert_history (incident_id, at_ms, who, what, state_before, state_after, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (incident_id, at_ms, _name(who), what, before, after, note[:MAX_NOTE_CHARS]),
        )
        detail = f"{before} to {after}" if before != after else before
        self._audit(at_ms, who, what, f"incident {incident_id}", detail, note[:MAX_NOTE_CHARS])

    def _audit(self, at_ms: int, who: str, what: str, subject: str, detail: str, note: str) -> None:
        told = f"{detail}; note {digest_of(note)}" if note else detail
        append(self._connection, "audit_trail", at_ms, _name(who), what, subject, told)

    # ---- silences

    def silence(self, silence: Silence, at_ms: int) -> int:
        """Mute from now on, or from later; returns its number. The one in the record is not used.

        Raises:
            NotAllowed: It has no reason, no author or no end.
        """
        fault = problem(silence, at_ms)
        if fault is not None:
            raise NotAllowed(fault)
        with mapped_errors(self._path), transaction(self._connection):
            (number,) = self._connection.execute(
                "INSERT INTO alert_silences (kind, from_ms, until_ms, author, reason, body, made_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING silence_id",
                (
                    silence.kind.value, silence.from_ms, silence.until_ms, _name(silence.author),
                    silence.reason[:MAX_NOTE_CHARS], silence_body(silence), at_ms,
                ),
            ).fetchone()  # fmt: skip
            span = f"{silence.kind.value} from {silence.from_ms} until {silence.until_ms}"
            self._audit(at_ms, silence.author, "silenced", f"silence {number}", span, silence_body(silence))
        return int(number)

    def end_silence(self, silence_id: int, who: str, at_ms: int) -> None:
        """End a silence before its time.

        Raises:
            Outrun: It was ended already.
        """
        with mapped_errors(self._path), transaction(self._connection):
            ended = self._connection.execute(
                "UPDATE alert_silences SET ended_by = ? WHERE silence_id = ? AND ended_by IS NULL",
                (_name(who), silence_id),
            ).rowcount
            if not ended:
                raise Outrun("this silence was ended already")
            self._audit(at_ms, who, "silence ended", f"silence {silence_id}", "", "")

    # ---- rules

    def save_rule(self, rule: Rule, seen_version: int, who: str, at_ms: int, note: str) -> int:
        """Store a new version; returns its number.

        Args:
            rule: As it shall be.
            seen_version: The version that was edited; 0 for a new rule.
            who: Its author.
            at_ms: When.
            note: Why.

        Raises:
            RuleError: It cannot be used.
            Outrun: Somebody saved a version in between.
        """
        faults = problems(rule)
        if faults:
            raise RuleError(faults)
        with mapped_errors(self._path), transaction(self._connection):
            (newest,) = self._connection.execute(
                "SELECT coalesce(max(version), 0) FROM alert_rules WHERE rule_id = ?", (rule.id,)
            ).fetchone()
            if newest != seen_version:
                raise Outrun(f"rule {rule.id} has version {newest} by now: look at what changed first")
            self._connection.execute(
                "INSERT INTO alert_rules VALUES (?, ?, ?, ?, ?, ?)",
                (
                    rule.id, newest + 1, at_ms, _name(who), note[:MAX_NOTE_CHARS],
                    msgspec.json.encode(rule).decode(),
                ),
            )  # fmt: skip
            body = msgspec.json.encode(rule).decode()
            self._audit(at_ms, who, "rule saved", rule.id, f"version {newest + 1}", body)
        return int(newest) + 1

    # ---- the collector is asked

    def ask(self, request_id: str, kind: str, who: str, at_ms: int, body: dict[str, Any]) -> None:
        """Ask the collector for what only it can do: `backtest`, `test` (a message to a receiver)."""
        with mapped_errors(self._path), transaction(self._connection):
            self._connection.execute(
                (
                    "INSERT INTO alert_requests (request_id, kind, asked_ms, asked_by, body)"
                    " VALUES (?, ?, ?, ?, ?)"
                ),
                (request_id, kind, at_ms, _name(who), json.dumps(body)),
            )
            self._audit(at_ms, who, f"asked for {kind}", request_id, "", "")

    def redeliver(self, message_id: str, at_ms: int) -> None:
        """Send a dead letter once more.

        Raises:
            Outrun: It is not dead any more.
        """
        with mapped_errors(self._path), transaction(self._connection):
            moved = self._connection.execute(
                "UPDATE alert_outbox SET state = 'waiting', due_ms = ?, attempts = 0, ended_ms = NULL"
                " WHERE message_id = ? AND state = 'dead'",
                (at_ms, message_id),
            ).rowcount
            if not moved:
                raise Outrun("this message is not a dead letter any more")

    def switch_on(self, receiver: str) -> None:
        """Let a receiver that was switched off be tried again."""
        with mapped_errors(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE alert_receivers SET is_on = 1, off_reason = NULL WHERE receiver = ?", (receiver,)
            )

    @property
    def connection(self) -> Connection:
        """For tests that look at what was written."""
        return self._connection


def _name(text: str) -> str:
    name = text.strip()[:MAX_NAME_CHARS]
    if not name:
        raise NotAllowed("a decision needs the name of who takes it")
    return name
