"""Caches are emptied faster than usual, or one key again and again. Reloads cost latency.

Every change of the configuration invalidates a few keys on every node, so a deployment is a burst by
itself: it is named, and it is no storm unless it goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from domain.cache_storms import KEY_LEAST, LEAST, TIMES_USUAL
from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Invalidations, Scene
from domain.detectors.words import many

NAME = "invalidation_storm"


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """The newest whole minute against the ones before."""
    minute = (scene.now_ms // 60_000) - 1
    newest = next((i for i in scene.invalidations if i.minute == minute), None)
    if newest is None or scene.known_ms < 60_000 * values["settled_minutes"]:
        return
    span_minutes = min(60, scene.known_ms // 60_000)
    before = [i.total for i in scene.invalidations if minute - span_minutes <= i.minute < minute]
    usual = float(median(before)) if len(before) >= TIMES_USUAL else 0.0
    changes = [c for c in scene.changes if minute * 60_000 - 60_000 <= c.at_ms < (minute + 1) * 60_000]
    is_storm = newest.total >= values["floor"] and newest.total >= values["factor"] * usual
    is_churn = newest.top_key_count > values["same_key"]
    if not (is_storm or is_churn):
        return
    # a deployment writes many entities once; what writes one entity again and again is broken
    different = len({(c.entity_type, c.entity_id) for c in changes})
    explained = len(changes) >= values["per_change"] * newest.total and 2 * different > len(changes)
    yield _finding(scene, newest, usual, len(changes), churn=is_churn and not is_storm, explained=explained)


def _finding(
    scene: Scene, newest: Invalidations, usual: float, changes: int, *, churn: bool, explained: bool
) -> Finding:
    node = max(newest.by_node, key=lambda n: newest.by_node[n])
    if churn:
        why = f"the key {newest.top_key} was invalidated {newest.top_key_count:,} times in a minute on {node}"
    else:
        than = f"usually {usual:.0f}" if usual else "where hardly any are usual"
        why = f"{many(newest.total, 'cache invalidation')} in a minute on {node}, {than}"
    made = (
        f"; {many(changes, 'change')} of the configuration came with them"
        if changes
        else "; no change came with them"
    )
    return Finding(
        detector=NAME,
        shape="same_key_again_and_again" if churn else "invalidation_storm",
        severity=Severity.INFORMATION if explained else Severity.NOTICE,
        entity_type=EntityType.CACHE,
        entity_id=newest.top_key or "caches" if churn else "caches",
        entity=newest.top_key or "caches" if churn else "caches",
        from_ms=newest.minute * 60_000,
        to_ms=scene.now_ms,
        count=newest.top_key_count if churn else newest.total,
        why=why + made,
        facts={"usual": round(usual, 1), "changes": changes},
    )


DETECTOR = Detector(
    name=NAME,
    title="invalidation storm",
    what="a node's caches lose far more keys than usual, or the same key again and again",
    detect=detect,
    delay_s=75,
    is_by_slot=False,
    parameters=(
        number("factor", TIMES_USUAL, (1.5, 1000), "times", "times the usual rate"),
        number(
            "floor",
            LEAST,
            (10, 1e6),
            "invalidations",
            "invalidations a minute below which nothing is a storm",
        ),
        number("same_key", KEY_LEAST, (5, 1e6), "invalidations", "of one key on one node in a minute"),
        number("per_change", 0.02, (0, 1), "changes", "changes per invalidation that explain them"),
        number("settled_minutes", 10, (1, 60), "minutes", "history that must be known"),
    ),
    sigma="event_count",
    owasp=("API8:2023",),
    false_positives=("a deployment that writes many entities one by one",),
    guide=(
        "Open Changes at that time: an automation that writes the same entity in a loop is the usual cause.",
        "No change? Then a node purges by itself: look at its log and its shared memory.",
    ),
)
