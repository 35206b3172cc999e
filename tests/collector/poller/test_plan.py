from __future__ import annotations

import itertools
from collections import Counter

import pytest

from collector.poller.plan import Ask, Kind, Line, Plan

MIDDLE = 0.5
"""A random number that leaves intervals as they are."""


def plan_of(per_minute: int = 120, round_s: float = 5.0) -> Plan:
    return Plan(0.0, round_s, per_minute, lambda: MIDDLE)


def played(plan: Plan, until_s: float, step_s: float = 0.25) -> list[tuple[float, Ask]]:
    """Everything that is asked up to a moment, both lines, answered at once."""
    asked = []
    now_s = 0.0
    while now_s <= until_s:
        for line in Line:
            while (ask := plan.take(now_s, line)) is not None:
                asked.append((now_s, ask))
        now_s += step_s
    return asked


def test_only_the_sign_of_life_is_asked_for_until_somebody_answers() -> None:
    asked = played(plan_of(), 12.0)

    assert asked == [(0.0, Ask(Kind.ABOUT)), (5.0, Ask(Kind.ABOUT)), (10.0, Ask(Kind.ABOUT))]


def test_each_thing_is_asked_as_often_as_the_table_says() -> None:
    plan = plan_of(per_minute=6_000)
    plan.answered(0.0, is_control_plane=True, lists=True)
    plan.watch_targets(["orders"], ["static"], 0.0)

    asked = Counter(ask for _, ask in played(plan, 299.9))

    assert asked == {
        Ask(Kind.ABOUT): 60,
        Ask(Kind.STATUS): 30,
        Ask(Kind.DATA_PLANES): 30,
        Ask(Kind.TARGETS, "orders"): 60,
        Ask(Kind.TARGETS, "static"): 5,
        Ask(Kind.LIST, "plugins"): 5,
        Ask(Kind.LIST, "routes"): 5,
        Ask(Kind.LIST, "services"): 5,
        Ask(Kind.LIST, "upstreams"): 5,
        Ask(Kind.LIST, "consumers"): 1,
    }


@pytest.mark.parametrize("per_minute", [20, 60, 120])
def test_the_budget_holds_in_every_minute_and_signs_of_life_never_wait_for_it(per_minute: int) -> None:
    plan = plan_of(per_minute)
    plan.answered(0.0, is_control_plane=False, lists=True)
    plan.watch_targets([f"u-{i}" for i in range(100)], [], 0.0)

    asked = played(plan, 240.0)

    abouts = [at_s for at_s, ask in asked if ask.kind is Kind.ABOUT]
    assert max(after - before for before, after in itertools.pairwise(abouts)) <= 5.25
    most = max(sum(start <= at_s < start + 60 for at_s, _ in asked) for start in range(180))
    assert most <= per_minute * 1.25 + 1


def test_every_upstream_gets_its_turn_within_a_tight_budget() -> None:
    plan = plan_of(per_minute=60)
    plan.answered(0.0, is_control_plane=False, lists=False)
    plan.watch_targets([f"u-{i}" for i in range(30)], [], 0.0)

    asked = Counter(ask for at_s, ask in played(plan, 300.0) if ask.kind is Kind.TARGETS)

    assert len(asked) == 30
    assert max(asked.values()) - min(asked.values()) <= 1


def test_silence_stops_everything_but_the_sign_of_life() -> None:
    plan = plan_of()
    plan.answered(0.0, is_control_plane=False, lists=True)
    plan.unanswered()

    assert {ask.kind for _, ask in played(plan, 120.0)} == {Kind.ABOUT}


def test_a_node_that_is_not_chosen_any_more_is_not_listed() -> None:
    plan = plan_of()
    plan.answered(0.0, is_control_plane=True, lists=True)
    plan.answered(0.0, is_control_plane=False, lists=False)

    assert {ask.kind for _, ask in played(plan, 20.0)} == {Kind.ABOUT, Kind.STATUS}


def test_upstreams_that_are_gone_are_not_asked_about() -> None:
    plan = plan_of()
    plan.answered(0.0, is_control_plane=False, lists=False)
    plan.watch_targets(["a", "b"], [], 0.0)
    plan.watch_targets(["b"], [], 0.0)
    plan.forget(Ask(Kind.TARGETS, "b"))

    assert not [ask for _, ask in played(plan, 20.0) if ask.kind is Kind.TARGETS]


def test_new_configuration_is_listed_at_once() -> None:
    plan = plan_of()
    plan.answered(0.0, is_control_plane=False, lists=True)
    played(plan, 10.0)

    plan.list_again(10.0)

    assert plan.take(10.0, Line.SURVEY) == Ask(Kind.LIST, "plugins")


@pytest.mark.parametrize(("random", "next_s"), [(0.0, 4.5), (1.0, 5.5)])
def test_intervals_are_spread_by_a_tenth_both_ways(random: float, next_s: float) -> None:
    plan = Plan(0.0, 5.0, 120, lambda: random)

    plan.take(0.0, Line.PULSE)

    assert plan.wait_s(0.0, Line.PULSE) == pytest.approx(next_s)


def test_waiting_is_never_longer_than_a_round_nor_negative() -> None:
    plan = plan_of(per_minute=20)
    plan.answered(0.0, is_control_plane=False, lists=True)

    for second in range(60):
        for line in Line:
            plan.take(float(second), line)
            assert 0.0 <= plan.wait_s(float(second), line) <= 5.0


def test_a_page_waits_until_it_fits_the_budget() -> None:
    plan = plan_of(per_minute=60)
    for _ in range(16):
        plan.spend(0.0)

    assert plan.budget_wait_s(0.0) == pytest.approx(2.0)
    assert plan.budget_wait_s(2.0) == 0.0
