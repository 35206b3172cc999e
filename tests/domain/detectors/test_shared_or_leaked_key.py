from __future__ import annotations

import random

from domain.detectors.findings import Severity
from domain.detectors.networks import site_of
from tests.domain.detectors.stage import ScriptedPast, Stage

STRANGERS = [f"{a}.{b}.10.5" for a, b in ((45, 83), (185, 220), (103, 77), (91, 219), (62, 4), (89, 33))]


def established(stage: Stage) -> None:
    """A consumer with one address of its own, watched for five minutes."""
    stage.every(-300, 60, 3, consumer="exporter", ip="10.20.44.22")


def leak(stage: Stage, addresses: list[str]) -> None:
    """The same key from elsewhere."""
    for address in addresses:
        stage.every(0, 30, 2, consumer="exporter", ip=address)


def test_a_key_used_from_many_new_networks_has_leaked() -> None:
    stage = Stage()
    established(stage)
    leak(stage, STRANGERS)

    (found,) = stage.see("shared_or_leaked_key", 30)

    assert (found.shape, found.entity, found.severity) == (
        "one_key_many_addresses",
        "exporter",
        Severity.CRITICAL,
    )
    assert found.facts["new_addresses"] == 6
    assert ("ip", STRANGERS[0]) in found.covers


def test_addresses_that_were_used_before_are_not_new() -> None:
    stage = Stage()
    established(stage)
    leak(stage, STRANGERS)
    stage.past = ScriptedPast(known=frozenset(STRANGERS))

    assert stage.see("shared_or_leaked_key", 30) == []


def test_a_fleet_in_one_network_is_no_leak() -> None:
    stage = Stage()
    established(stage)
    leak(stage, [f"10.20.44.{n}" for n in range(100, 130)])

    assert stage.see("shared_or_leaked_key", 30) == []


def test_a_consumer_seen_for_the_first_time_is_watched_before_it_is_judged() -> None:
    stage = Stage()
    leak(stage, STRANGERS)

    assert stage.see("shared_or_leaked_key", 30) == []


def test_a_consumer_that_always_meets_new_networks_is_compared_with_itself() -> None:
    """A mobile app with one key for all its users has five new networks in every two minutes."""
    stage = Stage()
    for number in range(60):
        stage.every(-600 + 10 * number, -580 + 10 * number, 2, consumer="app", ip=f"{20 + number}.7.1.1")

    assert stage.see("shared_or_leaked_key", 0) == []


def test_a_shared_gateway_and_a_guesser_are_not_the_consumers_own_addresses() -> None:
    stage = Stage()
    established(stage)
    for number in range(12):
        stage.every(-200, 60, 2, consumer=f"other-{number}", ip="198.51.100.10")
    stage.every(0, 30, 2, consumer="exporter", ip="198.51.100.10")
    leak(stage, STRANGERS[:4])
    stage.every(0, 30, 30, ip=STRANGERS[3], unauthorized=True)

    assert stage.see("shared_or_leaked_key", 30) == []


def test_an_app_whose_users_are_with_many_providers_meets_others_all_the_time() -> None:
    stage = Stage()
    for provider in range(30):
        stage.every(-60, -20, 1, consumer="app", ip=f"{40 + provider}.7.0.9")
    for provider in range(12):
        stage.every(20, 50, 3, consumer="app", ip=f"{90 + provider}.8.0.9")

    assert stage.see("shared_or_leaked_key", 50) == []


def test_neighbours_of_where_it_always_came_from_are_no_strangers() -> None:
    stage = Stage()
    established(stage)
    for site in range(10):
        stage.every(20, 50, 3, consumer="exporter", ip=f"10.20.{site}.9")

    assert stage.see("shared_or_leaked_key", 50) == []


def fleet(stage: Stage, consumers: int) -> None:
    """Apps whose users are with thirty providers each, one request in four seconds: seen since a minute."""
    rng = random.Random(5)  # noqa: S311 - made-up traffic
    for second in range(-60, 90):
        for number in range(consumers):
            if (second + number) % 4 == 0:
                stage.add(second, consumer=f"app-{number}", ip=f"{20 + rng.randrange(30)}.{number}.7.1")


def test_at_the_start_consumers_that_all_spread_alike_are_a_fleet_and_no_leak() -> None:
    stage = Stage(began_s=-60)
    fleet(stage, 20)

    assert [stage.see("shared_or_leaked_key", at_s) for at_s in range(-50, 91, 10)] == [[]] * 15


def test_at_the_start_one_of_many_that_spreads_alone_is_told() -> None:
    stage = Stage(began_s=-60)
    for number in range(20):
        stage.every(-60, 90, 3, consumer=f"job-{number}", ip=f"10.20.{number}.5")
    stage.every(-60, 60, 3, consumer="exporter", ip="10.20.44.22")
    leak(stage, STRANGERS)

    (found,) = stage.see("shared_or_leaked_key", 30)

    assert found.entity == "exporter"


def test_in_a_fleet_known_for_long_a_key_that_leaks_is_told() -> None:
    stage = Stage()
    for number in range(20):
        for place in range(30):
            stage.every(-840, 90, 1, step_s=60, consumer=f"app-{number}", ip=f"{20 + place}.{number}.7.1")
    stage.every(-840, 60, 3, consumer="exporter", ip="10.20.44.22")
    leak(stage, STRANGERS)

    assert [f.entity for f in stage.see("shared_or_leaked_key", 30)] == ["exporter"]


def test_nothing_is_new_to_whom_the_store_did_not_tell_apart_before() -> None:
    """So many addresses came at once that most counted for nobody; later more of them are known by name."""
    stage = Stage()
    stage.every(-300, 0, 3, consumer="exporter", ip=None)
    stage.every(-300, 60, 1, consumer="exporter", ip="10.20.44.22")
    leak(stage, STRANGERS)

    assert stage.see("shared_or_leaked_key", 30) == []


def test_consumers_that_are_not_told_apart_do_not_hide_one_that_is() -> None:
    stage = Stage(began_s=-60)
    for number in range(20):
        stage.every(-60, 90, 9, consumer=f"app-{number}", ip=None)
        for place in range(12):
            stage.every(0, 30, 1, consumer=f"app-{number}", ip=f"{20 + place}.{number}.7.1")
    stage.every(-60, 60, 3, consumer="exporter", ip="10.20.44.22")
    leak(stage, STRANGERS)

    assert [f.entity for f in stage.see("shared_or_leaked_key", 30)] == ["exporter"]


def test_the_rest_of_a_network_is_of_the_same_provider_as_its_addresses() -> None:
    stage = Stage()
    stage.every(-840, 60, 3, consumer="exporter", ip="10.20.44.22")
    for address in STRANGERS:
        stage.every(-840, 0, 1, consumer="exporter", ip=site_of(address))
    leak(stage, STRANGERS)

    assert stage.see("shared_or_leaked_key", 30) == []


def test_rests_of_networks_count_for_one_address_at_least() -> None:
    stage = Stage()
    established(stage)
    leak(stage, [site_of(address) for address in STRANGERS])

    (found,) = stage.see("shared_or_leaked_key", 30)

    assert "from at least 6 addresses new to it in 6 networks of 6 providers" in found.why
