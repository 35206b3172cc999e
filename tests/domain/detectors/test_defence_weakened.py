from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import Stage, plugin


def test_a_raised_limit_that_stands_is_told() -> None:
    stage = Stage()
    stage.change(0, "plugins", "update", before=plugin(minute=60), after=plugin(minute=100), actor="ben")

    assert stage.see("defence_weakened", 20) == []
    (found,) = stage.see("defence_weakened", 40)

    assert (found.shape, found.severity) == ("limit_raised", Severity.NOTICE)
    assert "by ben" in found.why


def test_a_limit_raised_many_times_over_is_high() -> None:
    stage = Stage()
    stage.change(0, "plugins", "update", before=plugin(minute=60), after=plugin(minute=6_000))

    assert [f.severity for f in stage.see("defence_weakened", 40)] == [Severity.HIGH]


def test_a_limiter_switched_off_is_high() -> None:
    stage = Stage()
    stage.change(0, "plugins", "update", before=plugin(minute=60), after=plugin(enabled=False, minute=60))

    (found,) = stage.see("defence_weakened", 40)

    assert (found.shape, found.severity) == ("limit_removed", Severity.HIGH)


def test_what_was_undone_at_once_is_only_information() -> None:
    stage = Stage()
    stage.change(0, "plugins", "update", before=plugin(minute=60), after=plugin(enabled=False, minute=60))
    stage.change(8, "plugins", "update", before=plugin(enabled=False, minute=60), after=plugin(minute=60))

    (found,) = stage.see("defence_weakened", 40)

    assert found.severity is Severity.INFORMATION
    assert "undone 8 s later" in found.why


def test_a_limit_put_back_to_what_it_was_is_only_information() -> None:
    stage = Stage()
    stage.change(-600, "plugins", "update", before=plugin(minute=60), after=plugin(minute=5))
    stage.change(0, "plugins", "update", before=plugin(minute=5), after=plugin(minute=60))

    assert [f.severity for f in stage.see("defence_weakened", 40)] == [Severity.INFORMATION]


def test_a_plugin_that_went_with_its_service_is_only_information() -> None:
    stage = Stage()
    stage.change(0, "plugins", "delete", before=plugin("key-auth"))
    stage.change(1, "services", "delete", before={"id": "orders", "name": "orders"})

    assert [f.severity for f in stage.see("defence_weakened", 40)] == [Severity.INFORMATION]


def test_a_lowered_limit_weakens_nothing() -> None:
    stage = Stage()
    stage.change(0, "plugins", "update", before=plugin(minute=60), after=plugin(minute=5))

    assert stage.see("defence_weakened", 40) == []
