from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import Stage

SCANNER = "203.0.113.66"


def test_failed_log_ins_with_some_that_worked_are_critical() -> None:
    stage = Stage()
    stage.every(0, 30, 12, ip=SCANNER, unauthorized=True)
    for number in range(5):
        stage.add(10, 1, ip=SCANNER, consumer=f"victim-{number}")

    (found,) = stage.see("credential_stuffing", 30)

    assert (found.shape, found.entity, found.severity) == (
        "one_address_many_credentials",
        SCANNER,
        Severity.CRITICAL,
    )
    assert "5 consumers' credentials worked" in found.why


def test_failed_log_ins_alone_are_high() -> None:
    stage = Stage()
    stage.every(0, 30, 12, ip=SCANNER, unauthorized=True)

    (found,) = stage.see("credential_stuffing", 30)

    assert found.severity is Severity.HIGH


def test_a_client_whose_key_was_revoked_is_no_guesser() -> None:
    stage = Stage()
    stage.every(-300, 0, 3, ip="10.0.0.7", consumer="churned")
    stage.every(0, 60, 12, ip="10.0.0.7", unauthorized=True)

    assert stage.see("credential_stuffing", 60) == []


def test_a_proxy_of_many_honest_consumers_is_no_guesser() -> None:
    stage = Stage()
    for number in range(30):
        stage.every(-120, 60, 1, ip="198.51.100.10", consumer=f"customer-{number}")
    stage.every(0, 60, 1, ip="198.51.100.10", unauthorized=True)

    assert stage.see("credential_stuffing", 60) == []


def test_many_consumers_with_a_request_or_two_each_are_found_without_a_failed_log_in() -> None:
    stage = Stage(began_s=-3600)
    for number in range(60):
        stage.add(number / 2, 1, ip=SCANNER, consumer=f"victim-{number}")

    (found,) = stage.see("credential_stuffing", 40)

    assert found.facts["unauthorized"] == 0
    assert "never came from there" in found.why


def test_a_few_failed_log_ins_are_everyday() -> None:
    stage = Stage()
    stage.every(0, 60, 3, ip="10.0.0.7", unauthorized=True)

    assert stage.see("credential_stuffing", 60) == []
