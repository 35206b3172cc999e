"""Refused for the first time: a client that never ran into a limit before. Worth a line, not a call."""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import from_where, refused_subjects
from domain.detectors.words import span, times

NAME = "first_seen"
DAY_MS = 86_400_000


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Consumers with refusals now and none in the days before; only once enough days are known."""
    if scene.known_ms < DAY_MS * values["learn_days"] or not scene.ends_minute:
        return
    seconds = values["over_s"]
    for subject in refused_subjects(scene, seconds, values["count"]):
        if not subject.is_consumer:
            continue
        since_ms = scene.ms_ago(seconds)
        from_ms = since_ms - round(DAY_MS * values["forget_days"])
        if scene.past.was_refused("consumer", subject.track.key, from_ms, since_ms):
            continue
        why = (
            f"{subject.entity} was refused for the first time in {values['forget_days']:.0f} days, "
            f"{times(subject.refused)} in {span(seconds)}{scene.place(subject.track)},"
            f" {from_where(scene, subject)}"
        )
        yield Finding(
            detector=NAME,
            shape="first_violation",
            severity=Severity.INFORMATION,
            entity_type=subject.entity_type,
            entity_id=subject.entity_id,
            entity=subject.entity,
            from_ms=since_ms,
            to_ms=scene.now_ms,
            count=subject.refused,
            why=why,
            actors=subject.actors,
        )


DETECTOR = Detector(
    name=NAME,
    title="first refusal",
    what="a consumer is refused that was not in the days before",
    detect=detect,
    delay_s=90,
    parameters=(
        number("learn_days", 7, (1, 365), "days", "history that must be known"),
        number("forget_days", 30, (1, 365), "days", "refusals older than this are forgotten"),
        number("count", 5, (1, 1e6), "refusals", "refusals that count as one"),
        number("over_s", 300, (60, 840), "seconds", "span in which they are counted"),
    ),
    sigma="value_count",
    owasp=("API4:2023",),
    false_positives=("a customer that grows",),
    guide=("Nothing to do by itself: it tells you where to look first when something else fires.",),
)
