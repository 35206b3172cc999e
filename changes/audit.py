"""The Admin API's own records, and the actors of changes found by them.

Enterprise's `/audit/requests` (`audit_log=on`; `after` since 3.7) is asked for what is new. On open-source
Kong the calls that came through Kong itself are in its log; the collector stores them as events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from changes.admin_api import NOT_FOUND, AdminApi
from domain.change_actors import Actor, AdminCall, How, actor_of, safe_path
from domain.changes import Change
from domain.proposals import Proposal, ProposalState
from domain.windows import DAY_MS, MINUTE_MS, Window
from storage.change_book import ChangeBook
from storage.change_facts import newest_call_ms, record_actor, record_calls
from storage.changes_reader import ChangesReader

log = logging.getLogger("gatewatch.changes")

LOOK_BACK_MS = 10 * MINUTE_MS
"""Audit rows are written a moment after their request, by several nodes: the last minutes are read again."""
FIRST_LOOK_MS = 7 * DAY_MS
MAX_ROWS = 20_000
_READS = frozenset(["GET", "HEAD", "OPTIONS"])


async def fetch_audit(api: AdminApi, book: ChangeBook, now_ms: int) -> int | None:
    """Read what is new in Enterprise's audit log; how many calls that change something were new.

    None: this Kong keeps no audit log.

    Raises:
        Unreachable: Kong does not answer.
    """
    newest_ms = newest_call_ms(book, "audit")
    from_ms = now_ms - FIRST_LOOK_MS if newest_ms is None else newest_ms - LOOK_BACK_MS
    query = {"size": "1000", "after": str(from_ms // 1000)}
    calls: list[AdminCall] = []
    read = 0
    while read < MAX_ROWS:
        answer = await api.query("/audit/requests", query)
        if answer.status == NOT_FOUND or not answer.is_ok or not isinstance(answer.body, dict):
            return None if not calls else record_calls(book, calls)
        rows = answer.body.get("data")
        rows = rows if isinstance(rows, list) else []
        read += len(rows)
        calls += [call for row in rows if (call := to_call(row)) is not None and call.at_ms >= from_ms]
        offset = answer.body.get("offset")
        if not isinstance(offset, str) or not offset or not rows:
            break
        query["offset"] = offset
    return record_calls(book, calls)


def to_call(row: Any) -> AdminCall | None:
    """One row of `/audit/requests`; None for reads, and for what is none."""
    if not isinstance(row, Mapping):
        return None
    request_id, at, method, path = (row.get(k) for k in ("request_id", "request_timestamp", "method", "path"))
    if not isinstance(request_id, str) or not isinstance(method, str) or not isinstance(path, str):
        return None
    if method.upper() in _READS or not isinstance(at, int | float) or isinstance(at, bool):
        return None
    status = row.get("status")
    return AdminCall(
        call_id=request_id,
        at_ms=int(at * 1000),
        source="audit",
        actor=_text(row.get("rbac_user_name")) or _text(row.get("rbac_user_id")),
        method=method.upper(),
        path=safe_path(path),
        status=status if isinstance(status, int) else None,
        client_ip=_text(row.get("client_ip")),
        request_id=request_id,
        workspace=_text(row.get("workspace")),
    )


def _text(value: Any) -> str | None:
    return value[:300] if isinstance(value, str) and value else None


class Attribution:
    """Finds out who made changes, a round at a time.

    Args:
        reader: What is known.
        now_ms: The time.
    """

    def __init__(self, reader: ChangesReader, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._now_ms = now_ms
        self._told: dict[int, Actor] = {}

    def round(self, book: ChangeBook, span_ms: int = DAY_MS) -> int:
        """Look at changes of the last day that nobody is known to have made; returns how many were found."""
        rows = self._reader.unattributed(self._now_ms() - span_ms)
        if not rows:
            return 0
        first, last = rows[0].change.at_ms, rows[-1].change.at_ms
        calls = self._reader.admin_calls(Window(first - MINUTE_MS, last + MINUTE_MS))
        ours = own_steps(self._reader)
        found = 0
        for row in rows:
            mine = _own(row.change, ours)
            actor = mine[0] if mine else actor_of(row.change, calls)
            if actor.how is How.UNKNOWN and actor.client_ip is None and "both called" not in actor.why:
                continue
            if self._told.get(row.change.seq) == actor:
                continue
            record_actor(book, row.change.seq, actor, mine[1] if mine else None)
            self._told[row.change.seq] = actor
            found += actor.name is not None
        if len(self._told) > 10_000:  # noqa: PLR2004 - a day of them; what is dropped is only written again
            self._told.clear()
        return found


class OwnStep(msgspec.Struct, frozen=True, kw_only=True):
    """A request of ours that changed an entity."""

    entity_id: str
    from_ms: int
    to_ms: int
    proposal: Proposal


def own_steps(reader: ChangesReader) -> list[OwnStep]:
    """What we sent ourselves, by the entity it went to."""
    found = []
    for proposal in reader.proposals():
        if proposal.plan is None or proposal.state not in (
            ProposalState.APPLIED,
            ProposalState.APPLYING,
            ProposalState.FAILED,
            ProposalState.IN_DOUBT,
        ):
            continue
        for row in reader.steps(proposal.proposal_id):
            if row.step < len(proposal.plan.steps):
                step = proposal.plan.steps[row.step]
                body = step.request.body or {}
                path = step.after.path if step.after else step.request.path
                found.append(
                    OwnStep(
                        entity_id=str(body.get("id") or path.rpartition("/")[2]),
                        from_ms=row.intent_ms - 1_500,
                        to_ms=(row.done_ms or row.intent_ms) + 5_000,
                        proposal=proposal,
                    )
                )
    return found


def _own(change: Change, steps: Sequence[OwnStep] | Iterable[OwnStep]) -> tuple[Actor, str] | None:
    for step in steps:
        if change.entity_id == step.entity_id and step.from_ms <= change.at_ms <= step.to_ms:
            proposal = step.proposal
            why = f"{proposal.kind} proposed by {proposal.asked_by}, approved by {proposal.approved_by}"
            actor = Actor(name=proposal.asked_by, how=How.OURS, why=f"{why}: {proposal.reason}")
            return actor, proposal.proposal_id
    return None
