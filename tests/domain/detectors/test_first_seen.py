from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import ScriptedPast, Stage

WEEK_S = 8 * 86_400


def test_a_consumer_refused_for_the_first_time_is_information() -> None:
    stage = Stage(began_s=-WEEK_S)
    stage.add(-30, 6, consumer="new-limit", refused=True)

    (found,) = stage.see("first_seen", 0)

    assert (found.entity, found.severity) == ("new-limit", Severity.INFORMATION)


def test_a_consumer_refused_before_is_not_told_again() -> None:
    stage = Stage(began_s=-WEEK_S)
    stage.past = ScriptedPast(refused_before=True)
    stage.add(-30, 6, consumer="old-friend", refused=True)

    assert stage.see("first_seen", 0) == []


def test_before_a_week_is_known_everything_would_be_a_first_time() -> None:
    stage = Stage(began_s=-86_400)
    stage.add(-30, 6, consumer="new-limit", refused=True)

    assert stage.see("first_seen", 0) == []
