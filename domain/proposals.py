"""A proposal to change Kong: how it moves, and who may let it.

asked -> proposed -> approved -> applying -> applied
                                          -> failed      Kong refused, or shows something else than planned
                                          -> in doubt    nobody can say whether Kong did it; look and decide
asked -> refused                            there is no plan for it
proposed, approved -> expired | withdrawn;  proposed -> rejected

Nothing is sent that another person has not approved, by the hash of exactly what is sent, within fifteen
minutes of seeing it; and nothing is sent twice.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Any

import msgspec

from domain.admin_requests import Plan
from domain.windows import MINUTE_MS

OPEN_MS = 15 * MINUTE_MS
"""How long a proposal may be approved and begun: what people saw must still be what is there."""


class ProposalState(StrEnum):
    """Where a proposal is."""

    ASKED = "asked"
    PROPOSED = "proposed"
    REFUSED = "refused"
    APPROVED = "approved"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    IN_DOUBT = "in doubt"
    EXPIRED = "expired"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


_S = ProposalState
MOVES: dict[ProposalState, frozenset[ProposalState]] = {
    _S.ASKED: frozenset([_S.PROPOSED, _S.REFUSED, _S.WITHDRAWN]),
    _S.PROPOSED: frozenset([_S.APPROVED, _S.EXPIRED, _S.REJECTED, _S.WITHDRAWN]),
    _S.APPROVED: frozenset([_S.APPLYING, _S.EXPIRED, _S.WITHDRAWN, _S.FAILED]),
    _S.APPLYING: frozenset([_S.APPLIED, _S.FAILED, _S.IN_DOUBT]),
}
"""Where each state can go; those that are not here stay for ever."""
OPEN = frozenset([_S.ASKED, _S.PROPOSED, _S.APPROVED, _S.APPLYING])


class Kind(StrEnum):
    """What a proposal is for."""

    ROLLBACK = "rollback"
    BLOCK = "block"
    LIFT = "lift"
    LIMIT = "limit"
    FRAGMENT = "fragment"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal as it is stored."""

    proposal_id: str
    kind: str
    state: str
    asked_ms: int
    asked_by: str
    reason: str
    ask: dict[str, Any]
    """What was asked for: `{"change": seq}`, `{"block": id}`, `{"fragment": text}`, ..."""
    target: str | None = None
    plan: Plan | None = None
    plan_hash: str | None = None
    shown: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """Per step what differs from the live entity, for people; secrets masked."""
    planned_ms: int | None = None
    expires_ms: int | None = None
    approved_ms: int | None = None
    approved_by: str | None = None
    approved_hash: str | None = None
    ended_ms: int | None = None
    outcome: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether something can still come of it."""
        return self.state in OPEN


NOBODY_VOUCHED = "local operator"
"""Whoever sits at the computer where nobody logs in: that can be anybody, the one who proposed included."""


class Answer(StrEnum):
    """What becomes of an approval."""

    GIVEN = "approved"
    OWN = "nobody approves what they proposed themselves"
    EXPIRED = "it expired: propose it again, and look at what is there now"
    CHANGED = "it is not what was shown: the plan has changed, look again"
    NOT_OPEN = "it is not open any more: somebody decided before you"
    NAMELESS = "an approval needs a name that a login vouches for"
    NOT_TOLD_APART = "without a login nobody knows whether it is another person"


def answer_to(
    proposal: Proposal, approver: str, plan_hash: str, now_ms: int, *, own_allowed: bool = False
) -> Answer:
    """Whether this person may approve this plan now.

    Args:
        proposal: As it is stored at this moment.
        approver: The name that the login vouches for.
        plan_hash: Of the plan that the person was shown.
        now_ms: The time.
        own_allowed: The operator allowed people to approve what they proposed (one person works alone).
    """
    if not same_name(approver):
        return Answer.NAMELESS
    if proposal.state != ProposalState.PROPOSED:
        return Answer.NOT_OPEN
    if plan_hash != proposal.plan_hash:
        return Answer.CHANGED
    if proposal.expires_ms is None or now_ms >= proposal.expires_ms:
        return Answer.EXPIRED
    return Answer.GIVEN if own_allowed else _as_second_person(approver, proposal.asked_by)


def _as_second_person(approver: str, asked_by: str) -> Answer:
    names = same_name(approver), same_name(asked_by)
    if same_name(NOBODY_VOUCHED) in names:
        return Answer.NOT_TOLD_APART
    return Answer.OWN if names[0] == names[1] else Answer.GIVEN


def same_name(name: str) -> str:
    """A name as people are told apart by it: width, case and spaces make nobody somebody else."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def may_move(state: str, to: ProposalState) -> bool:
    """Whether a proposal in a state may go to another."""
    return to in MOVES.get(ProposalState(state), frozenset())
