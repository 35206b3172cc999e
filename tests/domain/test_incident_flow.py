"""Findings go in at instants, moves come out: written as what happened and what was said of it."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.detectors.findings import EntityType, Finding, Severity
from domain.incident_flow import Desk, Move, Seen, What, is_worth_telling
from domain.incidents import Act, State, next_state
from domain.rules import Rule
from domain.silences import Silence

MIN = 60_000
RULE = Rule(id="leak", detector="shared_or_leaked_key", title="leak")
PLAIN = Rule(id="plain", detector="threshold", title="plain", hold_s=30)
RULES = {rule.id: rule for rule in (RULE, PLAIN)}


def seen(rule: Rule = RULE, at_ms: int = 0, **fields: Any) -> Seen:
    given: dict[str, Any] = {
        "detector": rule.detector,
        "shape": "s",
        "severity": Severity.HIGH,
        "entity_type": EntityType.CONSUMER,
        "entity_id": "c-1",
        "entity": "acme",
        "from_ms": at_ms - 10_000,
        "to_ms": at_ms,
        "count": 10,
        "why": "why",
    }
    return Seen(rule, Finding(**{**given, **fields}))


def whats(moves: list[Move]) -> list[What]:
    return [move.what for move in moves]


def opened(desk: Desk, at_ms: int = 0, **fields: Any) -> Desk:
    assert whats(desk.tick(at_ms, [seen(at_ms=at_ms, **fields)], RULES)) == [What.OPENED]
    return desk


def test_a_finding_opens_one_incident_and_seen_again_only_grows() -> None:
    desk = opened(Desk())

    again = desk.tick(MIN, [seen(at_ms=MIN, count=25)], RULES)

    assert whats(again) == [What.UPDATED]
    assert (again[0].after.count, again[0].after.opened_ms, again[0].after.last_ms) == (35, 0, MIN)


def test_overlapping_looks_count_the_most_and_not_the_sum() -> None:
    desk = opened(Desk(), at_ms=MIN)

    (again,) = desk.tick(MIN + 10_000, [seen(from_ms=0, count=12)], RULES)

    assert again.after.count == 12


def test_a_rule_that_holds_back_opens_only_what_lasts() -> None:
    desk = Desk()

    first = desk.tick(0, [seen(PLAIN)], RULES)
    gone = desk.tick(10_000, [], RULES)
    back = desk.tick(20_000, [seen(PLAIN)], RULES)
    still = desk.tick(49_000, [seen(PLAIN)], RULES)
    long = desk.tick(50_000, [seen(PLAIN)], RULES)

    assert (first, gone, back, still) == ([], [], [], [])
    assert whats(long) == [What.OPENED]


def test_quiet_for_long_enough_resolves_and_says_so() -> None:
    desk = opened(Desk())

    early = desk.tick(299_000, [], RULES)
    (late,) = desk.tick(300_000, [], RULES)

    assert early == []
    assert (late.what, late.after.state, late.after.reason) == (
        What.RESOLVED,
        State.RESOLVED,
        "not seen for 5 min",
    )


def test_nothing_resolves_because_its_feed_died() -> None:
    desk = opened(Desk())

    lost = desk.tick(MIN, [], RULES, is_feed_dead=True)
    hours_later = desk.tick(180 * MIN, [], RULES, is_feed_dead=True)
    back = desk.tick(181 * MIN, [], RULES)
    quiet = desk.tick(186 * MIN, [], RULES)

    assert (whats(lost), lost[0].after.state) == ([What.LOST_FEED], State.UNKNOWN)
    assert hours_later == []
    assert (whats(back), back[0].after.state) == ([What.REGAINED_FEED], State.OPEN)
    assert whats(quiet) == [What.RESOLVED]


def test_an_acknowledged_incident_is_acknowledged_again_when_its_feed_is_back() -> None:
    desk = opened(Desk())
    held = next(iter(desk.live.values()))
    desk.adopt(_with(held, state=next_state(held.state, Act.ACKNOWLEDGE), assignee="ana"))

    desk.tick(MIN, [], RULES, is_feed_dead=True)
    (back,) = desk.tick(2 * MIN, [], RULES)

    assert (back.after.state, back.after.assignee) == (State.ACKNOWLEDGED, "ana")


def test_silence_of_a_source_is_judged_without_its_feed() -> None:
    rule = Rule(id="absence", detector="absence", title="absence")
    desk = Desk()
    desk.tick(0, [seen(rule, entity_type=EntityType.SOURCE)], {"absence": rule})

    moves = desk.tick(
        MIN, [seen(rule, at_ms=MIN, entity_type=EntityType.SOURCE)], {"absence": rule}, is_feed_dead=True
    )

    assert whats(moves) == [What.UPDATED]


def test_worse_is_told_again_even_to_the_one_who_has_it() -> None:
    desk = opened(Desk())
    held = next(iter(desk.live.values()))
    desk.adopt(_with(held, state=State.ACKNOWLEDGED))

    (move,) = desk.tick(MIN, [seen(at_ms=MIN, severity=Severity.CRITICAL)], RULES)

    assert (move.what, move.after.state, move.after.severity) == (
        What.ESCALATED,
        State.OPEN,
        Severity.CRITICAL,
    )


def test_calmer_again_keeps_the_worst() -> None:
    desk = opened(Desk(), severity=Severity.CRITICAL)

    (move,) = desk.tick(MIN, [seen(at_ms=MIN, severity=Severity.NOTICE)], RULES)

    assert (move.what, move.after.severity) == (What.UPDATED, Severity.CRITICAL)


def test_what_comes_back_within_hours_is_the_same_incident_again() -> None:
    desk = opened(Desk())
    desk.tick(5 * MIN, [], RULES)

    (move,) = desk.tick(60 * MIN, [seen(at_ms=60 * MIN)], RULES)

    assert (move.what, move.after.reopened, move.after.opened_ms) == (What.REOPENED, 1, 0)


def test_what_comes_back_a_day_later_is_a_new_one() -> None:
    desk = opened(Desk())
    desk.tick(5 * MIN, [], RULES)
    day = 24 * 60 * MIN

    (move,) = desk.tick(day, [seen(at_ms=day)], RULES)

    assert (move.what, move.after.opened_ms) == (What.OPENED, day)


def test_what_keeps_coming_back_must_be_quiet_for_longer() -> None:
    desk = opened(Desk())
    desk.tick(5 * MIN, [], RULES)
    desk.tick(10 * MIN, [seen(at_ms=10 * MIN)], RULES)

    assert desk.tick(19 * MIN, [], RULES) == []
    assert whats(desk.tick(20 * MIN, [], RULES)) == [What.RESOLVED]


def test_what_a_person_closed_stays_closed_while_it_is_the_same() -> None:
    desk = opened(Desk())
    closed(desk)

    same = desk.tick(2 * MIN, [seen(at_ms=2 * MIN)], RULES)
    more = desk.tick(3 * MIN, [seen(at_ms=3 * MIN, count=20)], RULES)

    assert same == []
    assert whats(more) == [What.REOPENED]


def test_what_a_person_closed_comes_back_when_it_was_away() -> None:
    desk = opened(Desk())
    closed(desk)

    assert whats(desk.tick(30 * MIN, [seen(at_ms=30 * MIN)], RULES)) == [What.REOPENED]


def test_what_is_explained_is_counted_on_its_explanation() -> None:
    desk = opened(Desk())

    moves = desk.tick(MIN, [seen(at_ms=MIN), seen(PLAIN, at_ms=MIN)], RULES)

    assert whats(moves) == [What.UPDATED]
    assert [incident.muted for incident in desk.live.values()] == [1]


def test_what_was_told_becomes_part_of_a_better_explanation() -> None:
    desk = Desk()
    desk.tick(0, [seen(PLAIN)], RULES)
    desk.tick(30_000, [seen(PLAIN)], RULES)

    desk.tick(60_000, [seen(PLAIN, at_ms=60_000), seen(at_ms=60_000)], RULES)
    moves = desk.tick(70_000, [seen(PLAIN, at_ms=70_000), seen(at_ms=70_000)], RULES)

    assert set(whats(moves)) == {What.UPDATED, What.RESOLVED} or not [
        i for i in desk.live.values() if i.rule == "plain"
    ]
    assert [i.rule for i in desk.live.values()] == ["leak"]
    assert desk.past["plain|consumer|c-1"].reason.startswith("part of: ")


def test_in_a_silence_an_incident_opens_quietly_and_speaks_when_it_ends() -> None:
    silence = Silence(silence_id=1, from_ms=0, until_ms=10 * MIN, author="ana", reason="load test")
    desk = Desk()

    (first,) = desk.tick(MIN, [seen(at_ms=MIN)], RULES, [silence])
    after = desk.tick(10 * MIN, [seen(at_ms=10 * MIN)], RULES, [silence])

    assert (first.what, first.after.state) == (What.OPENED, State.SILENCED)
    assert first.after.reason == "silence by ana: load test"
    assert whats(after) == [What.UPDATED, What.UNSILENCED]
    assert not is_worth_telling(first)
    assert is_worth_telling(after[1])


def test_a_rule_that_is_switched_off_ends_its_incidents() -> None:
    desk = opened(Desk())
    off = Rule(id="leak", detector="shared_or_leaked_key", title="leak", enabled=False)

    (move,) = desk.tick(MIN, [], {"leak": off})

    assert (move.what, move.after.reason) == (What.RESOLVED, "its rule was switched off")


def test_information_is_never_told_and_growth_neither() -> None:
    desk = Desk()

    (info,) = desk.tick(0, [seen(severity=Severity.INFORMATION)], RULES)
    (high,) = desk.tick(MIN, [seen(at_ms=MIN, entity_id="c-2")], RULES)
    (grown, *_) = desk.tick(2 * MIN, [seen(at_ms=2 * MIN, entity_id="c-2")], RULES)

    assert [is_worth_telling(m) for m in (info, high, grown)] == [False, True, False]


def closed(desk: Desk) -> None:
    held = next(iter(desk.live.values()))
    desk.adopt(_with(held, state=State.RESOLVED, resolved_ms=MIN, closed_by="ana", reason="benign"))


def _with(incident: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(incident, **fields)
