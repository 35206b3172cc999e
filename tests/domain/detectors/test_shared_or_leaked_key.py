from __future__ import annotations

from domain.detectors.findings import Severity
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
