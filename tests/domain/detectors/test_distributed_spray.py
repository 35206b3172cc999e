from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import Stage


def test_many_addresses_with_a_few_failed_log_ins_each_are_one_attack() -> None:
    stage = Stage()
    for number in range(20):
        stage.add(10 * number, 2, ip=f"45.{number}.1.1", unauthorized=True)

    (found,) = stage.see("distributed_spray", 300)

    assert (found.shape, found.entity, found.severity) == (
        "many_addresses_many_credentials",
        "orders",
        Severity.HIGH,
    )
    assert ("ip", "45.3.1.1") in found.covers


def test_consumers_that_got_in_from_the_same_addresses_make_it_critical() -> None:
    stage = Stage()
    for number in range(10):
        stage.every(-1200, -900, 1, consumer=f"victim-{number}", ip=f"192.0.2.{number}")
        stage.add(10 * number, 3, ip=f"45.{number}.1.1", unauthorized=True)
        stage.add(10 * number + 5, 1, ip=f"45.{number}.1.1", consumer=f"victim-{number}")

    (found,) = stage.see("distributed_spray", 300)

    assert found.severity is Severity.CRITICAL


def test_a_few_wrong_keys_here_and_there_are_everyday() -> None:
    stage = Stage()
    for number in range(10):
        stage.add(10 * number, 2, ip=f"45.{number}.1.1", unauthorized=True)

    assert stage.see("distributed_spray", 300) == []


def test_consumers_refused_by_a_limit_are_no_spray() -> None:
    stage = Stage()
    for number in range(40):
        stage.every(0, 200, 1, consumer=f"customer-{number}", ip=f"45.{number}.1.1", refused=True)

    assert stage.see("distributed_spray", 300) == []


def test_an_expired_key_now_and_then_at_the_consumers_own_addresses_is_everyday() -> None:
    stage = Stage()
    for number in range(30):
        stage.every(-1200, 0, 1, step_s=60, consumer="fleet", ip=f"45.{number}.1.1")
        stage.add(10 * number, 2, ip=f"45.{number}.1.1", unauthorized=True)

    assert stage.see("distributed_spray", 300) == []
