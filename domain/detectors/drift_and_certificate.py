"""Nodes that run something else than the others, and certificates that run out."""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import NodeFacts, Scene
from domain.detectors.words import many
from domain.node_states import NodeState

NAME = "drift_and_certificate"
DAY_MS = 86_400_000
_STATES = {
    NodeState.DRIFTED.value: ("config_drift", "has another configuration than the others"),
    NodeState.INCOMPATIBLE.value: ("node_incompatible", "cannot take this configuration"),
}


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """One finding per node for its configuration, another for its certificate."""
    for node in scene.nodes:
        found = _STATES.get(node.state)
        if found is not None:
            shape, says = found
            why = f"node {node.name} {says}{': ' + node.detail if node.detail else ''}"
            yield _finding(scene, node, shape, Severity.HIGH, node.since_ms, why)
        if node.certificate_expires_ms is not None and node.state != NodeState.LOST:
            expiring = _certificate(scene, values, node, node.certificate_expires_ms)
            if expiring is not None:
                yield expiring


def _certificate(scene: Scene, values: Values, node: NodeFacts, expires_ms: int) -> Finding | None:
    left_days = (expires_ms - scene.now_ms) / DAY_MS
    if left_days > values["notice_days"]:
        return None
    if left_days <= values["critical_days"]:
        severity = Severity.CRITICAL
    else:
        severity = Severity.HIGH if left_days <= values["high_days"] else Severity.NOTICE
    left = f"in {many(int(left_days), 'day')}" if left_days >= 0 else f"{many(int(-left_days), 'day')} ago"
    verb = "runs out" if left_days >= 0 else "ran out"
    why = f"the certificate of node {node.name} {verb} {left}"
    return _finding(scene, node, "certificate_expiring", severity, scene.now_ms, why)


def _finding(
    scene: Scene, node: NodeFacts, shape: str, severity: Severity, from_ms: int, why: str
) -> Finding:
    return Finding(
        detector=NAME,
        shape=shape,
        severity=severity,
        entity_type=EntityType.NODE,
        entity_id=node.node if shape != "certificate_expiring" else f"{node.node} certificate",
        entity=node.name,
        from_ms=from_ms,
        to_ms=scene.now_ms,
        count=1,
        why=why,
        actors=(("node", node.node),),
    )


DETECTOR = Detector(
    name=NAME,
    title="drift and certificate",
    what="a node runs another configuration than the others, cannot take it, or its certificate runs out",
    detect=detect,
    delay_s=15,
    is_by_slot=False,
    parameters=(
        number("notice_days", 30, (1, 365), "days", "days left that are worth a notice"),
        number("high_days", 7, (0, 365), "days", "days left that make it high"),
        number("critical_days", 1, (0, 365), "days", "days left that make it critical"),
    ),
    owasp=("API8:2023",),
    false_positives=("a node that was updated by hand on purpose",),
    guide=(
        "Drift: compare the hashes under Nodes; a node that stays behind enforces yesterday's limits.",
        (
            "Certificate: renew before it ends; a data plane without a valid one keeps its old"
            " configuration for ever."
        ),
    ),
)
