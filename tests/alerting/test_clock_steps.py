"""Steps of the wall clock."""

from __future__ import annotations

import pytest

from alerting.clock_steps import STEP_MS, ClockSteps


@pytest.mark.parametrize("by_s", [3_600, -3_600, 31, -31])
def test_a_step_is_what_the_monotonic_clock_does_not_know_of(by_s: int) -> None:
    steps = ClockSteps()
    steps.step_s(1_000_000, 10.0)

    assert steps.step_s(1_000_000 + 1_000 * (by_s + 5), 15.0) == by_s
    assert steps.step_s(1_000_000 + 1_000 * (by_s + 6), 16.0) == 0


def test_time_that_passes_is_no_step_however_much_of_it() -> None:
    """A disk that fails for an hour keeps the evaluation waiting: it catches up."""
    steps = ClockSteps()

    assert steps.step_s(0, 0.0) == 0
    assert steps.step_s(3_600_000, 3_600.0) == 0
    assert steps.step_s(7_200_000 + STEP_MS, 7_200.0) == 0


def test_a_silence_counts_from_the_step_and_is_never_less_than_nothing() -> None:
    steps = ClockSteps()
    steps.step_s(0, 0.0)
    steps.step_s(3_600_000, 1.0)

    assert steps.heard_ms(500, 3_700_000) == 3_600_000
    assert steps.heard_ms(3_650_000, 3_700_000) == 3_650_000
    assert steps.heard_ms(9_000_000, 3_700_000) == 3_700_000
