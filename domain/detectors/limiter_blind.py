"""A limiter that no longer limits: clients get through what it used to refuse, and nobody is refused.

It may fail open because its counters cannot be reached (`fault_tolerant`), and Kong sends no event for
that. So the ceiling is learned from what it did: the most that one client got through in a minute while
it was being refused. Clients well above that with no refusal at all mean that nothing counts any more.

Only within the ledger's memory, and only while nobody changed a limit: a changed limit has a new ceiling.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.changes import LIMITERS, plugin_name
from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.tracks import NOBODY, REFUSED, REQUESTS, Key, Track
from domain.detectors.words import listed, many, span

NAME = "limiter_blind"
LEAST_CEILINGS = 3
LEAST_CEILING = 10
"""Requests a minute; below that a client that got more through says nothing."""
WINDOW_S = 60


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Services where refusals stopped although clients go further than they ever could."""
    if scene.is_feed_dead or any(
        plugin_name(c) in LIMITERS and scene.now_ms - c.at_ms < 15 * 60_000 for c in scene.changes
    ):
        return
    for service, track in scene.ledger.services.items():
        found = _judge(scene, values, service, track)
        if found is not None:
            yield found


def _judge(scene: Scene, values: Values, service: Key, track: Track) -> Finding | None:
    quiet = round(values["minutes"])
    if not scene.ends_minute:
        return None
    last = range(scene.minute - quiet + 1, scene.minute + 1)
    if any(_refused_in(track, m) for m in last):
        return None
    ceilings = [
        counts[REQUESTS] - counts[REFUSED]
        for m in range(scene.minute - 14, scene.minute - quiet + 1)
        if m in track.chapters
        for key, counts in track.chapters[m].peers.items()
        if counts[REFUSED] and key != NOBODY and _is_held_by_minute(scene, key)
    ]
    if len(ceilings) < LEAST_CEILINGS or max(ceilings) < LEAST_CEILING:
        return None
    ceiling = max(ceilings)
    over: dict[Key, int] = {}
    for m in last:
        for key, counts in track.chapters[m].peers.items() if m in track.chapters else ():
            if counts[REQUESTS] > values["factor"] * ceiling and key != NOBODY:
                over[key] = max(over.get(key, 0), counts[REQUESTS])
    if len(over) < values["clients"]:
        return None
    label = scene.names.label_of(service)
    names = [
        scene.names.label_of(k) if isinstance(k, int) else str(k)
        for k in sorted(over, key=lambda k: -over[k])
    ]
    why = (
        f"{label} refuses nobody for {span(60 * quiet)} although {many(len(over), 'client')} got up to"
        f" {max(over.values()):,} requests a minute through; while it refused, {ceiling:,} was the"
        f" most: {listed(names)}"
    )
    return Finding(
        detector=NAME,
        shape="limiter_blind",
        severity=Severity.HIGH,
        entity_type=EntityType.SERVICE,
        entity_id=scene.names.id_of(service),
        entity=label,
        from_ms=(scene.minute - quiet + 1) * 60_000,
        to_ms=scene.now_ms,
        count=sum(over.values()),
        why=why,
        actors=(("service", scene.names.id_of(service)),),
        facts={"ceiling": ceiling, "clients": len(over)},
    )


def _is_held_by_minute(scene: Scene, key: Key) -> bool:
    """Whether a client is refused by more than limits per second: those allow many a minute, well spaced."""
    track = scene.ledger.consumers.get(key) or scene.ledger.addresses.get(key)
    if track is None:
        return True
    limits = [scene.names.limit(limit) for limit in track.limits]
    windows = [limit.window_s for limit in limits if limit is not None and limit.window_s is not None]
    return not windows or max(windows) >= WINDOW_S


def _refused_in(track: Track, minute: int) -> int:
    chapter = track.chapters.get(minute)
    return sum(counts[REFUSED] for counts in chapter.peers.values()) if chapter else 0


DETECTOR = Detector(
    name=NAME,
    title="limiter blind",
    what="a service refuses nobody although clients get far more through than its limit ever let them",
    detect=detect,
    delay_s=130,
    parameters=(
        number("minutes", 2, (1, 10), "minutes", "whole minutes without any refusal"),
        number("factor", 1.5, (1.1, 100), "times", "times what got through while it refused"),
        number("clients", 1, (1, 1000), "clients", "clients that far over it"),
    ),
    owasp=("API4:2023", "API8:2023"),
    attack=("T1562",),
    false_positives=(
        "a limit raised in a way that no event told of (a configuration file, another workspace)",
    ),
    guide=(
        "Was the limit raised? Look at Changes; without events, at the plugin in Kong itself.",
        "Is its Redis or database up? With fault_tolerant on, Kong then lets everything through.",
        "Kong says so only in its log: look for `failed to get usage`.",
        "Until it is back, treat the service as unprotected.",
    ),
)
