from __future__ import annotations

import itertools

import pytest

from domain.incidents import Act, IllegalMove, State, may, next_state

MOVES = {
    "somebody takes it": (State.OPEN, Act.ACKNOWLEDGE, State.ACKNOWLEDGED),
    "and gives it back": (State.ACKNOWLEDGED, Act.GIVE_BACK, State.OPEN),
    "it becomes worse while somebody has it": (State.ACKNOWLEDGED, Act.ESCALATE, State.OPEN),
    "it becomes worse in a silence": (State.SILENCED, Act.ESCALATE, State.SILENCED),
    "a silence ends": (State.SILENCED, Act.END_SILENCE, State.OPEN),
    "its feed dies": (State.OPEN, Act.LOSE_FEED, State.UNKNOWN),
    "it ends": (State.ACKNOWLEDGED, Act.RESOLVE, State.RESOLVED),
    "a person closes what is unknown": (State.UNKNOWN, Act.RESOLVE, State.RESOLVED),
    "it comes back": (State.RESOLVED, Act.REOPEN, State.OPEN),
}


@pytest.mark.parametrize("label", MOVES)
def test_a_move_leads_where_the_table_says(label: str) -> None:
    state, act, after = MOVES[label]

    assert next_state(state, act) is after


def test_what_is_over_can_only_come_back() -> None:
    assert [act for act in Act if may(State.RESOLVED, act)] == [Act.REOPEN]


def test_an_illegal_move_names_both_and_says_what_is_possible() -> None:
    with pytest.raises(IllegalMove, match="an incident that is resolved cannot acknowledge; it can reopen"):
        next_state(State.RESOLVED, Act.ACKNOWLEDGE)


@pytest.mark.parametrize("before", [State.OPEN, State.ACKNOWLEDGED, State.SILENCED])
def test_a_feed_that_comes_back_leads_to_where_it_was_lost(before: State) -> None:
    assert next_state(State.UNKNOWN, Act.REGAIN_FEED, before) is before


def test_every_state_can_be_left_and_no_move_is_forgotten() -> None:
    for state, act in itertools.product(State, Act):
        if may(state, act):
            assert next_state(state, act) in State
    for state in State:
        assert any(may(state, act) for act in Act)
