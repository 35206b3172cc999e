"""A quota is used up: a limit over an hour or more, or one with a name of its own.

Unlike a limit per minute it does not come back soon: whoever is out is out for long, and somebody will ring.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import Subject, from_where, refused_subjects
from domain.detectors.tracks import REFUSED
from domain.detectors.words import limit_words, span, times
from domain.limits import Limit, window_name

NAME = "quota_exhausted"
LONG_S = 3_600


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Subjects refused by a long or a named limit."""
    first = scene.first_slot(values["over_s"])
    least = min(values["count"], values["long_count"])
    for subject in refused_subjects(scene, values["over_s"], least):
        for key, by_slot in subject.track.limits.items():
            limit = scene.names.limit(key)
            if limit is None or not (_is_named(limit) or (limit.window_s or 0) >= LONG_S):
                continue
            refused = sum(n for slot, n in by_slot.items() if slot >= first)
            if refused >= values["count" if (limit.window_s or 0) < LONG_S else "long_count"]:
                yield _finding(scene, values, subject, limit, refused)
                break


def _is_named(limit: Limit) -> bool:
    return "/" in (limit.name or "")


def _finding(scene: Scene, values: Values, subject: Subject, limit: Limit, refused: int) -> Finding:
    window_s = limit.window_s or 0
    if _is_named(limit):
        shape = "response_ratelimiting_quota_exceeded"
        what = f"its quota {(limit.name or '').partition('/')[0]}"
    else:
        shape = f"{window_name(window_s)}_window_long_retry_after"
        what = f"its quota per {window_name(window_s)}"
    left_s = window_s - scene.now_ms // 1000 % window_s if window_s else 0
    ends = f"; the window ends in {span(left_s)}" if window_s >= LONG_S else ""
    why = (
        f"{subject.entity} has used up {what}{limit_words(limit)}{scene.place(subject.track)}: refused"
        f" {times(refused)} in {span(values['over_s'])}, {from_where(scene, subject)}{ends}"
    )
    return Finding(
        detector=NAME,
        shape=shape,
        severity=Severity.NOTICE,
        entity_type=subject.entity_type,
        entity_id=subject.entity_id,
        entity=subject.entity,
        from_ms=scene.began(subject.track, values["over_s"], REFUSED),
        to_ms=scene.now_ms,
        count=refused,
        why=why,
        actors=subject.actors,
        facts={"refused": refused, "window_s": window_s, "limit": limit.value},
    )


DETECTOR = Detector(
    name=NAME,
    title="quota used up",
    what="a limit over an hour or more, or one with a name of its own, keeps refusing the same client",
    detect=detect,
    delay_s=60,
    parameters=(
        number("count", 20, (2, 1e6), "refusals", "refusals by a named limit over less than an hour"),
        number(
            "long_count",
            8,
            (2, 1e6),
            "refusals",
            "refusals by a limit over an hour or more: it stays used up",
        ),
        number("over_s", 300, (30, 900), "seconds", "span in which they are counted"),
    ),
    sigma="event_count",
    owasp=("API4:2023", "API6:2023"),
    false_positives=("a client that asks on cheaply until its quota returns",),
    guide=(
        "See when the window ends: until then this client gets nothing through.",
        "Does its use fit what it pays for? If so the quota is too small: tell its owner before they ring.",
        "Is the growth sudden? Look at the consumer's addresses: a leaked key eats a quota too.",
    ),
)
