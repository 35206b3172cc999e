"""More refusals than usual: against a service's own last minutes, and against the same hour of other weeks.

A service is judged by how many different consumers and addresses are refused, not by how often: one noisy
client cannot make a surge, and a limit that is too low shows at once. A change of a limit just before is
named as the likely cause.

Cold start: with less than fourteen days of history fifteen minutes are compared with the four hours
before them (above the upper quartile by four times the interquartile range, CrowdSec's rule); with less
than four hours only the number of different clients is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median, quantiles

from domain.changes import LIMITERS, Change, limits_before_and_after, plugin_name, scope_of, sentence
from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import refused_subjects
from domain.detectors.tracks import NOBODY, REFUSED, Key, Track
from domain.detectors.words import listed, many, span

NAME = "surge"
LEAST_MINUTES = 2
"""Whole minutes of history before a service is judged."""
MOST_MINUTES = 14
WEEKLY_AFTER_MS = 14 * 86_400_000
HOUR_MS, WEEK_MS = 3_600_000, 7 * 86_400_000
QUARTER_S = 900
LEAST_QUARTERS = 12
KNOWN_BEFORE_MS = 20_000
"""Nothing can have jumped at a change before which nothing is known."""
LEAST_HOURS = 3
ONE_PLACE_EACH = 0.5
"""Fewer addresses than this part of the refused clients are gateways of many."""
OWN_STORY_S = 180
FAR_MORE = 5
MOSTLY = 0.5
MAD_TO_SIGMA = 1.4826
IQR_TIMES = 4


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Services with many different clients refused, then single clients and everything against their past."""
    for service, track in scene.ledger.services.items():
        found = _clients(scene, values, service, track)
        if found is not None:
            yield found
    yield from _own_past(scene, values)


# ---- many clients at once


