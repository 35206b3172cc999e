from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import Stage


def test_a_client_over_the_number_is_told_with_both_numbers() -> None:
    stage = Stage()
    stage.every(0, 60, 110, consumer="loud", refused=True)

    (found,) = stage.see("threshold", 60)

    assert (found.entity, found.count, found.severity) == ("loud", 660, Severity.NOTICE)
    assert "threshold 600" in found.why


def test_five_times_the_number_is_high() -> None:
    stage = Stage()
    stage.every(0, 60, 600, consumer="loud", refused=True)

    assert [f.severity for f in stage.see("threshold", 60)] == [Severity.HIGH]


def test_just_below_the_number_is_nothing() -> None:
    stage = Stage()
    stage.add(0, 599, consumer="loud", refused=True)

    assert stage.see("threshold", 60) == []


def test_services_and_everything_have_numbers_of_their_own() -> None:
    stage = Stage()
    stage.add(0, 500, consumer="a", refused=True)
    stage.add(0, 500, consumer="b", refused=True)

    found = stage.see("threshold", 60, per_client=0, per_service=1000, in_all=1000)

    assert [f.entity for f in found] == ["orders", "the whole gateway"]
