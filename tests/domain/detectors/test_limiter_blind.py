from __future__ import annotations

from domain.limits import Limit
from tests.domain.detectors.stage import Stage, plugin


def enforced(stage: Stage, from_s: int, to_s: int) -> None:
    """Four clients that get 60 a minute through and no more."""
    for number in range(4):
        for minute in range(from_s, to_s, 60):
            stage.every(minute, minute + 30, 20, consumer=f"customer-{number}")
            stage.every(minute + 30, minute + 60, 20, consumer=f"customer-{number}", refused=True)


def test_clients_far_above_what_the_limit_let_through_without_refusals_mean_it_is_blind() -> None:
    stage = Stage()
    enforced(stage, 0, 300)
    for number in range(4):
        stage.every(300, 420, 20, consumer=f"customer-{number}")

    (found,) = stage.see("limiter_blind", 420)

    assert (found.shape, found.entity) == ("limiter_blind", "orders")
    assert "60 was the most" in found.why


def test_a_limiter_that_goes_on_refusing_sees() -> None:
    stage = Stage()
    enforced(stage, 0, 420)

    assert stage.see("limiter_blind", 420) == []


def test_clients_that_became_quiet_need_no_refusal() -> None:
    stage = Stage()
    enforced(stage, 0, 300)
    for number in range(4):
        stage.every(300, 420, 5, consumer=f"customer-{number}")

    assert stage.see("limiter_blind", 420) == []


def test_a_limit_that_was_changed_has_a_new_ceiling() -> None:
    stage = Stage()
    enforced(stage, 0, 300)
    stage.change(290, "plugins", "update", before=plugin(minute=60), after=plugin(minute=600))
    for number in range(4):
        stage.every(300, 420, 20, consumer=f"customer-{number}")

    assert stage.see("limiter_blind", 420) == []


def test_limits_per_second_are_no_ceiling_for_a_minute() -> None:
    """Who asks in bursts is refused at few a minute; who asks well spaced gets many through."""
    stage = Stage()
    second = Limit(name="second", value=3, window_s=1)
    for number in range(4):
        stage.every(0, 300, 3, consumer=f"till-{number}")
        stage.every(0, 300, 5, consumer=f"till-{number}", refused=True, limit=second)
        stage.every(300, 420, 20, consumer=f"till-{number}")

    assert stage.see("limiter_blind", 420) == []
