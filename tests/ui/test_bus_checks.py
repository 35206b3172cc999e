"""Every way in which a deployment can be less than it should be is said with what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from storage.batches import BusState, Member
from tests.ui.scripted_reader import NOW_MS, live_freshness
from tests.ui.test_health_checks import checked
from ui.bus_checks import all_problems, is_deployment, newest_bus
from ui.health_checks import Severity

WELL = BusState(
    url="nats://a:4222", is_connected=True, waiting=3, in_hand=2, redelivered=0, dead=0, replicas=3,
    replicas_current=3, leader="n1", is_synced=True,
)  # fmt: skip


def member(name: str = "w:1", bus: BusState | None = WELL, **changes: Any) -> Member:
    given: dict[str, Any] = {
        "member": name,
        "role": "writer",
        "beat_ms": NOW_MS - 1_000,
        "started_ms": NOW_MS - 60_000,
        "version": "1",
        "state": "ok",
        "is_on_duty": True,
    }
    return Member(bus=bus, **(given | changes))


def found(*members: Member) -> list[tuple[Severity, str]]:
    problems = all_problems(checked(freshness=live_freshness(members=members)))
    assert all(problem.so and problem.do for problem in problems)
    return [(problem.severity, problem.what) for problem in problems]


def test_a_deployment_that_is_well_has_no_problem() -> None:
    assert found(member(), member("c:1", role="collector", is_on_duty=False)) == []


@pytest.mark.parametrize(
    ("changes", "severity", "what"),
    [
        ({"is_connected": False, "problem": "refused"}, Severity.CRITICAL, "does not answer: refused"),
        ({"problem": "1 of 3 replicas are behind"}, Severity.HIGH, "1 of 3 replicas are behind"),
        ({"is_synced": None}, Severity.NOTICE, "Nobody can tell whether the bus writes to disk"),
        ({"dead": 1}, Severity.HIGH, "1 message of the bus were laid aside"),
        ({"waiting": 1_000}, Severity.HIGH, "1,000 messages wait on the bus for a writer"),
    ],
)
def test_what_is_wrong_with_the_bus_is_said(changes: dict[str, Any], severity: Severity, what: str) -> None:
    ((told, sentence),) = found(member(bus=msgspec.structs.replace(WELL, **changes)))

    assert told is severity
    assert what in sentence


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"beat_ms": NOW_MS - 60_000}, "The collector c:1 was last heard"),
        ({"state": "degraded", "detail": "disk full"}, "The collector c:1 cannot go on: disk full"),
        ({"bus": msgspec.structs.replace(WELL, spooled=2)}, "2 messages of c:1 wait on its own disk"),
    ],
)
def test_what_is_wrong_with_a_process_is_said(changes: dict[str, Any], what: str) -> None:
    ((_, sentence),) = found(member(), member("c:1", **({"role": "collector"} | changes)))

    assert what in sentence


@pytest.mark.parametrize(
    "changes", [{"state": "stopping", "beat_ms": NOW_MS - 60_000}, {"beat_ms": NOW_MS - 3_000_000}]
)
def test_a_process_that_was_taken_away_is_no_trouble(changes: dict[str, Any]) -> None:
    assert found(member(), member("c:1", **changes)) == []


def test_duties_that_nobody_has_are_said() -> None:
    ((severity, what),) = found(member(is_on_duty=False), member("w:2", is_on_duty=False))

    assert severity is Severity.HIGH
    assert "No process judges alerts" in what


def test_one_machine_and_what_ran_there_before_is_no_deployment() -> None:
    alone = (member("gw:1", None, beat_ms=NOW_MS - 60_000), member("gw:2", None))

    assert not is_deployment(alone, NOW_MS)
    assert found(*alone) == []


def test_a_writer_knows_the_bus_best_and_whoever_is_silent_does_not() -> None:
    other = msgspec.structs.replace(WELL, waiting=9)

    assert newest_bus((member("c:1", other, role="collector"), member()), NOW_MS) == WELL
    assert newest_bus((member("c:1", other), member(beat_ms=NOW_MS - 60_000)), NOW_MS) == other
    assert newest_bus((), NOW_MS) is None
