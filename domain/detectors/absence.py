"""Something that should speak is silent: a node that is lost, a source that nothing comes from any more.

Silence is judged against the speaker's own rhythm. It is the one finding that other findings depend on: what
is computed from a silent source is unknown, not calm.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.words import span
from domain.node_states import NodeState

NAME = "absence"
RECENT_MS = 86_400_000


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Lost nodes and silent sources."""
    for node in scene.nodes:
        silent_s = (scene.now_ms - node.since_ms) / 1000
        if node.state != NodeState.LOST or scene.now_ms - node.since_ms > RECENT_MS:
            continue
        why = f"node {node.name} is lost since {span(silent_s)}{': ' + node.detail if node.detail else ''}"
        yield Finding(
            detector=NAME,
            shape="node_lost",
            severity=Severity.HIGH,
            entity_type=EntityType.NODE,
            entity_id=node.node,
            entity=node.name,
            from_ms=node.since_ms,
            to_ms=scene.now_ms,
            count=1,
            why=why,
            actors=(("node", node.node),),
        )
    for quiet in scene.quiet:
        patience_ms = max(1000 * values["least_s"], values["gaps"] * quiet.usual_gap_ms)
        if scene.now_ms - quiet.last_ms < patience_ms:
            continue
        why = (
            f"nothing came from {quiet.source} for {span((scene.now_ms - quiet.last_ms) / 1000)}; it usually"
            f" speaks every {span(max(1.0, quiet.usual_gap_ms / 1000))}"
        )
        yield Finding(
            detector=NAME,
            shape="source_silent",
            severity=Severity.HIGH,
            entity_type=EntityType.SOURCE,
            entity_id=quiet.source,
            entity=quiet.source,
            from_ms=quiet.last_ms,
            to_ms=scene.now_ms,
            count=1,
            why=why,
        )


DETECTOR = Detector(
    name=NAME,
    title="absence",
    what="a node or a source that used to speak is silent",
    detect=detect,
    delay_s=15,
    is_by_slot=False,
    parameters=(
        number("least_s", 60, (10, 86_400), "seconds", "shortest silence of a source that counts"),
        number("gaps", 6, (2, 1000), "times", "times its usual pause"),
    ),
    false_positives=("a node taken out of service: open a maintenance window for it",),
    guide=(
        "Open Nodes: is it the node, its network or only the plugin on it?",
        "Until it speaks again everything about it is unknown: do not read calm numbers as calm.",
        "A restarted node has a new id; Kong lists the old one for 14 days.",
    ),
)
