"""Changes and response, in turns, for as long as the collector runs.

Every second: what people asked for is planned, what they approved is sent, blocks that are over are undone.
Now and then: who made changes, what followed them, and whether Kong is as events told. A turn that fails is
told of and comes again; nothing here stops the collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable

from changes.admin_api import AdminApi, Unreachable, read_token
from changes.applying import Applier, Outcome
from changes.audit import Attribution, fetch_audit
from changes.blocking import Blocking
from changes.drift import Drift
from changes.planning import Planned, Planner, refusal_of
from changes.verdicts import Verdicts
from domain.admin_requests import Refused, plan_hash
from domain.blocks import Protected, SubjectType, never_blocked
from domain.errors import DeadlineExceeded, StoreError
from domain.proposals import OPEN_MS, Kind, Proposal, ProposalState
from domain.windows import DAY_MS, MINUTE_MS
from settings import Settings, SettingValueError
from storage.block_book import get_block, plan_touches
from storage.change_book import ChangeBook
from storage.change_facts import forget_old_calls, record_calls
from storage.changes_reader import ChangesReader
from storage.opening import open_reader

log = logging.getLogger("gatewatch.changes")

TURN_S = 1.0
FIND_EVERY_MS = 10_000
JUDGE_EVERY_MS = 20_000
AUDIT_EVERY_MS = 30_000
TIDY_EVERY_MS = 60 * MINUTE_MS
CALLERS_MS = 30 * DAY_MS
"""Whoever called the Admin API within this is never blocked."""
NOT_SET = "no change_url is set: this Gatewatch never sends anything to Kong"
DEADLINE_MS = 10_000
"""Longest that one read of the background work may take."""


class ChangeService:
    """All of it.

    Args:
        settings: Where Kong is, and what may be done.
        now_ms: The time.
        api: Instead of the one that the settings name: for tests.
        sleep: Waits so many seconds.
        may_act: Whether changes are still this process's.

    Raises:
        SettingValueError: A setting cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        now_ms: Callable[[], int],
        api: AdminApi | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        may_act: Callable[[], bool] = lambda: True,
    ) -> None:
        self._may_act = may_act
        self._settings = settings
        self._now_ms = now_ms
        self._sleep = sleep
        self._database = settings.database
        self._never = never_blocked_setting(settings)
        self._reader = ChangesReader(self._database, DEADLINE_MS)
        self._totals = open_reader(self._database, DEADLINE_MS)
        self._writes = api or _write_api(settings)
        reads = self._writes or _read_api(settings)
        self._reads = reads
        self._planner: Planner | None = None
        if self._writes is not None:
            self._planner = Planner(self._writes, self._reader, self._protected, _new_id, now_ms)
            self._applier = Applier(self._writes, now_ms, sleep)
            self._blocking = Blocking(self._planner, self._applier, now_ms)
        self._attribution = Attribution(self._reader, now_ms)
        self._verdicts = Verdicts(self._totals, self._reader, now_ms)
        self._drift = Drift(reads, self._reader, settings.drift_check_s * 1000, now_ms) if reads else None
        self._next_ms: dict[str, int] = {}
        self._trouble: dict[str, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Take turns until told to stop."""
        try:
            while not stop.is_set():
                try:
                    if self._may_act():
                        await self.turn()
                except Exception:
                    # a mistake of ours in one turn must not end all later ones: blocks have to be undone
                    log.exception("a turn of changes failed")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), TURN_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close files and connections."""
        self._reader.close()
        self._totals.close()
        for api in {id(a): a for a in (self._writes, self._reads) if a is not None}.values():
            await api.aclose()

    async def turn(self) -> None:
        """Everything that is due, once."""
        try:
            book = ChangeBook(self._database)
        except StoreError as error:
            self._tell("store", str(error))
            return
        try:
            await self._guarded("proposals", self._decide(book))
            if self._planner is not None:
                await self._guarded("blocks", self._blocking.round(book))
            if self._is_due("actors", FIND_EVERY_MS):
                await self._guarded("actors", self._find_actors(book))
            if self._is_due("verdicts", JUDGE_EVERY_MS):
                await self._guarded("verdicts", asyncio.to_thread(self._judge))
            if self._drift is not None:
                await self._guarded("drift", self._drift.round(book))
            if self._is_due("tidy", TIDY_EVERY_MS):
                forget_old_calls(book, self._now_ms())
        finally:
            book.close()

    # ---- proposals

    async def _decide(self, book: ChangeBook) -> None:
        book.expire(self._now_ms())
        for proposal in book.in_state(ProposalState.APPLYING):
            await self._resume(book, proposal)
        for proposal in book.in_state(ProposalState.ASKED):
            await self._plan(book, proposal)
        for proposal in book.in_state(ProposalState.APPROVED):
            if self._may_act():
                await self._apply(book, proposal)

    async def _plan(self, book: ChangeBook, proposal: Proposal) -> None:
        if self._planner is None or self._writes is None:
            book.refused(proposal.proposal_id, NOT_SET, self._now_ms())
            return
        try:
            found = await self._planner.plan(proposal, book)
        except Unreachable as error:
            if self._now_ms() >= proposal.asked_ms + OPEN_MS:
                book.refused(proposal.proposal_id, f"Kong could not be asked: {error.why}", self._now_ms())
            raise
        if isinstance(found, Refused):
            why = f"{found.why}; {found.instead}" if found.instead else found.why
            book.refused(proposal.proposal_id, why, self._now_ms(), found.fragment)
            return
        self._put(book, proposal, found, self._writes.url)

    def _put(self, book: ChangeBook, proposal: Proposal, found: Planned, target: str) -> None:
        if proposal.kind == Kind.BLOCK:
            plan_touches(book, str(proposal.ask["block"]), found.touched)
        now_ms = self._now_ms()
        book.planned(
            proposal.proposal_id,
            plan=found.plan,
            plan_hash=plan_hash(found.plan, target, found.duration_ms),
            target=target,
            shown=found.shown,
            at_ms=now_ms,
            expires_ms=now_ms + OPEN_MS,
        )

    async def _apply(self, book: ChangeBook, proposal: Proposal) -> None:
        if self._planner is None:
            book.void(proposal.proposal_id, NOT_SET, self._now_ms())
            return
        duration_ms = None
        if proposal.kind == Kind.BLOCK:
            block = get_block(book, str(proposal.ask.get("block")))
            why = refusal_of(block, book, self._protected(), self._now_ms())
            if why is not None:
                book.void(proposal.proposal_id, why, self._now_ms())
                return
            duration_ms = block.duration_ms
        outcome = await self._applier.apply(
            book, proposal, own_allowed=self._settings.approve_own_changes, duration_ms=duration_ms
        )
        if outcome is not None:
            self._settle(book, proposal, outcome)

    async def _resume(self, book: ChangeBook, proposal: Proposal) -> None:
        if self._planner is None:
            return
        outcome = await self._applier.resume(book, proposal)
        if outcome is not None:
            self._settle(book, proposal, outcome)

    def _settle(self, book: ChangeBook, proposal: Proposal, outcome: Outcome) -> None:
        if proposal.kind == Kind.BLOCK:
            self._blocking.settled(book, proposal, outcome)
        elif proposal.kind == Kind.LIFT:
            self._blocking.lifted(book, proposal, outcome)

    def _protected(self) -> list[Protected]:
        """Those who are never blocked: by settings, by list, and because they call the Admin API."""
        now_ms = self._now_ms()
        listed = [entry.protected for entry in self._reader.never_block_list(now_ms)]
        callers = [
            Protected(
                subject_type=SubjectType.RANGE, subject=ip, note="Kong's Admin API is called from there"
            )
            for ip in self._reader.admin_callers(now_ms - CALLERS_MS)
        ]
        return [*self._never, *listed, *callers]

    # ---- the rest

    async def _find_actors(self, book: ChangeBook) -> None:
        record_calls(book, self._reader.logged_calls(self._now_ms() - DAY_MS))
        if self._reads is not None and self._is_due("audit", AUDIT_EVERY_MS):
            await fetch_audit(self._reads, book, self._now_ms())
        self._attribution.round(book)

    def _judge(self) -> None:
        with ChangeBook(self._database) as book:
            self._verdicts.round(book)

    def _is_due(self, name: str, every_ms: int) -> bool:
        now_ms = self._now_ms()
        if now_ms < self._next_ms.get(name, 0):
            return False
        self._next_ms[name] = now_ms + every_ms
        return True

    async def _guarded(self, name: str, work: Awaitable[object]) -> None:
        """Do one part; a failure is told once, until it is another or over."""
        try:
            await work
        except Unreachable as error:
            self._tell(name, f"Kong's Admin API: {error.why}")
        except (StoreError, DeadlineExceeded) as error:
            self._tell(name, str(error))
        else:
            if self._trouble.pop(name, None):
                log.info("%s: works again", name)

    def _tell(self, name: str, why: str) -> None:
        if self._trouble.get(name) != why:
            self._trouble[name] = why
            log.warning("%s: %s", name, why)


def never_blocked_setting(settings: Settings) -> list[Protected]:
    """The setting `never_block`.

    Raises:
        SettingValueError: One of it is no address and no range.
    """
    try:
        return never_blocked(settings.never_block)
    except ValueError as error:
        raise SettingValueError(str(error)) from error


def _write_api(settings: Settings) -> AdminApi | None:
    if not settings.change_url:
        return None
    token = read_token(settings.change_token_file)
    return AdminApi(settings.change_url, token, settings.admin_ca_file)


def _read_api(settings: Settings) -> AdminApi | None:
    if not settings.admin_url:
        return None
    return AdminApi(settings.admin_url[0], read_token(settings.admin_token_file), settings.admin_ca_file)


def _new_id() -> str:
    return str(uuid.uuid4())
