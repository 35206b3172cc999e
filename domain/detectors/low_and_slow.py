"""Below every limit on purpose: many addresses sharing the work, changing addresses, or patience.

Programs are more even than people. Requests of independent visitors scatter like a Poisson process, so their
counts per address vary about as much as their mean; a crowd whose counts vary far less is one program.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import refusals_by_slot, refused_subjects
from domain.detectors.tracks import REFUSED, REQUESTS, Counts, Key, Track
from domain.detectors.words import share, span

NAME = "low_and_slow"
SIGMAS = 4.0
"""How far below a Poisson crowd's own scatter evenness must lie: one chance in 30,000 per look."""
NEWCOMERS = 0.8
NEWCOMERS_EVEN = 0.6
NEWCOMERS_SIGMAS = 2.5
"""That they came together says something already: less evenness is asked of newcomers."""
ONE_ROUTE = 0.9
SINGLE_USE = 0.9
LEAST_OF_A_MINUTE = 0.2
REPEATED = 0.5
"""Addresses that share work come back in the next minute."""
MOST_AT_ONCE = 4
"""Requests of one address that are still one visit of a client that changes addresses."""
LEAST_EACH = 3
SINGLE_SPREAD = 0.3
HOURS = 24
HOUR_MS = 3_600_000


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Networks first, then single addresses."""
    for site, track in scene.ledger.sites.items():
        if len(track.known) >= values["addresses"]:
            found = _site(scene, values, str(site), track)
            if found is not None:
                yield found
    yield from _steady(scene, values)
    yield from _hours(scene, values)


def _site(scene: Scene, values: Values, site: str, track: Track) -> Finding | None:
    minutes = max(1, round(values["over_s"] / 60))
    peers = track.peers(scene.minute - minutes, scene.minute)
    requests = sum(c[REQUESTS] for c in peers.values())
    refused = sum(c[REFUSED] for c in peers.values())
    if len(peers) < values["addresses"] or refused > values["refused_share"] * requests:
        return None
    route, on_route = _main_route(scene, track, minutes)
    if on_route < ONE_ROUTE * requests:
        return None
    visits = _Visits(track, scene.minute - minutes, scene.minute)
    if visits.are_single:
        return _rotation(scene, values, site, track, peers, route)
    if not visits.are_repeated:
        return None
    spread = _dispersion([c[REQUESTS] for c in peers.values()])
    if requests < LEAST_EACH * len(peers) or not _is_one_program(scene, values, track, peers, spread):
        return None
    return _crowd(scene, values, site, peers, route, requests, refused, spread)


class _Visits:
    """How often addresses of a network come back, by minutes: never, or again and again."""

    def __init__(self, track: Track, from_minute: int, to_minute: int) -> None:
        chapters = [
            found.peers
            for minute in range(from_minute, to_minute + 1)
            if (found := track.chapters.get(minute)) is not None
        ]
        everybody = len(set().union(*chapters))
        again = sum(map(len, chapters)) - everybody
        counts = [c[REQUESTS] for peers in chapters for c in peers.values()]
        is_long = sum(1 for peers in chapters if len(peers) >= LEAST_OF_A_MINUTE * everybody) > 1
        several = sum(1 for n in counts if n > (MOST_AT_ONCE if is_long else 1))
        self.are_single = everybody - again - several >= SINGLE_USE * everybody
        """Nearly every address is used for a request, or a few at once, and then never again. At once is
        within a minute, and never again can be said only after some of two minutes."""
        self.are_repeated = again >= REPEATED * everybody


def _main_route(scene: Scene, track: Track, minutes: int) -> tuple[Key, int]:
    routes = track.routes(scene.minute - minutes, scene.minute)
    best = max(routes, key=lambda r: routes[r][REQUESTS], default=0)
    return best, routes[best][REQUESTS] if best in routes else 0


def _dispersion(counts: list[int]) -> float:
    """Variance over mean: about 1 for independent visitors, near 0 for a program that shares work out."""
    mean = sum(counts) / len(counts)
    return (
        sum((n - mean) ** 2 for n in counts) / (len(counts) - 1) / mean if mean and len(counts) > 1 else 1.0
    )


def _is_one_program(
    scene: Scene, values: Values, track: Track, peers: dict[Key, Counts], spread: float
) -> bool:
    scatter = (2 / (len(peers) - 1)) ** 0.5
    if spread <= 1 - SIGMAS * scatter:
        return True
    recent = scene.first_slot(values["together_s"])
    began = scene.ledger.slot_of(scene.began_ms)
    came_late = track.first_slot - began >= scene.ledger.slots_in(values["settled_s"])
    fresh = sum(1 for peer in peers if track.known.get(peer, 0) >= recent)
    even = max(NEWCOMERS_EVEN, 1 - NEWCOMERS_SIGMAS * scatter)
    return came_late and fresh >= NEWCOMERS * len(peers) and spread <= even


def _rotation(
    scene: Scene, values: Values, site: str, track: Track, peers: dict[Key, Counts], route: Key
) -> Finding | None:
    """Each request from another address of one network; in IPv4, where strangers share one, if it is even."""
    if ":" not in site:
        slots = track.series(scene.slot - 5, scene.slot)
        if min(slots) == 0 or _dispersion(slots) > SINGLE_SPREAD:
            return None
    bits = site.rpartition("/")[2]
    where = scene.names.label_of(route) if route else "no route"
    why = (
        f"{len(peers)} addresses of {site} sent a request or a few each to {where} in"
        f" {span(values['over_s'])}, none refused: one client that changes its address with every request, so"
        " that no limit per address can count it"
    )
    return _finding(
        scene, values, site, len(peers), why, f"ipv6_rotation_within_{bits}_no_429" if ":" in site
        else f"ipv4_rotation_within_{bits}_no_429", addresses=len(peers),
    )  # fmt: skip


def _crowd(
    scene: Scene,
    values: Values,
    site: str,
    peers: dict[Key, Counts],
    route: Key,
    requests: int,
    refused: int,
    spread: float,
) -> Finding:
    where = scene.names.label_of(route) if route else "no route"
    counts = [c[REQUESTS] for c in peers.values()]
    none = "none of them refused" if not refused else f"only {share(refused, requests)} of them refused"
    why = (
        f"{len(peers)} addresses of {site} share {requests:,} requests to {where} in"
        f" {span(values['over_s'])},"
        f" {min(counts)} to {max(counts)} each, {none}: far more even than visitors are (scatter"
        f" {spread:.2f}, visitors about 1)"
    )
    suffix = "" if refused else "_no_429"
    return _finding(
        scene, values, site, requests, why, f"distributed_low_and_slow{suffix}", addresses=len(peers),
        scatter=round(spread, 3),
    )  # fmt: skip


def _finding(
    scene: Scene, values: Values, site: str, count: int, why: str, shape: str, **facts: float
) -> Finding:
    return Finding(
        detector=NAME,
        shape=shape,
        severity=Severity.HIGH,
        entity_type=EntityType.PREFIX,
        entity_id=site,
        entity=site,
        from_ms=scene.began(scene.ledger.sites[site], values["over_s"]),
        to_ms=scene.now_ms,
        count=count,
        why=why,
        actors=(("ip", site),),
        facts=dict(facts),
    )


def _steady(scene: Scene, values: Values) -> Iterator[Finding]:
    """An address without a consumer that stays a little over its limit, minute after minute."""
    minutes = round(values["steady_minutes"])
    if scene.known_ms < minutes * 60_000:
        return
    first = scene.first_slot(60 * minutes)
    per_minute = scene.ledger.slots_in(60)
    for subject in refused_subjects(scene, 60 * minutes, minutes):
        if subject.is_consumer:
            continue
        refused = refusals_by_slot(subject, first, scene.slot)
        hit = sum(1 for at in range(0, len(refused), per_minute) if sum(refused[at : at + per_minute]))
        requests = subject.track.total(first, scene.slot)
        if hit < values["steady_hit"] or subject.refused > values["steady_share"] * requests:
            continue
        why = (
            f"{subject.entity} was refused in {hit} of the last {minutes}"
            f" minutes{scene.place(subject.track)} but"
            f" only {share(subject.refused, requests)} of its {requests:,} requests: it stays just"
            " over its limit"
        )
        yield _alone(
            scene, subject.entity, requests, why, "low_and_slow_over_limit", scene.ledger.start_ms(first)
        )


def _hours(scene: Scene, values: Values) -> Iterator[Finding]:
    """An address without a consumer that was refused in many separate hours of the last day, never much."""
    if scene.known_ms < HOUR_MS * values["hours"]:
        return
    for subject in refused_subjects(scene, 600, 1):
        if subject.is_consumer:
            continue
        hours = [
            (requests, refused)
            for start_ms, requests, refused in scene.past.hourly("ip", subject.track.key, scene.now_ms)
            if start_ms >= scene.now_ms - HOURS * HOUR_MS and refused
        ]
        refused = sum(r for _, r in hours)
        if len(hours) < values["hours"] or refused > values["per_hour"] * len(hours):
            continue
        why = (
            f"{subject.entity} was refused in {len(hours)} separate hours of the last {HOURS},"
            f" {refused:,} times"
            f" in all and never much at once{scene.place(subject.track)}"
        )
        from_ms = scene.now_ms - HOURS * HOUR_MS
        yield _alone(scene, subject.entity, refused, why, "low_and_slow_for_hours", from_ms)


def _alone(scene: Scene, address: str, count: int, why: str, shape: str, from_ms: int) -> Finding:
    return Finding(
        detector=NAME,
        shape=shape,
        severity=Severity.NOTICE,
        entity_type=EntityType.IP,
        entity_id=address,
        entity=address,
        from_ms=from_ms,
        to_ms=scene.now_ms,
        count=count,
        why=why,
        actors=(("ip", address),),
    )


DETECTOR = Detector(
    name=NAME,
    title="low and slow",
    what="somebody stays below the limits on purpose: many addresses sharing the work, or patience",
    detect=detect,
    delay_s=90,
    parameters=(
        number("addresses", 20, (5, 10_000), "addresses", "addresses of one network (/24, /64)"),
        number("over_s", 120, (60, 840), "seconds", "span in which they are counted"),
        number("refused_share", 0.02, (0, 1), "share", "part of their requests that may be refused"),
        number("together_s", 180, (60, 840), "seconds", "span in which newcomers must have come"),
        number(
            "settled_s",
            30,
            (0, 86_400),
            "seconds",
            "how long history must be known before `new` means something",
        ),
        number(
            "steady_minutes", 10, (4, 14), "minutes", "minutes looked at for an address just over its limit"
        ),
        number("steady_hit", 8, (2, 14), "minutes", "of those, minutes with a refusal"),
        number("steady_share", 0.35, (0.01, 1), "share", "largest part of its requests that is refused"),
        number("hours", 12, (3, 24), "hours", "separate hours of the last 24 with refusals"),
        number("per_hour", 60, (1, 1e5), "refusals", "at most so many in each, on average"),
    ),
    sigma="temporal",
    owasp=("API6:2023", "API4:2023", "OAT-011"),
    attack=("T1090", "T1499.002"),
    false_positives=(
        "a monitoring service that probes from many addresses of its own: put it into the rule's exceptions",
        "a batch job on many machines that shares its work out",
    ),
    guide=(
        (
            "Which route, and what can be had there? Even requests to one route are scraping"
            " until shown otherwise."
        ),
        "Limit by network or by credential instead of by address; a block of the network is the quick way.",
        "Look at the same network a day and a week ago on its address page.",
    ),
)
