"""Many addresses try many consumers, a few requests each: too little anywhere for a rule that looks at one.

What makes it visible is that the pairs are new: consumers that keep their addresses do not form it, however
many of them are refused at once by a limit that somebody lowered.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.tracks import NOBODY, UNAUTHORIZED, Key, Track
from domain.detectors.words import listed, many, span

NAME = "distributed_spray"


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """New pairs of address and consumer, and addresses that fail to log in, by service."""
    if scene.known_ms < 1000 * values["settled_s"]:
        return
    first = scene.first_slot(values["over_s"])
    minutes = scene.minute - max(1, round(values["over_s"] / 60)), scene.minute
    for service, track in scene.ledger.services.items():
        if track.total(first, scene.slot, UNAUTHORIZED) < values["requests"]:
            continue
        failing = {
            str(peer): counts[UNAUTHORIZED]
            for peer, counts in track.peers(*minutes).items()
            if isinstance(peer, str) and 0 < counts[UNAUTHORIZED] <= values["each"]
        }
        failing = _strangers(scene, track, failing)
        pairs = _new_pairs(scene, first, failing)
        consumers = {consumer for _, consumer in pairs}
        tries = sum(failing.values())
        if len(failing) >= values["addresses"] and tries >= values["requests"] and (
            len(consumers) >= values["consumers"] or len(failing) >= values["many_addresses"]
        ):  # fmt: skip
            yield _finding(scene, values, service, failing, consumers, tries)


def _strangers(scene: Scene, service: Track, failing: dict[str, int]) -> dict[str, int]:
    """Addresses that no consumer came from before they failed; others have an expired key now and then."""
    held: dict[str, int] = {}
    for track in scene.ledger.consumers.values():
        for address in failing.keys() & track.known.keys():
            held[str(address)] = min(track.known[address], held.get(str(address), 1 << 62))
    return {a: n for a, n in failing.items() if held.get(a, 1 << 62) >= service.known.get(a, 0)}


def _new_pairs(scene: Scene, first: int, addresses: dict[str, int]) -> set[tuple[str, Key]]:
    """Consumers that got in from one of these addresses for the first time."""
    found: set[tuple[str, Key]] = set()
    for consumer, track in scene.ledger.consumers.items():
        for address in addresses:
            if track.known.get(address, 0) >= first:
                found.add((address, consumer))
    return found


def _finding(
    scene: Scene, values: Values, service: Key, failing: dict[str, int], consumers: set[Key], tries: int
) -> Finding:
    label = scene.names.label_of(service)
    worst = sorted(failing, key=lambda a: -failing[a])
    names = [scene.names.label_of(c) for c in consumers if c != NOBODY]
    got_in = (
        f"; {many(len(names), 'consumer')} got in from them for the first time: {listed(names)}"
        if names
        else ""
    )
    why = (
        f"{len(failing)} addresses failed to log in to {label} {tries:,} times in"
        f" {span(values['over_s'])}, at"
        f" most {values['each']:.0f} times each: {listed(worst)}{got_in}"
    )
    return Finding(
        detector=NAME,
        shape="many_addresses_many_credentials",
        severity=Severity.CRITICAL if names else Severity.HIGH,
        entity_type=EntityType.SERVICE,
        entity_id=scene.names.id_of(service),
        entity=label,
        from_ms=scene.ms_ago(values["over_s"]),
        to_ms=scene.now_ms,
        count=tries,
        why=why,
        actors=(("service", scene.names.id_of(service)),),
        covers=frozenset(("ip", address) for address in failing),
        facts={
            "addresses": worst[:50],
            "address_count": len(failing),
            "consumers": names[:50],
            "tries": tries,
        },
    )


DETECTOR = Detector(
    name=NAME,
    title="many addresses, many credentials",
    what="many addresses try a few credentials each at one service",
    detect=detect,
    delay_s=60,
    parameters=(
        number("addresses", 5, (2, 10_000), "addresses", "addresses that fail to log in ..."),
        number("each", 5, (1, 100), "log-ins", "... at most so many times each"),
        number("requests", 25, (5, 1e6), "log-ins", "refused log-ins in all"),
        number(
            "consumers",
            8,
            (1, 10_000),
            "consumers",
            "consumers that got in from them for the first time, or ...",
        ),
        number("many_addresses", 15, (3, 10_000), "addresses", "... so many addresses that fail"),
        number("over_s", 840, (60, 840), "seconds", "span in which they are counted"),
        number("settled_s", 900, (0, 86_400), "seconds", "how long history must be known"),
    ),
    sigma="value_count",
    owasp=("API2:2023", "OAT-008"),
    attack=("T1110.003", "T1090"),
    false_positives=(
        "a key that expired at many sites at once: look for a change of credentials just before",
    ),
    guide=(
        "Look at the change markers: was a credential rotated or a consumer deleted just before?",
        "Do the addresses share a network? Then block the network; else look at what their requests share.",
        "Treat the credentials that worked as stolen.",
    ),
)
