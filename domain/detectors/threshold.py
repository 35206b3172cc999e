"""So many refusals in a span: the plain rule that everybody understands, for what no other detector names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import from_where, refused_subjects
from domain.detectors.tracks import REFUSED
from domain.detectors.words import span

NAME = "threshold"
MUCH_MORE = 5


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Clients, services and everything together, each against its own number; 0 switches a kind off."""
    for over in _all(scene, values):
        yield _finding(scene, values, over)


class _Over(NamedTuple):
    entity_type: EntityType
    entity_id: str
    entity: str
    refused: int
    threshold: float
    more: str = ""


def _all(scene: Scene, values: Values) -> Iterator[_Over]:
    first = scene.first_slot(values["over_s"])
    if values["per_client"]:
        yield from _clients(scene, values)
    if values["per_service"]:
        for key, track in scene.ledger.services.items():
            refused = track.total(first, scene.slot, REFUSED)
            if refused >= values["per_service"]:
                yield _Over(
                    EntityType.SERVICE,
                    scene.names.id_of(key),
                    scene.names.label_of(key),
                    refused,
                    values["per_service"],
                )
    if values["in_all"]:
        refused = scene.ledger.everything.total(first, scene.slot, REFUSED)
        if refused >= values["in_all"]:
            yield _Over(EntityType.EVERYTHING, "everything", "the whole gateway", refused, values["in_all"])


def _clients(scene: Scene, values: Values) -> Iterator[_Over]:
    for subject in refused_subjects(scene, values["over_s"], values["per_client"]):
        more = f"{scene.place(subject.track)}, {from_where(scene, subject)}"
        yield _Over(
            subject.entity_type,
            subject.entity_id,
            subject.entity,
            subject.refused,
            values["per_client"],
            more,
        )


def _finding(scene: Scene, values: Values, over: _Over) -> Finding:
    is_much = over.refused >= MUCH_MORE * over.threshold
    return Finding(
        detector=NAME,
        shape="over_threshold",
        severity=Severity.HIGH if is_much else Severity.NOTICE,
        entity_type=over.entity_type,
        entity_id=over.entity_id,
        entity=over.entity,
        from_ms=scene.ms_ago(values["over_s"]),
        to_ms=scene.now_ms,
        count=over.refused,
        why=(
            f"{over.refused:,} requests of {over.entity} were refused in {span(values['over_s'])}{over.more}"
            f" (threshold {over.threshold:,.0f})"
        ),
        actors=() if over.entity_id == "everything" else ((over.entity_type.value, over.entity_id),),
        facts={"threshold": over.threshold},
    )


DETECTOR = Detector(
    name=NAME,
    title="over a threshold",
    what="refusals of a client, a service or the whole gateway within a span are over a number",
    detect=detect,
    delay_s=15,
    parameters=(
        number("per_client", 600, (0, 1e9), "refusals", "refusals of one consumer or address; 0 for none"),
        number("per_service", 0, (0, 1e9), "refusals", "refusals of one service; 0 for none"),
        number("in_all", 0, (0, 1e9), "refusals", "refusals in all; 0 for none"),
        number("over_s", 60, (10, 840), "seconds", "span in which they are counted"),
    ),
    sigma="event_count",
    owasp=("API4:2023",),
    attack=("T1499.002",),
    false_positives=("whatever the number does not know: it is only a number",),
    guide=(
        "Open the client's page: is this more than in its own past?",
        "If it fires without need, raise the number with the backtest beside it, or silence it with an end.",
    ),
)
