from __future__ import annotations

import random

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import START_MS, ScriptedPast, Stage


def crowd(stage: Stage, addresses: int, each: int, seconds: int = 120) -> None:
    """Addresses of one network that share work out evenly."""
    for address in range(addresses):
        for turn in range(each):
            at_s = turn * seconds / each + address % 10
            stage.add(at_s, 1, ip=f"198.18.10.{100 + address}", route="search")


def visitors(stage: Stage, addresses: int, each: float, seed: int, routes: int = 1) -> None:
    """Independent people of one network."""
    chance = random.Random(seed)  # noqa: S311 - made-up traffic
    for address in range(addresses):
        at_s = chance.expovariate(each / 120)
        while at_s < 120:
            route = f"search-{chance.randrange(routes)}"
            stage.add(at_s, 1, ip=f"192.0.2.{10 + address}", route=route)
            at_s += chance.expovariate(each / 120)


def test_a_crowd_far_more_even_than_visitors_is_one_program() -> None:
    stage = Stage()
    crowd(stage, 80, 20)

    (found,) = stage.see("low_and_slow", 130)

    assert (found.shape, found.entity, found.severity) == (
        "distributed_low_and_slow_no_429",
        "198.18.10.0/24",
        Severity.HIGH,
    )


def test_independent_visitors_of_one_network_are_not() -> None:
    for seed in range(40):
        stage = Stage()
        visitors(stage, 45, 20, seed)

        assert stage.see("low_and_slow", 130) == [], seed


def test_a_small_even_crowd_is_told_only_when_it_came_all_at_once() -> None:
    old, new = Stage(began_s=-600), Stage(began_s=-600)
    for stage in (old, new):
        crowd(stage, 25, 20)
    for address in range(25):
        old.every(-600, 0, 1, step_s=20, ip=f"198.18.10.{100 + address}", route="search")

    assert [f.shape for f in new.see("low_and_slow", 130)] == ["distributed_low_and_slow_no_429"]
    assert len(old.see("low_and_slow", 130)) <= 1


def test_an_ipv6_network_that_never_uses_an_address_twice_is_one_client() -> None:
    stage = Stage()
    for number in range(60):
        stage.add(number, 1, ip=f"2001:db8:bad:1::{number:x}", route="search")

    (found,) = stage.see("low_and_slow", 60)

    assert (found.shape, found.entity) == ("ipv6_rotation_within_64_no_429", "2001:db8:bad:1::/64")


def test_strangers_of_one_ipv4_network_may_come_once_each() -> None:
    chance = random.Random(3)  # noqa: S311 - made-up traffic
    stage = Stage()
    for number in range(60):
        stage.add(chance.random() * 60, 1, ip=f"192.0.2.{number}", route="search")

    assert stage.see("low_and_slow", 60) == []


def test_an_address_just_over_its_limit_minute_after_minute_is_noticed() -> None:
    stage = Stage()
    for minute in range(12):
        stage.every(60 * minute, 60 * minute + 60, 30, ip="192.0.2.233", route="search")
        stage.add(60 * minute + 50, 15, ip="192.0.2.233", route="search", refused=True)

    (found,) = stage.see("low_and_slow", 720)

    assert (found.shape, found.severity) == ("low_and_slow_over_limit", Severity.NOTICE)


def test_a_known_consumer_just_over_its_limit_is_its_owners_affair() -> None:
    stage = Stage()
    for minute in range(12):
        stage.every(60 * minute, 60 * minute + 60, 30, consumer="nightly", route="search")
        stage.add(60 * minute + 50, 15, consumer="nightly", route="search", refused=True)

    assert stage.see("low_and_slow", 720) == []


def test_refusals_in_half_the_hours_of_a_day_are_patience() -> None:
    stage = Stage(began_s=-90_000)
    stage.add(0, 20, ip="192.0.2.233")
    stage.add(5, 2, ip="192.0.2.233", refused=True)
    stage.past = ScriptedPast(hours=[(START_MS - 3_600_000 * n, 400, 5) for n in range(13, 0, -1)])

    assert [f.shape for f in stage.see("low_and_slow", 60)] == ["low_and_slow_for_hours"]


def test_an_ipv6_network_whose_addresses_are_used_for_a_few_requests_each_rotates_too() -> None:
    stage = Stage()
    for number in range(120):
        for again in range(3):
            stage.add(number + 0.2 * again, 1, ip=f"2001:db8:bad:1::{number:x}", route="search")

    assert [f.shape for f in stage.see("low_and_slow", 120)] == ["ipv6_rotation_within_64_no_429"]


def test_a_network_whose_addresses_may_still_come_back_is_not_judged_yet() -> None:
    """Within the first minute a client that changes addresses and a crowd look the same."""
    stage = Stage()
    for number in range(60):
        stage.every(number / 2, number / 2 + 9, 1, step_s=3, ip=f"2001:db8:bad:1::{number:x}", route="search")

    assert stage.see("low_and_slow", 50) == []
