from __future__ import annotations

import pytest

from alerting.backoff import CAP_S, GIVE_UP_AFTER_MS, delay_s, is_given_up


@pytest.mark.parametrize(("attempts", "longest"), [(1, 4), (2, 8), (5, 64), (20, CAP_S), (1000, CAP_S)])
def test_the_wait_is_a_random_part_of_a_doubling_span(attempts: int, longest: float) -> None:
    assert delay_s(attempts, 0.0) == 0.2
    assert delay_s(attempts, 0.5) == longest / 2
    assert delay_s(attempts, 0.999) < longest


def test_nobody_is_tried_before_what_it_asked_for() -> None:
    assert all(30 <= delay_s(1, chance, 30) <= 32 for chance in (0.0, 0.5, 0.99))


def test_a_wait_of_a_week_is_an_hour() -> None:
    assert delay_s(1, 0.0, 604_800) == 3_600


def test_a_day_without_success_is_the_end() -> None:
    assert not is_given_up(0, GIVE_UP_AFTER_MS - 1)
    assert is_given_up(0, GIVE_UP_AFTER_MS)
