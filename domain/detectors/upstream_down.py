"""Nothing is left behind an upstream: all its targets are unhealthy, so Kong answers 503 by itself."""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene, TargetHealth
from domain.detectors.words import listed, many, span

NAME = "upstream_down"
LEAST_MS = 1_000
"""Shorter than this is the checker's own hesitation."""


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Upstreams whose known targets are, or just were, all unhealthy as one node sees them."""
    by_upstream: dict[str, list[TargetHealth]] = {}
    for seen in scene.health:
        by_upstream.setdefault(seen.upstream, []).append(seen)
    for upstream, history in by_upstream.items():
        span_ms = _down(scene, values, upstream, history)
        if span_ms is not None:
            yield _finding(scene, upstream, history, *span_ms)


def _down(
    scene: Scene, values: Values, upstream: str, history: list[TargetHealth]
) -> tuple[int, int | None, int] | None:
    """(since when, until when or None, how many targets), of the newest time that all were down."""
    targets = {seen.target for seen in history} | scene.targets.get(upstream, frozenset())
    found: tuple[int, int | None, int] | None = None
    for node in {seen.node for seen in history}:
        state: dict[str, bool] = {}
        since: int | None = None
        for seen in history:
            if seen.node != node:
                continue
            state[seen.target] = seen.is_healthy
            down = bool(state) and not any(state.get(target, True) for target in targets)
            if down and since is None:
                since = seen.at_ms
            elif not down and since is not None:
                if seen.at_ms - since >= LEAST_MS and seen.at_ms > scene.now_ms - 1000 * values["news_s"]:
                    found = _later(found, (since, seen.at_ms, len(targets)))
                since = None
        if since is not None and scene.now_ms - since >= LEAST_MS:
            found = _later(found, (since, None, len(targets)))
    return found


def _later(
    one: tuple[int, int | None, int] | None, other: tuple[int, int | None, int]
) -> tuple[int, int | None, int]:
    if one is None or other[1] is None:
        return other
    return one if one[1] is None or one[0] >= other[0] else other


def _finding(
    scene: Scene,
    upstream: str,
    history: list[TargetHealth],
    since_ms: int,
    until_ms: int | None,
    targets: int,
) -> Finding:
    names = sorted({seen.target for seen in history})
    length = span(((until_ms or scene.now_ms) - since_ms) / 1000)
    state = f"for {length}, and are back" if until_ms else f"since {length}"
    why = (
        f"all {many(targets, 'target')} of {upstream} {'were' if until_ms else 'are'} unhealthy {state}"
        f" ({listed(names)}): every request to it is answered 503 by Kong itself"
    )
    return Finding(
        detector=NAME,
        shape="503_all_targets_unhealthy",
        severity=Severity.HIGH,
        entity_type=EntityType.UPSTREAM,
        entity_id=upstream,
        entity=upstream,
        from_ms=since_ms,
        to_ms=scene.now_ms,
        count=targets,
        why=why,
        facts={"targets": names, "until_ms": until_ms},
    )


DETECTOR = Detector(
    name=NAME,
    title="upstream down",
    what="all targets of an upstream are unhealthy",
    detect=detect,
    delay_s=15,
    is_by_slot=False,
    parameters=(number("news_s", 60, (10, 3600), "seconds", "how long a time that is over is still told"),),
    false_positives=("a health check that is stricter than the service",),
    guide=(
        "Open Nodes: which targets, since when, and on which nodes?",
        "Ask the service's owner; the gateway itself is well.",
        "Only one node sees it? Then it is the network between that node and the targets.",
    ),
)
