"""Blocks from when they are asked for until they are undone: what a round looks after.

A block that was applied, wholly or in part, is undone when its time is over, however often that takes and
whatever was restarted in between: what is still to be undone stands in the database.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from changes.admin_api import Unreachable
from changes.applying import Applier, End, Outcome
from changes.planning import Planner
from domain.blocks import Block, BlockState
from domain.proposals import Proposal, ProposalState
from storage import block_book
from storage.change_book import ChangeBook

log = logging.getLogger("gatewatch.changes")

RETRY_MS = 15_000
"""Between two tries to undo a block that could not be undone."""


class Blocking:
    """Looks after blocks, a round at a time.

    Args:
        planner: Makes the requests that undo.
        applier: Sends them.
        now_ms: The time.
    """

    def __init__(self, planner: Planner, applier: Applier, now_ms: Callable[[], int]) -> None:
        self._planner = planner
        self._applier = applier
        self._now_ms = now_ms
        self._not_before: dict[str, int] = {}

    def settled(self, book: ChangeBook, proposal: Proposal, outcome: Outcome) -> None:
        """A block's proposal was carried out: the block is on, or has to be cleared away."""
        block_id, now_ms = str(proposal.ask.get("block")), self._now_ms()
        if outcome.end is End.DONE:
            block_book.begun(book, block_id, now_ms)
        elif outcome.is_conflict and not outcome.applied:
            # somebody made a plugin of that kind meanwhile: a new plan merges with it, and is approved anew
            again = f"{proposal.proposal_id}.again"
            block_book.ask_again(book, block_id, again, proposal.asked_by, proposal.reason, now_ms)
        elif outcome.applied or outcome.end is End.IN_DOUBT:
            block_book.begun(book, block_id, now_ms)
            block_book.cut_short(book, block_id, now_ms, outcome.told)

    def lifted(self, book: ChangeBook, proposal: Proposal, outcome: Outcome) -> None:
        """A proposal to lift a block was carried out."""
        if outcome.end is End.DONE:
            block_id = str(proposal.ask.get("block"))
            why = f"lifted by {proposal.asked_by}, approved by {proposal.approved_by}: {proposal.reason}"
            block_book.ended(book, block_id, BlockState.ACTIVE, BlockState.LIFTED, why, self._now_ms())

    async def round(self, book: ChangeBook) -> None:
        """End what is over, and say what became of requests for blocks that ended otherwise."""
        now_ms = self._now_ms()
        for block in block_book.blocks_in(book, [BlockState.REQUESTED]):
            self._refuse_if_ended(book, block)
        for block in block_book.blocks_in(book, [BlockState.DRY_RUN]):
            if block.expires_ms is not None and now_ms >= block.expires_ms:
                block_book.ended(
                    book,
                    block.block_id,
                    BlockState.DRY_RUN,
                    BlockState.DRY_RUN_ENDED,
                    "its time is over",
                    now_ms,
                )
        for block in block_book.blocks_in(book, [BlockState.ACTIVE]):
            is_over = block.expires_ms is not None and now_ms >= block.expires_ms
            if is_over and now_ms >= self._not_before.get(block.block_id, 0):
                await self._undo(book, block)

    def _refuse_if_ended(self, book: ChangeBook, block: Block) -> None:
        proposal = book.get(block.proposal_id) if block.proposal_id else None
        if proposal is None or proposal.is_open or proposal.state == ProposalState.APPLIED:
            return
        state = BlockState.FAILED if proposal.state == ProposalState.FAILED else BlockState.REFUSED
        block_book.ended(
            book,
            block.block_id,
            BlockState.REQUESTED,
            state,
            proposal.outcome or proposal.state,
            self._now_ms(),
        )

    async def _undo(self, book: ChangeBook, block: Block) -> None:
        try:
            plan = await self._planner.undo_of(block, book)
        except Unreachable as error:
            self._later(book, block, error.why)
            return
        outcome = await self._applier.carry_out(book, f"undo:{block.block_id}:{uuid.uuid4()}", plan, first=0)
        if outcome.end is not End.DONE:
            self._later(book, block, outcome.told)
            return
        proposal = book.get(block.proposal_id) if block.proposal_id else None
        was_whole = proposal is not None and proposal.state == ProposalState.APPLIED
        state = BlockState.EXPIRED if was_whole else BlockState.FAILED
        why = (
            "its time was over" if was_whole else f"applied in part only, and undone: {block.ended_why or ''}"
        )
        told = "; ".join([why, *plan.warnings])
        block_book.ended(book, block.block_id, BlockState.ACTIVE, state, told, self._now_ms())
        self._not_before.pop(block.block_id, None)

    def _later(self, book: ChangeBook, block: Block, why: str) -> None:
        self._not_before[block.block_id] = self._now_ms() + RETRY_MS
        told = f"its time is over, and it could not be undone yet: {why}"
        log.error("block %s: %s", block.block_id, told)
        block_book.note_trouble(book, block.block_id, told)
