"""An approved plan -> sent, verified by reading back, recorded; and what a crash left behind.

Per request: look (is the entity as the plan expects?), write down the intent, send once, read back, record.
A request that may or may not have arrived is never sent again: Kong is asked what is there, once the time
that the request could take is over. What then is as planned was applied; what is as before was not; anything
else is in doubt, and a person looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from changes.admin_api import CONFLICT, TIMEOUT_S, AdminApi, Answer, Unreachable
from domain.admin_requests import Plan, State, Step, plan_hash
from domain.proposals import Proposal, ProposalState, same_name
from storage.change_book import ChangeBook

log = logging.getLogger("gatewatch.changes")

SETTLE_MS = round(TIMEOUT_S * 2_000)
"""A request that was begun is over after this, whatever came of it: nothing is read back before."""


class End(StrEnum):
    """How carrying out a plan ended."""

    DONE = "done"
    FAILED = "failed"
    IN_DOUBT = "in doubt"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of carrying out a plan."""

    end: End
    told: str
    """In words."""
    applied: int
    """Steps that are known to be applied."""
    is_conflict: bool = False
    """Kong had something of the same kind there already (409)."""


class Applier:
    """Carries out plans on one Admin API.

    Args:
        api: Where to.
        now_ms: The time.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        api: AdminApi,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._now_ms = now_ms
        self._sleep = sleep

    async def apply(
        self,
        book: ChangeBook,
        proposal: Proposal,
        *,
        own_allowed: bool,
        duration_ms: int | None = None,
    ) -> Outcome | None:
        """Apply an approved proposal; None when it may not be, which is recorded, or another took it.

        Args:
            book: Where everything is recorded.
            proposal: As it is stored.
            own_allowed: People may approve what they proposed.
            duration_ms: Of a block: it belongs to what was approved.
        """
        why = self._objection(proposal, own_allowed=own_allowed, duration_ms=duration_ms)
        if why or proposal.plan is None or proposal.approved_hash is None:
            book.void(proposal.proposal_id, why or "there is no plan", self._now_ms())
            log.error("proposal %s is not sent: %s", proposal.proposal_id, why)
            return None
        if not book.begin(proposal.proposal_id, proposal.approved_hash, self._now_ms()):
            return None
        outcome = await self.carry_out(book, proposal.proposal_id, proposal.plan, first=0)
        self._finish(book, proposal.proposal_id, outcome)
        return outcome

    async def resume(self, book: ChangeBook, proposal: Proposal) -> Outcome | None:
        """Find out what became of a plan that was being applied when we stopped; None: too early to tell."""
        plan = proposal.plan
        if plan is None:
            book.finished(proposal.proposal_id, ProposalState.FAILED, "there is no plan", self._now_ms())
            return None
        rows = book.steps_of(proposal.proposal_id)
        if not rows:
            told = "stopped before anything was sent: propose it again"
            outcome = Outcome(end=End.FAILED, told=told, applied=0)
            self._finish(book, proposal.proposal_id, outcome)
            return outcome
        step, intent_ms, done_ms, _, _ = rows[-1]
        if done_ms is None:
            if self._now_ms() < intent_ms + SETTLE_MS:
                return None
            found = await self._look_after(book, proposal.proposal_id, step, plan.steps[step], "we stopped")
            if found is not None:
                self._finish(book, proposal.proposal_id, found)
                return found
        if step + 1 < len(plan.steps) and self._now_ms() >= (proposal.expires_ms or 0):
            told = (
                f"stopped after step {step + 1} of {len(plan.steps)}; the approval expired: propose the rest"
            )
            outcome = Outcome(end=End.FAILED, told=told, applied=step + 1)
        else:
            outcome = await self.carry_out(book, proposal.proposal_id, plan, first=step + 1)
        self._finish(book, proposal.proposal_id, outcome)
        return outcome

    async def carry_out(self, book: ChangeBook, run_id: str, plan: Plan, *, first: int) -> Outcome:
        """Send the steps of a plan from `first` on, each once; the first that fails ends it."""
        for number in range(first, len(plan.steps)):
            step = plan.steps[number]
            outcome = await self._one(book, run_id, number, step)
            if outcome is not None:
                if number and outcome.end is End.FAILED:
                    told = f"{outcome.told} ({number} of {len(plan.steps)} steps were applied before)"
                    outcome = msgspec.structs.replace(outcome, told=told)
                return outcome
        return Outcome(end=End.DONE, told="applied, and read back as planned", applied=len(plan.steps))

    # ---- one step

    async def _one(self, book: ChangeBook, run_id: str, number: int, step: Step) -> Outcome | None:
        """Carry out one step; None when it was applied and is as planned."""
        why = await self._not_as_expected(step.before)
        if why:
            return Outcome(end=End.FAILED, told=f"not sent: {step.says}: {why}", applied=number)
        book.intend(run_id, number, self._now_ms())
        try:
            answer = await self._api.send(step.request)
        except Unreachable as error:
            if not error.was_sent:
                told = f"{error.why}; nothing was changed by it"
                self._record(book, run_id, number, None, verified=False, told=told)
                return Outcome(end=End.FAILED, told=f"{step.says}: {told}", applied=number)
            await self._sleep(SETTLE_MS / 1000)
            return await self._look_after(book, run_id, number, step, error.why)
        if not answer.is_ok:
            self._record(book, run_id, number, answer, verified=False, told=answer.message())
            return Outcome(
                end=End.FAILED,
                told=f"Kong refused: {step.says}: {answer.message()}",
                applied=number,
                is_conflict=answer.status == CONFLICT,
            )
        return await self._verify(book, run_id, number, step, answer)

    async def _verify(
        self, book: ChangeBook, run_id: str, number: int, step: Step, answer: Answer
    ) -> Outcome | None:
        try:
            fields = await self._differing(step.after)
        except Unreachable as error:
            told = f"Kong took it ({answer.message()}), and could not be asked afterwards: {error.why}"
            self._record(book, run_id, number, answer, verified=None, told=told)
            return Outcome(end=End.IN_DOUBT, told=f"{step.says}: {told}", applied=number)
        if fields:
            told = f"Kong took it, and shows something else than planned: {', '.join(fields)}"
            self._record(book, run_id, number, answer, verified=False, told=told)
            return Outcome(end=End.FAILED, told=f"{step.says}: {told}", applied=number)
        self._record(book, run_id, number, answer, verified=True, told="as planned")
        return None

    async def _look_after(
        self, book: ChangeBook, run_id: str, number: int, step: Step, why: str
    ) -> Outcome | None:
        """Find out by looking whether a request arrived; None when it did and all is as planned."""
        try:
            as_planned = not await self._differing(step.after)
            as_before = not await self._differing(step.before)
        except Unreachable as error:
            told = f"{why}, and Kong cannot be asked: {error.why}"
            self._record(book, run_id, number, None, verified=None, told=told)
            return Outcome(end=End.IN_DOUBT, told=f"{step.says}: {told}", applied=number)
        if as_planned:
            self._record(book, run_id, number, None, verified=True, told=f"{why}; Kong shows it as planned")
            return None
        if as_before:
            told = f"{why}; Kong shows it as before, so it did not arrive: propose it again"
            self._record(book, run_id, number, None, verified=False, told=told)
            return Outcome(end=End.FAILED, told=f"{step.says}: {told}", applied=number)
        told = f"{why}; Kong shows it neither as before nor as planned: look at it"
        self._record(book, run_id, number, None, verified=False, told=told)
        return Outcome(end=End.IN_DOUBT, told=f"{step.says}: {told}", applied=number)

    async def _not_as_expected(self, state: State | None) -> str:
        try:
            fields = await self._differing(state)
        except Unreachable as error:
            return error.why
        if not fields or state is None:
            return ""
        if fields != ("(all)",):
            return f"somebody changed it since ({', '.join(fields)})"
        return "it is there already" if state.entity is None else "it is not there any more"

    async def _differing(self, state: State | None) -> tuple[str, ...]:
        return () if state is None else state.differing(await self._api.entity(state.path))

    # ---- records

    def _objection(self, proposal: Proposal, *, own_allowed: bool, duration_ms: int | None) -> str:
        """Why an approved proposal must not be sent; empty when it may."""
        if proposal.plan is None or proposal.target is None:
            return "there is no plan"
        if proposal.target != self._api.url:
            return "it was planned for another Admin API than the one that changes go to now"
        if plan_hash(proposal.plan, proposal.target, duration_ms) != proposal.approved_hash:
            return "the plan is not the one that was approved"
        if not proposal.approved_by:
            return "nobody approved it"
        if not own_allowed and same_name(proposal.approved_by) == same_name(proposal.asked_by):
            return "it was approved by the one who proposed it"
        return ""

    def _record(
        self,
        book: ChangeBook,
        run_id: str,
        number: int,
        answer: Answer | None,
        *,
        verified: bool | None,
        told: str,
    ) -> None:
        book.sent(
            run_id,
            number,
            at_ms=self._now_ms(),
            status=None if answer is None else answer.status,
            answer="" if answer is None else answer.message(),
            verified=verified,
            outcome=told,
        )

    def _finish(self, book: ChangeBook, proposal_id: str, outcome: Outcome) -> None:
        states = {
            End.DONE: ProposalState.APPLIED,
            End.FAILED: ProposalState.FAILED,
            End.IN_DOUBT: ProposalState.IN_DOUBT,
        }
        book.finished(proposal_id, states[outcome.end], outcome.told, self._now_ms())
        if outcome.end is not End.DONE:
            log.warning("proposal %s: %s", proposal_id, outcome.told)
