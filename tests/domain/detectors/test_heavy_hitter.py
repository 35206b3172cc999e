from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import Stage


def others(stage: Stage, from_s: float, to_s: float) -> None:
    """Twenty clients with five requests a second between them."""
    for number in range(20):
        stage.every(from_s, to_s, 3, consumer=f"customer-{number}", ip=f"192.0.2.{number}")


def test_a_client_that_grows_to_a_third_of_everything_is_noticed() -> None:
    stage = Stage()
    others(stage, -600, 0)
    stage.every(-300, 0, 60, consumer="crawler", ip="198.51.100.9")

    found = stage.see("heavy_hitter", 0)

    assert {(f.entity, f.shape, f.severity) for f in found} == {
        ("crawler", "heavy_hitter", Severity.NOTICE),
        ("198.51.100.9", "heavy_hitter", Severity.NOTICE),
    }


def test_a_client_that_always_carried_so_much_is_as_usual() -> None:
    stage = Stage()
    others(stage, -600, 0)
    stage.every(-600, 0, 60, consumer="main-app", ip="198.51.100.9")

    assert stage.see("heavy_hitter", 0) == []


def test_an_address_with_nearly_everything_from_many_consumers_is_a_load_balancer() -> None:
    stage = Stage()
    for number in range(64):
        stage.every(-300, 0, 2, consumer=f"customer-{number}", ip="10.0.0.5")
    stage.every(-300, 0, 30, consumer="direct", ip="192.0.2.1")

    (found,) = [f for f in stage.see("heavy_hitter", 0) if f.entity == "10.0.0.5"]

    assert (found.shape, found.severity) == ("proxy_collapse", Severity.INFORMATION)
    assert "10.0.0.5 carries 81 % of all requests from 64 consumers: this is your load balancer" in found.why


def test_refusals_through_a_shared_gateway_are_said_to_be_no_attack() -> None:
    stage = Stage()
    others(stage, -300, 0)
    for number in range(12):
        stage.every(-300, 0, 1, consumer=f"branch-{number}", ip="198.51.100.10")
    for number in range(5):
        stage.every(-60, 0, 1, consumer=f"branch-{number}", ip="198.51.100.10", refused=True)

    (found,) = stage.see("heavy_hitter", 0)

    assert (found.shape, found.severity) == ("shared_proxy_no_attack", Severity.INFORMATION)


def test_shares_of_next_to_nothing_mean_nothing() -> None:
    stage = Stage()
    stage.every(-300, 0, 10, consumer="only-one", ip="192.0.2.1")

    assert stage.see("heavy_hitter", 0) == []


def test_a_client_that_is_left_alone_when_the_others_go_has_not_grown() -> None:
    stage = Stage()
    others(stage, -600, -300)
    stage.every(-600, 0, 60, consumer="steady", ip="198.51.100.9")
    others(stage, -300, -250)

    assert stage.see("heavy_hitter", 0) == []
