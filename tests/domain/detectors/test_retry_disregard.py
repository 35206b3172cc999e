from __future__ import annotations

import random

from domain.detectors.findings import Sample, Severity
from domain.limits import Limit
from tests.domain.detectors.stage import START_MS, Stage

HOUR = Limit(name="hour", value=100, window_s=3_600)
NAMED = Limit(name="sms/minute", value=20, window_s=60)
SECOND = Limit(name="second", value=5, window_s=1)


def told(gaps_ms: list[int], retry_after_s: int | None = 20) -> list[Sample]:
    """Refusals so far apart, each with what the client was told."""
    at_ms, found = START_MS, []
    for number, gap in enumerate(gaps_ms):
        at_ms += gap
        found.append(
            Sample(
                seq=number,
                at_ms=at_ms,
                status=429,
                retry_after_s=retry_after_s,
                has_limit_headers=retry_after_s is not None,
            )
        )
    return found


def test_refusals_less_than_a_second_apart_for_half_a_minute_are_a_loop() -> None:
    stage = Stage()
    stage.every(-30, 0, 50, consumer="erp")
    stage.every(0, 30, 50, consumer="erp", refused=True)

    (found,) = stage.see("retry_disregard", 30, told([200] * 20))

    assert (found.shape, found.severity) == ("retry_loop_ignoring_retry_after", Severity.NOTICE)
    assert "every 0.2 s" in found.why
    assert "told to wait up to 20 s" in found.why


def test_who_was_never_told_to_wait_does_not_disregard_it() -> None:
    stage = Stage()
    stage.every(0, 30, 50, ip="203.0.113.90", refused=True)

    assert stage.see("retry_disregard", 30, told([200] * 20, None)) == []


def test_limits_that_send_no_retry_after_are_left_out() -> None:
    for limit in (NAMED, SECOND):
        stage = Stage()
        stage.every(0, 30, 50, consumer="erp", refused=True, limit=limit)

        assert stage.see("retry_disregard", 30, told([200] * 20)) == []


def test_a_burst_that_touches_three_spans_is_no_loop() -> None:
    stage = Stage()
    for at_s, n in ((0, 75), (10, 150), (20, 75)):
        stage.add(at_s, n, consumer="batch", refused=True)

    assert stage.see("retry_disregard", 30, told([200] * 20)) == []


def test_twenty_seconds_are_no_loop_yet() -> None:
    stage = Stage()
    stage.every(0, 20, 50, consumer="erp", refused=True)

    assert stage.see("retry_disregard", 20, told([200] * 20)) == []


def test_one_great_spike_is_no_loop() -> None:
    stage = Stage()
    stage.add(0, 300, consumer="erp", refused=True)
    stage.every(10, 30, 12, consumer="erp", refused=True)

    assert stage.see("retry_disregard", 30, told([200] * 20)) == []


def test_slow_retries_are_a_loop_when_they_tick_like_a_clock() -> None:
    stage = Stage()
    stage.every(0, 60, 5, consumer="cron", refused=True)

    (found,) = stage.see("retry_disregard", 60, told([2_000, 2_010, 1_990, 2_020] * 5))

    assert found.shape == "retry_loop_ignoring_retry_after"


def test_slow_refusals_at_random_are_a_busy_client_and_no_loop() -> None:
    stage = Stage()
    stage.every(0, 60, 5, consumer="busy", refused=True)
    chance = random.Random(7)  # noqa: S311 - made-up traffic
    gaps = [int(chance.expovariate(1 / 2_000)) for _ in range(20)]

    assert stage.see("retry_disregard", 60, told(gaps)) == []


def test_a_loop_that_moves_to_new_addresses_is_evasive() -> None:
    stage = Stage()
    stage.every(-120, 0, 2, consumer="erp", ip="192.0.2.1")
    for place in range(6):
        stage.every(0, 60, 10, consumer="erp", ip=f"198.51.100.{place}", refused=True)

    (found,) = stage.see("retry_disregard", 60, told([200] * 20))

    assert (found.shape, found.severity) == ("evasive_retry", Severity.HIGH)


def test_who_waits_for_every_window_to_end_obeys_and_is_only_information() -> None:
    stage = Stage()
    for minute in range(4):
        stage.every(60 * minute, 60 * minute + 20, 30, consumer="partner")
        stage.add(60 * minute + 20, 1, consumer="partner", refused=True)

    (found,) = stage.see("retry_disregard", 240)

    assert (found.shape, found.severity) == ("obeys_retry_after_no_alarm", Severity.INFORMATION)


def test_who_goes_on_after_a_refusal_does_not_obey() -> None:
    stage = Stage()
    for minute in range(4):
        stage.every(60 * minute, 60 * minute + 60, 30, consumer="partner")
        stage.add(60 * minute + 20, 1, consumer="partner", refused=True)

    assert stage.see("retry_disregard", 240) == []


def test_a_long_window_is_judged_by_the_same_pace() -> None:
    stage = Stage()
    stage.every(0, 60, 20, consumer="sync", refused=True, limit=HOUR)

    assert len(stage.see("retry_disregard", 60, told([500] * 20))) == 1


def test_a_client_that_stops_within_a_minute_was_a_burst() -> None:
    stage = Stage()
    stage.every(0, 50, 200, consumer="batch", refused=True)

    assert stage.see("retry_disregard", 50, told([50] * 20)) == []


def test_refusals_all_over_the_place_are_a_busy_client_and_no_loop() -> None:
    stage = Stage()
    for route in ("orders.read", "orders.write", "prices.read"):
        stage.every(0, 60, 10, consumer="busy", route=route, refused=True)

    assert stage.see("retry_disregard", 60, told([300] * 20)) == []


def test_a_pace_that_no_refusal_changes_is_a_loop_though_each_window_lets_some_through() -> None:
    stage = Stage()
    for minute in range(3):
        stage.every(60 * minute, 60 * minute + 40, 20, consumer="erp")
        stage.every(60 * minute + 40, 60 * minute + 60, 20, consumer="erp", refused=True)

    (found,) = stage.see("retry_disregard", 180, told([400, 410, 390, 405] * 5))

    assert found.shape == "retry_loop_ignoring_retry_after"
    assert "asks on every 0.5 s" in found.why


def test_a_crowd_that_meets_new_addresses_all_the_time_evades_nothing() -> None:
    stage = Stage()
    for address in range(40):
        stage.every(-120, 0, 1, consumer="app", ip=f"192.0.2.{address}")
    for address in range(6):
        stage.every(0, 60, 10, consumer="app", ip=f"198.51.100.{address}", refused=True)

    (found,) = stage.see("retry_disregard", 60, told([200] * 20))

    assert found.shape == "retry_loop_ignoring_retry_after"


def test_an_address_of_many_consumers_in_good_order_is_not_the_one_who_asks() -> None:
    stage = Stage()
    for number in range(10):
        stage.every(-120, 60, 5, consumer=f"tenant-{number}", ip="198.51.100.10")
    stage.every(0, 60, 20, ip="198.51.100.10", refused=True)

    assert stage.see("retry_disregard", 60, told([500] * 20)) == []
