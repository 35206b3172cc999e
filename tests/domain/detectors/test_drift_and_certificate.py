from __future__ import annotations

import pytest

from domain.detectors.findings import Severity
from domain.detectors.scene import NodeFacts
from tests.domain.detectors.stage import START_MS, Stage

DAY_MS = 86_400_000
DAYS_LEFT = {
    "two months": (60, None),
    "three weeks": (21, Severity.NOTICE),
    "five days": (5, Severity.HIGH),
    "half a day": (0.5, Severity.CRITICAL),
    "ended yesterday": (-1, Severity.CRITICAL),
}


@pytest.mark.parametrize("label", DAYS_LEFT)
def test_a_certificate_is_told_earlier_and_louder_the_nearer_its_end(label: str) -> None:
    days, severity = DAYS_LEFT[label]
    stage = Stage()
    facts = NodeFacts(
        node="n",
        name="gw-1",
        state="live",
        since_ms=0,
        certificate_expires_ms=START_MS + round(days * DAY_MS),
    )
    stage.more["nodes"] = (facts,)

    found = stage.see("drift_and_certificate", 0)

    assert [f.severity for f in found] == ([] if severity is None else [severity])


def test_a_drifted_and_an_incompatible_node_are_told_apart() -> None:
    stage = Stage()
    stage.more["nodes"] = (
        NodeFacts(node="a", name="gw-1", state="drifted", since_ms=START_MS - 90_000),
        NodeFacts(node="b", name="gw-2", state="incompatible", since_ms=START_MS - 90_000),
        NodeFacts(node="c", name="gw-3", state="live", since_ms=START_MS - 90_000),
    )

    found = stage.see("drift_and_certificate", 0)

    assert [(f.entity, f.shape) for f in found] == [("gw-1", "config_drift"), ("gw-2", "node_incompatible")]
