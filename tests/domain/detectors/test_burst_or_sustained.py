from __future__ import annotations

from domain.detectors.findings import Sample, Severity
from domain.limits import Limit
from tests.domain.detectors.stage import START_MS, Stage

SECOND = Limit(name="second", value=3, window_s=1)


def test_most_refusals_within_half_a_minute_and_quiet_after_is_a_burst() -> None:
    stage = Stage()
    stage.every(-120, 60, 3, consumer="batch")
    stage.every(10, 30, 200, consumer="batch", refused=True)

    (found,) = stage.see("burst_or_sustained", 50)

    assert (found.shape, found.entity, found.count) == ("single_consumer_burst", "batch", 400)
    assert found.from_ms == START_MS + 10_000


def test_refusals_that_are_told_of_without_their_requests_are_a_burst_once_they_stop() -> None:
    """An event hook tells of refusals only. Whoever was refused had asked."""
    stage = Stage()
    stage.every(10, 30, 200, consumer="batch", refused=True, aside=True)

    assert stage.see("burst_or_sustained", 25) == []
    assert [found.count for found in stage.see("burst_or_sustained", 50)] == [400]


def test_a_burst_is_not_called_one_while_it_lasts() -> None:
    stage = Stage()
    stage.every(-120, 0, 3, consumer="batch")
    stage.every(10, 30, 200, consumer="batch", refused=True)

    assert stage.see("burst_or_sustained", 30) == []


def test_refusals_that_stop_while_the_requests_go_on_are_no_burst() -> None:
    """At the turn of a limit's window refusals pause although the client does not."""
    stage = Stage()
    stage.every(-60, 20, 60, consumer="erp")
    stage.every(20, 40, 60, consumer="erp", refused=True)
    stage.every(40, 70, 60, consumer="erp")

    assert stage.see("burst_or_sustained", 60) == []


def test_a_hundred_refusals_without_an_end_are_a_flood() -> None:
    stage = Stage()
    stage.every(0, 60, 60, ip="203.0.113.90", refused=True)

    (found,) = stage.see("burst_or_sustained", 50)

    assert (found.shape, found.entity_type, found.severity) == ("single_ip_flood", "ip", Severity.HIGH)


def test_a_consumer_is_given_four_times_as_long_before_it_is_sustained() -> None:
    stage = Stage()
    stage.every(0, 170, 60, consumer="erp", refused=True)

    assert stage.see("burst_or_sustained", 120) == []
    assert [f.shape for f in stage.see("burst_or_sustained", 160)] == ["single_consumer_sustained"]


def test_an_address_that_floods_for_half_a_minute_and_stops_was_a_flood() -> None:
    stage = Stage()
    stage.every(-120, 0, 1, ip="203.0.113.90")
    stage.every(0, 30, 60, ip="203.0.113.90", refused=True)

    assert [f.shape for f in stage.see("burst_or_sustained", 50)] == ["single_ip_flood"]


def test_hidden_headers_are_told_in_the_shape_of_a_flood() -> None:
    stage = Stage()
    stage.every(0, 60, 60, ip="203.0.113.90", refused=True)
    bare = [
        Sample(seq=n, at_ms=START_MS + n, status=429, retry_after_s=None, has_limit_headers=False)
        for n in range(5)
    ]

    (found,) = stage.see("burst_or_sustained", 50, bare)

    assert found.shape == "single_ip_flood_429_without_ratelimit_headers"


def test_small_bursts_against_a_limit_per_second_are_told_with_their_status() -> None:
    stage = Stage()
    stage.every(0, 60, 20, consumer="till")
    stage.every(0, 60, 10, consumer="till", refused=True, limit=SECOND)
    slow_down = [Sample(seq=1, at_ms=START_MS, status=420, retry_after_s=1, has_limit_headers=True)]

    (found,) = stage.see("burst_or_sustained", 60, slow_down)

    assert (found.shape, found.severity) == ("micro_bursts_second_window_status_420", Severity.NOTICE)


def test_refusals_of_a_client_that_we_block_ourselves_do_not_count() -> None:
    stage = Stage()
    stage.every(0, 60, 60, ip="203.0.113.90", refused=True)
    stage.more["own_blocks"] = frozenset({"203.0.113.90"})

    assert stage.see("burst_or_sustained", 50) == []


def test_a_consumer_a_little_over_a_tight_limit_is_nothing() -> None:
    stage = Stage()
    stage.every(0, 300, 8, consumer="nightly")
    stage.every(40, 300, 6, step_s=60, consumer="nightly", refused=True)

    assert stage.see("burst_or_sustained", 300) == []
