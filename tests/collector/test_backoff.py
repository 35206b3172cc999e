"""Waits between attempts."""

from __future__ import annotations

from itertools import islice

import pytest

from collector.backoff import doubling, full_jitter


def test_the_longest_waits_double_up_to_the_cap() -> None:
    almost_one = 1.0 - 1e-12

    waits = list(islice(full_jitter(lambda: almost_one), 10))

    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])


def test_the_shortest_wait_is_always_the_floor() -> None:
    assert list(islice(full_jitter(lambda: 0.0), 20)) == [0.1] * 20


def test_a_fleet_is_spread_over_the_whole_span() -> None:
    waits = [next(islice(full_jitter(lambda n=n: n / 100), 9, None)) for n in range(100)]

    assert min(waits) == pytest.approx(0.1)
    assert max(waits) > 29
    assert sum(1 for wait in waits if wait < 15) == pytest.approx(50, abs=1)


def test_the_store_is_asked_again_after_half_a_second_and_then_every_second() -> None:
    assert list(islice(doubling(), 4)) == [0.5, 1.0, 1.0, 1.0]
