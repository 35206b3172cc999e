from __future__ import annotations

from typing import Any

import pytest

from domain.proposals import OPEN, OPEN_MS, Answer, Proposal, ProposalState, answer_to, may_move, same_name

NOW = 1_795_384_800_000
HASH = "a" * 64


def proposal(**given: Any) -> Proposal:
    fields: dict[str, Any] = {
        "proposal_id": "p", "kind": "rollback", "state": "proposed", "asked_ms": NOW,
        "asked_by": "ana@example.org", "reason": "r", "ask": {}, "plan_hash": HASH,
        "expires_ms": NOW + OPEN_MS,
    }  # fmt: skip
    return Proposal(**{**fields, **given})


ANSWERS: list[tuple[str, dict[str, Any], str, str, int, Answer]] = [
    ("another person", {}, "bob", HASH, NOW, Answer.GIVEN),
    ("the last moment", {}, "bob", HASH, NOW + OPEN_MS - 1, Answer.GIVEN),
    ("too late", {}, "bob", HASH, NOW + OPEN_MS, Answer.EXPIRED),
    ("the same person", {}, "ana@example.org", HASH, NOW, Answer.OWN),
    ("the same person in capitals", {}, " Ana@Example.ORG ", HASH, NOW, Answer.OWN),
    ("the same person in wide letters", {}, "\uff41na@example.org", HASH, NOW, Answer.OWN),
    ("another plan than was shown", {}, "bob", "b" * 64, NOW, Answer.CHANGED),
    ("approved already", {"state": "approved"}, "bob", HASH, NOW, Answer.NOT_OPEN),
    ("not planned yet", {"state": "asked", "plan_hash": None}, "bob", HASH, NOW, Answer.NOT_OPEN),
    ("applied", {"state": "applied"}, "bob", HASH, NOW, Answer.NOT_OPEN),
    ("whoever sits here", {}, "local operator", HASH, NOW, Answer.NOT_TOLD_APART),
    (
        "a person, of whoever sat here",
        {"asked_by": "Local Operator"},
        "bob",
        HASH,
        NOW,
        Answer.NOT_TOLD_APART,
    ),
    ("nobody", {}, "  ", HASH, NOW, Answer.NAMELESS),
]


@pytest.mark.parametrize(
    ("label", "given", "who", "shown", "at_ms", "expected"), ANSWERS, ids=[row[0] for row in ANSWERS]
)
def test_who_may_approve_what_and_when(
    label: str, given: dict[str, Any], who: str, shown: str, at_ms: int, expected: Answer
) -> None:
    assert answer_to(proposal(**given), who, shown, at_ms) is expected, label


def test_one_person_alone_needs_the_operators_explicit_leave() -> None:
    assert answer_to(proposal(), "ana@example.org", HASH, NOW, own_allowed=True) is Answer.GIVEN


def test_what_has_ended_stays_as_it_is() -> None:
    for state in set(ProposalState) - OPEN:
        assert not any(may_move(state, to) for to in ProposalState)


def test_nothing_is_applied_that_was_not_approved() -> None:
    ways = [state for state in ProposalState if may_move(state, ProposalState.APPLYING)]

    assert ways == [ProposalState.APPROVED]
    assert [s for s in ProposalState if may_move(s, ProposalState.APPROVED)] == [ProposalState.PROPOSED]


def test_a_name_is_one_person_however_it_is_typed() -> None:
    assert same_name("Ana Lopez") == same_name("ana\u00a0LOPEZ ")
