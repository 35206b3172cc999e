"""Writes of changes and response: proposals, approvals, what was sent, the log of all of it.

Used by the dashboard (people ask, approve, reject) and by the collector (plans, sends, records). Every method
is one short transaction. A proposal moves by compare-and-set: of two who race, one moves it and the other is
told so. Each move leaves an entry in the log, chained by hashes.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from domain.admin_requests import Plan
from domain.proposals import Answer, Proposal, ProposalState, answer_to, same_name
from storage.audit_trail import append
from storage.connection import mapped_errors, transaction
from storage.deciding import open_for_decisions
from storage.engine import Connection
from storage.location import located

COLUMNS = (
    "proposal_id, kind, state, asked_ms, asked_by, reason, ask, target, plan, plan_hash, shown, planned_ms,"
    " expires_ms, approved_ms, approved_by, approved_hash, ended_ms, outcome"
)
MAX_TEXT_CHARS = 2_000


def to_proposal(row: tuple[Any, ...]) -> Proposal:
    """A row of `COLUMNS`."""
    fields = dict(zip(COLUMNS.replace(" ", "").split(","), row, strict=True))
    plan, shown = fields.pop("plan"), fields.pop("shown")
    return Proposal(
        **{**fields, "ask": json.loads(fields["ask"])},
        plan=None if plan is None else msgspec.json.decode(plan, type=Plan),
        shown=[] if shown is None else json.loads(shown),
    )


class ChangeBook:
    """One connection for decisions. Not for use from several threads at once.

    The tables must be there: the collector makes them.

    Raises:
        StoreBusy: It is not there, or cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It is not ours.
    """

    def __init__(self, database: str | Path) -> None:
        self.path = located(database)
        self._connection = open_for_decisions(self.path)

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

    @property
    def connection(self) -> Connection:
        """For the other books of changes, so that they write in the same transactions."""
        return self._connection

    # ---- people

    def ask(
        self, proposal_id: str, kind: str, asked_by: str, reason: str, ask: dict[str, Any], at_ms: int
    ) -> None:
        """Ask for a change; the collector makes a plan of it."""
        with mapped_errors(self.path), transaction(self._connection):
            self.ask_within(proposal_id, kind, asked_by, reason, ask, at_ms)

    def ask_within(
        self, proposal_id: str, kind: str, asked_by: str, reason: str, ask: dict[str, Any], at_ms: int
    ) -> None:
        """The same, inside a transaction that is open."""
        self._connection.execute(
            "INSERT INTO change_proposals (proposal_id, kind, state, asked_ms, asked_by, reason, ask)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                proposal_id,
                kind,
                ProposalState.ASKED.value,
                at_ms,
                asked_by,
                reason[:MAX_TEXT_CHARS],
                json.dumps(ask),
            ),
        )
        self.log(at_ms, asked_by, "asked", proposal_id, f"{kind}: {reason}")

    def approve(
        self, proposal_id: str, approver: str, plan_hash: str, at_ms: int, *, own_allowed: bool
    ) -> Answer:
        """Approve a plan by its hash. Whatever the answer, that somebody tried is recorded."""
        with mapped_errors(self.path), transaction(self._connection):
            found = self._get(proposal_id)
            answer = answer_to(found, approver, plan_hash, at_ms, own_allowed=own_allowed)
            if answer is Answer.GIVEN:
                self._set(
                    proposal_id,
                    ProposalState.PROPOSED,
                    ProposalState.APPROVED,
                    approved_ms=at_ms,
                    approved_by=approver,
                    approved_hash=plan_hash,
                )
            self._connection.execute(
                "INSERT INTO change_approvals VALUES (?, ?, ?, 'approve', ?, ?, ?)"
                " ON CONFLICT (proposal_id, approver, at_ms) DO UPDATE SET verdict = excluded.verdict,"
                " plan_hash = excluded.plan_hash, won = excluded.won, note = excluded.note",
                (proposal_id, approver, at_ms, plan_hash, int(answer is Answer.GIVEN), answer.value),
            )
            what = "approved" if answer is Answer.GIVEN else "approval refused"
            self.log(at_ms, approver, what, proposal_id, f"{plan_hash[:12]}: {answer.value}")
            return answer

    def reject(self, proposal_id: str, by: str, note: str, at_ms: int) -> bool:
        """Say no to a plan; False when it is not open any more."""
        with mapped_errors(self.path), transaction(self._connection):
            moved = self._set(
                proposal_id,
                ProposalState.PROPOSED,
                ProposalState.REJECTED,
                ended_ms=at_ms,
                outcome=f"rejected by {by}" + (f": {note[:MAX_TEXT_CHARS]}" if note else ""),
            )
            if moved:
                self.log(at_ms, by, "rejected", proposal_id, note)
            return moved

    def withdraw(self, proposal_id: str, by: str, at_ms: int) -> bool:
        """Take back what one asked for oneself; False when it is too late or not one's own."""
        with mapped_errors(self.path), transaction(self._connection):
            found = self._get(proposal_id)
            if same_name(found.asked_by) != same_name(by):
                return False
            states = (ProposalState.ASKED, ProposalState.PROPOSED, ProposalState.APPROVED)
            moved = any(
                self._set(
                    proposal_id, state, ProposalState.WITHDRAWN, ended_ms=at_ms, outcome=f"withdrawn by {by}"
                )
                for state in states
            )
            if moved:
                self.log(at_ms, by, "withdrawn", proposal_id, "")
            return moved

    # ---- the collector

    def planned(
        self,
        proposal_id: str,
        *,
        plan: Plan,
        plan_hash: str,
        target: str,
        shown: list[dict[str, Any]],
        at_ms: int,
        expires_ms: int,
    ) -> bool:
        """Put a plan to what was asked; from now on it can be approved, until it expires."""
        with mapped_errors(self.path), transaction(self._connection):
            moved = self._set(
                proposal_id,
                ProposalState.ASKED,
                ProposalState.PROPOSED,
                plan=msgspec.json.encode(plan).decode(),
                plan_hash=plan_hash,
                target=target,
                shown=json.dumps(shown),
                planned_ms=at_ms,
                expires_ms=expires_ms,
            )
            if moved:
                self.log(at_ms, "gatewatch", "planned", proposal_id, plan_hash)
            return moved

    def refused(self, proposal_id: str, why: str, at_ms: int, fragment: str = "") -> bool:
        """Say that there is no plan for what was asked, why, and what to apply by hand instead."""
        shown = json.dumps([{"fragment": fragment}]) if fragment else None
        return self._end(proposal_id, ProposalState.ASKED, ProposalState.REFUSED, why, at_ms, shown)

    def expire(self, at_ms: int) -> int:
        """End what was not approved, or not begun, in time; returns how many."""
        with mapped_errors(self.path), transaction(self._connection):
            rows = self._connection.execute(
                "SELECT proposal_id, state FROM change_proposals WHERE state IN ('proposed', 'approved')"
                " AND expires_ms <= ? ORDER BY proposal_id",
                (at_ms,),
            ).fetchall()
            for proposal_id, state in rows:
                waited = "approved" if state == ProposalState.PROPOSED else "sent"
                outcome = f"expired: not {waited} within 15 minutes"
                self._set(
                    proposal_id,
                    ProposalState(state),
                    ProposalState.EXPIRED,
                    ended_ms=at_ms,
                    outcome=outcome,
                )
                self.log(at_ms, "gatewatch", "expired", proposal_id, outcome)
            return len(rows)

    def begin(self, proposal_id: str, plan_hash: str, at_ms: int) -> bool:
        """Take an approved plan to apply it; False when another took it, or it may not be applied any more.

        Args:
            proposal_id: Which.
            plan_hash: Computed anew from the plan that is about to be sent: it must be the approved one.
            at_ms: Now.
        """
        with mapped_errors(self.path), transaction(self._connection):
            cursor = self._connection.execute(
                "UPDATE change_proposals SET state = ? WHERE proposal_id = ? AND state = ?"
                " AND approved_hash = ? AND plan_hash = ? AND expires_ms > ?",
                (
                    ProposalState.APPLYING.value,
                    proposal_id,
                    ProposalState.APPROVED.value,
                    plan_hash,
                    plan_hash,
                    at_ms,
                ),
            )
            if cursor.rowcount:
                self.log(at_ms, "gatewatch", "began", proposal_id, plan_hash)
            return bool(cursor.rowcount)

    def void(self, proposal_id: str, why: str, at_ms: int) -> bool:
        """End an approved plan that must not be sent."""
        return self._end(proposal_id, ProposalState.APPROVED, ProposalState.FAILED, why, at_ms)

    def intend(self, proposal_id: str, step: int, at_ms: int) -> None:
        """Write down that a request is about to be sent. On disk when this returns.

        Raises:
            sqlite3.IntegrityError: It was intended before: nothing is sent twice.
        """
        with mapped_errors(self.path), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO change_steps (proposal_id, step, intent_ms) VALUES (?, ?, ?)",
                (proposal_id, step, at_ms),
            )
            self.log(at_ms, "gatewatch", "sending", proposal_id, f"step {step + 1}")

    def sent(
        self,
        proposal_id: str,
        step: int,
        *,
        at_ms: int,
        status: int | None,
        answer: str,
        verified: bool | None,
        outcome: str,
    ) -> None:
        """Record what came of a request; status None: nobody knows whether it arrived."""
        with mapped_errors(self.path), transaction(self._connection):
            self._connection.execute(
                "UPDATE change_steps SET done_ms = ?, status = ?, answer = ?, verified = ?, outcome = ?"
                " WHERE proposal_id = ? AND step = ?",
                (
                    at_ms,
                    status,
                    answer[:MAX_TEXT_CHARS],
                    None if verified is None else int(verified),
                    outcome[:MAX_TEXT_CHARS],
                    proposal_id,
                    step,
                ),
            )
            self.log(at_ms, "gatewatch", "sent", proposal_id, f"step {step + 1}: {status}, {outcome}")

    def finished(self, proposal_id: str, state: ProposalState, outcome: str, at_ms: int) -> bool:
        """End a plan that was being applied."""
        return self._end(proposal_id, ProposalState.APPLYING, state, outcome, at_ms)

    # ---- reading what is to be written

    def get(self, proposal_id: str) -> Proposal:
        """One proposal as it is at this moment.

        Raises:
            KeyError: There is none.
        """
        with mapped_errors(self.path):
            return self._get(proposal_id)

    def in_state(self, state: ProposalState) -> list[Proposal]:
        """All in one state, oldest first."""
        with mapped_errors(self.path):
            rows = self._connection.execute(
                f"SELECT {COLUMNS} FROM change_proposals WHERE state = ? ORDER BY asked_ms, proposal_id",
                (state.value,),
            ).fetchall()
        return [to_proposal(row) for row in rows]

    def steps_of(self, proposal_id: str) -> list[tuple[int, int, int | None, int | None, str | None]]:
        """(step, intended, done, status, outcome) of what was sent, in order."""
        with mapped_errors(self.path):
            return self._connection.execute(
                "SELECT step, intent_ms, done_ms, status, outcome FROM change_steps WHERE proposal_id = ?"
                " ORDER BY step",
                (proposal_id,),
            ).fetchall()

    # ---- inside

    def _get(self, proposal_id: str) -> Proposal:
        row = self._connection.execute(
            f"SELECT {COLUMNS} FROM change_proposals WHERE proposal_id = ?", (proposal_id,)
        ).fetchone()
        if row is None:
            raise KeyError(proposal_id)
        return to_proposal(row)

    def _set(self, proposal_id: str, old: ProposalState, new: ProposalState, **columns: Any) -> bool:
        names = "".join(f", {name} = ?" for name in columns)
        cursor = self._connection.execute(
            f"UPDATE change_proposals SET state = ?{names} WHERE proposal_id = ? AND state = ?",
            (new.value, *columns.values(), proposal_id, old.value),
        )
        return bool(cursor.rowcount)

    def _end(
        self,
        proposal_id: str,
        old: ProposalState,
        new: ProposalState,
        outcome: str,
        at_ms: int,
        shown: str | None = None,
    ) -> bool:
        with mapped_errors(self.path), transaction(self._connection):
            told = outcome[:MAX_TEXT_CHARS]
            more = {} if shown is None else {"shown": shown}
            moved = self._set(proposal_id, old, new, ended_ms=at_ms, outcome=told, **more)
            if moved:
                self.log(at_ms, "gatewatch", new.value, proposal_id, told)
            return moved

    def note(self, at_ms: int, who: str, what: str, subject: str, detail: str) -> None:
        """Record something that was done, besides decisions."""
        with mapped_errors(self.path), transaction(self._connection):
            self.log(at_ms, who, what, subject, detail)

    def log(self, at_ms: int, who: str, what: str, subject: str, detail: str) -> None:
        """Add an entry to the log, inside a transaction that is open."""
        append(self._connection, "change_log", at_ms, who, what, subject, detail)