def _clients(scene: Scene, values: Values, service: Key, track: Track) -> Finding | None:
    clients = _clients_refused(track, scene.minute)
    if clients < values["clients"]:
        return None
    began = max(scene.ledger.minute_of(track.first_slot), scene.began_ms // 60_000)
    before = [
        _clients_refused(track, m) for m in range(max(began, scene.minute - MOST_MINUTES), scene.minute)
    ]
    cause = _cause(scene, values, service, track)
    if len(before) < (1 if cause else LEAST_MINUTES):
        return None
    usual = sorted(before)[len(before) // 4]
    if clients < values["factor"] * max(1, usual):
        return None
    hit = _refused(track, scene.minute)
    if _places(scene, hit) < ONE_PLACE_EACH * len(hit):
        return None
    label = scene.names.label_of(service)
    names = [scene.names.label_of(k) if isinstance(k, int) else str(k) for k in list(hit)[:20]]
    count = sum(hit.values())
    why = (
        f"{len(hit)} clients of {label} are refused within a minute, {count:,} times, where"
        f" {many(usual, 'client')} usually {'is' if usual == 1 else 'are'}: {listed(names, total=len(hit))}"
    )
    shape, from_ms = "violations_surge_many_consumers", scene.minute * 60_000
    if cause is not None:
        shape, from_ms = "violations_jump_after_config_change_many_consumers", cause.at_ms
        by = f" by {cause.actor}" if cause.actor else ""
        ago = span((scene.now_ms - cause.at_ms) / 1000)
        why += f"; most likely cause: {sentence(cause, scene.names.name)}{by}, {ago} ago"
    return Finding(
        detector=NAME,
        shape=shape,
        severity=Severity.HIGH,
        entity_type=EntityType.SERVICE,
        entity_id=scene.names.id_of(service),
        entity=label,
        from_ms=from_ms,
        to_ms=scene.now_ms,
        count=count,
        why=why,
        covers=frozenset(
            ("consumer", scene.names.id_of(k)) if isinstance(k, int) else ("ip", str(k))
            for k in _explained(scene, track, hit, from_ms)
        ),
        actors=(("service", scene.names.id_of(service)),),
        facts={"clients": len(hit), "usual": usual, "cause_seq": cause.seq if cause else None},
    )


def _places(scene: Scene, hit: dict[Key, int]) -> int:
    """From how many addresses the refused ones came, at most: many behind one are refused as one."""
    found: set[Key] = set()
    for key in hit:
        track = scene.ledger.consumers.get(key) if isinstance(key, int) else None
        if track is None:
            found.add(key)
            continue
        peers = track.peers(scene.minute, scene.minute)
        found |= {peer for peer, counts in peers.items() if counts[REFUSED]}
    return len(found)


def _explained(scene: Scene, service: Track, hit: dict[Key, int], from_ms: int) -> Iterator[Key]:
    """Those refused by this service since it began, and like the others: else theirs is another story."""
    usual = median(hit.values())
    first = scene.ledger.slot_of(from_ms)
    here = service.peers(from_ms // 60_000, scene.minute)
    for key, count in hit.items():
        is_consumer = isinstance(key, int)
        known = scene.ledger.consumers if is_consumer else scene.ledger.addresses
        track = known.get(key)
        if track is None:
            yield key  # too little to be followed by itself
            continue
        lately = scene.ledger.refused(
            track, scene.first_slot(OWN_STORY_S), scene.slot, is_consumer=is_consumer
        )
        since = scene.ledger.refused(track, first, scene.slot, is_consumer=is_consumer)
        part = min(here[key][REFUSED] if key in here else 0, since)
        if part >= MOSTLY * lately and count <= FAR_MORE * usual:
            yield key


def _clients_refused(track: Track, minute: int) -> int:
    chapter = track.chapters.get(minute)
    if chapter is None:
        return 0
    return sum(1 for key, counts in chapter.peers.items() if counts[REFUSED] and key != NOBODY)


def _refused(track: Track, minute: int) -> dict[Key, int]:
    """Who was refused in a minute, and how often; most first."""
    chapter = track.chapters.get(minute)
    if chapter is None:
        return {}
    hit = {key: counts[REFUSED] for key, counts in chapter.peers.items() if counts[REFUSED] and key != NOBODY}
    return dict(sorted(hit.items(), key=lambda item: -item[1]))


def _cause(scene: Scene, values: Values, service: Key, track: Track) -> Change | None:
    """The newest change of a limit of this service that lets less through; else any such change."""
    since_ms = scene.now_ms - round(1000 * values["cause_s"])
    near = [
        c
        for c in scene.changes
        if since_ms <= c.at_ms < scene.now_ms
        and plugin_name(c) in LIMITERS
        and _applies(scene, c, service, track)
    ]
    near = [c for c in near if c.at_ms - scene.began_ms >= KNOWN_BEFORE_MS]
    stricter = [c for c in near if _is_stricter(c)]
    found = stricter or near
    return found[-1] if found else None


def _applies(scene: Scene, change: Change, service: Key, track: Track) -> bool:
    scope = scope_of(change)
    if scope.consumer_id is not None:
        return False
    if scope.route_id is not None:
        route = scene.names.key_of("routes", scope.route_id)
        return any(route in chapter.routes for chapter in track.chapters.values())
    return scope.service_id is None or scope.service_id == scene.names.id_of(service)


def _is_stricter(change: Change) -> bool:
    before, after = limits_before_and_after(change)
    held = {limit.name: limit.value for limit in before}
    return any((limit.value or 0) < held.get(limit.name, 1 << 62) for limit in after)  # type: ignore[operator]


# ---- against the own past


def _own_past(scene: Scene, values: Values) -> Iterator[Finding]:
    if scene.known_ms < LEAST_QUARTERS * QUARTER_S * 1000 or not scene.ends_minute:
        return
    first = scene.first_slot(QUARTER_S)
    if scene.has_gap(scene.ledger.start_ms(first)):
        return
    everything = scene.ledger.everything.total(first, scene.slot, REFUSED)
    if everything >= values["floor"]:
        usual = _usual(scene, values, "everything", NOBODY, everything)
        if usual is not None:
            yield _against_past(
                scene, EntityType.EVERYTHING, "everything", "the whole gateway", (), everything, usual
            )
    for subject in refused_subjects(scene, QUARTER_S, values["floor"]):
        usual = _usual(scene, values, subject.entity_type.value, subject.track.key, subject.refused)
        if usual is not None:
            yield _against_past(
                scene, subject.entity_type, subject.entity_id, subject.entity, subject.actors,
                subject.refused, usual,
            )  # fmt: skip


def _usual(scene: Scene, values: Values, entity_type: str, key: Key, count: int) -> tuple[float, str] | None:
    """What was usual, and since when; None where the count is no surprise or too little is known."""
    hours = scene.past.hourly(entity_type, key, scene.now_ms - QUARTER_S * 1000)
    if scene.known_ms >= WEEKLY_AFTER_MS:
        place = scene.now_ms // HOUR_MS * HOUR_MS
        same = [refused / 4 for start, _, refused in hours if start < place and not (place - start) % WEEK_MS]
        weeks = min(4, scene.known_ms // WEEK_MS)
        same += [0.0] * (weeks - len(same))
        if len(same) >= LEAST_HOURS - 1:
            middle = median(same)
            mad = median([abs(x - middle) for x in same])
            spread = max(MAD_TO_SIGMA * mad, middle**0.5, 1.0)
            if (count - middle) / spread > values["z"]:
                return middle, "in the same hour of the weeks before"
            return None
    quarters = scene.past.quarters(entity_type, key, scene.now_ms - QUARTER_S * 1000)
    return _cold(quarters, count)


def _cold(quarters: Sequence[int], count: int) -> tuple[float, str] | None:
    if len(quarters) < LEAST_QUARTERS:
        return None
    low, middle, high = quantiles(quarters, n=4)
    if count <= high + IQR_TIMES * max(high - low, 1.0):
        return None
    return middle, "per quarter of an hour in the four hours before"


def _against_past(
    scene: Scene,
    entity_type: EntityType,
    entity_id: str,
    entity: str,
    actors: tuple[tuple[str, str], ...],
    count: int,
    usual: tuple[float, str],
) -> Finding:
    middle, when = usual
    why = f"{entity} was refused {count:,} times in 15 min, usually {middle:.0f} {when}"
    return Finding(
        detector=NAME,
        shape="violations_surge",
        severity=Severity.HIGH if entity_type is EntityType.EVERYTHING else Severity.NOTICE,
        entity_type=entity_type,
        entity_id=entity_id,
        entity=entity,
        from_ms=scene.ms_ago(QUARTER_S),
        to_ms=scene.now_ms,
        count=count,
        why=why,
        actors=actors,
        facts={"usual": round(middle, 1)},
    )


DETECTOR = Detector(
    name=NAME,
    title="surge",
    what="more clients of a service are refused than usual, or one client far more than in its own past",
    detect=detect,
    delay_s=30,
    parameters=(
        number("clients", 10, (3, 10_000), "clients", "different clients refused within a minute"),
        number("factor", 3, (1.2, 100), "times", "times the usual number of them"),
        number("cause_s", 600, (10, 86_400), "seconds", "how far back a change of a limit is looked for"),
        number("floor", 30, (10, 1e6), "refusals", "refusals in 15 minutes below which nothing is a surge"),
        number("z", 4, (2, 20), "sigmas", "robust z against the same hour of other weeks"),
    ),
    owasp=("API4:2023",),
    attack=("T1499.002",),
    false_positives=(
        "a campaign or a release that doubles traffic",
        "the first business day after a holiday",
    ),
    guide=(
        "Is a change of a limit named as the cause? Open it under Changes; its rollback is one click there.",
        "Are the clients the usual ones with their usual rates? Then the limit moved, not they.",
        "No change? Look at what the refused clients share: a route, a network, a version.",
    ),
)
