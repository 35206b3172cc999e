from __future__ import annotations

import pytest

from domain.detectors import DETECTORS
from domain.detectors.findings import EntityType, Finding, Severity
from domain.inhibition import COVERED, SAME_ENTITY, explained_by, explains


def finding(
    detector: str,
    entity: str = "acme",
    entity_type: EntityType = EntityType.CONSUMER,
    severity: Severity = Severity.HIGH,
    covers: frozenset[tuple[str, str]] = frozenset(),
    shape: str = "",
) -> Finding:
    return Finding(
        detector=detector, shape=shape, severity=severity, entity_type=entity_type, entity_id=entity,
        entity=entity, from_ms=0, to_ms=1, count=1, why="", covers=covers,
    )  # fmt: skip


CASES = {
    "a leaked key explains that it is over a threshold": (
        finding("shared_or_leaked_key"), finding("threshold"), True,
    ),
    "a threshold explains no leaked key": (
        finding("threshold"), finding("shared_or_leaked_key"), False,
    ),
    "a loop explains the flood of the same client": (
        finding("retry_disregard"), finding("burst_or_sustained"), True,
    ),
    "but not that of another": (
        finding("retry_disregard"), finding("burst_or_sustained", "globex"), False,
    ),
    "a surge explains bursts of the clients it covers": (
        finding("surge", "orders", EntityType.SERVICE, covers=frozenset({("consumer", "acme")})),
        finding("burst_or_sustained"), True,
    ),
    "and not those it does not cover": (
        finding("surge", "orders", EntityType.SERVICE, covers=frozenset({("consumer", "globex")})),
        finding("burst_or_sustained"), False,
    ),
    "nor a leaked key among them": (
        finding("surge", "orders", EntityType.SERVICE, covers=frozenset({("consumer", "acme")})),
        finding("shared_or_leaked_key"), False,
    ),
    "information explains nothing": (
        finding("retry_disregard", severity=Severity.INFORMATION), finding("threshold"), False,
    ),
    "but a load balancer that is taken for a client does": (
        finding("heavy_hitter", "10.0.0.5", EntityType.IP, Severity.INFORMATION, shape="proxy_collapse"),
        finding("threshold", "10.0.0.5", EntityType.IP), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", CASES)
def test_what_says_more_explains_what_says_less(label: str) -> None:
    one, other, expected = CASES[label]

    assert explains(one, other) is expected


def test_nothing_explains_itself() -> None:
    one = finding("surge")

    assert explained_by(one, [one]) is None


def test_explanations_name_detectors_that_exist_and_never_go_round() -> None:
    for table in (SAME_ENTITY, COVERED):
        for name, others in table.items():
            assert {name, *others} <= DETECTORS.keys()
    for name, others in SAME_ENTITY.items():
        for other in others:
            assert name not in SAME_ENTITY.get(other, ()), (name, other)
