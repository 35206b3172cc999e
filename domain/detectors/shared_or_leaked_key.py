"""One consumer, many addresses: a key that is shared, or has leaked.

Counted are addresses that this consumer never used before, and how many networks they lie in: a phone changes
its address but rarely its provider, a fleet has many addresses in one network. A consumer that always
came from many networks is compared with itself; one that is hardly known yet, with the others: where many
spread as it does, that is how these consumers are. Where the store could not tell apart where a consumer came
from, nothing is new to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.networks import is_rest, provider_of, site_of
from domain.detectors.scene import Scene
from domain.detectors.subjects import is_shared_egress
from domain.detectors.tracks import NOBODY, REFUSED, REQUESTS, UNAUTHORIZED, Counts, Key, Track
from domain.detectors.words import listed, many, span

NAME = "shared_or_leaked_key"
LEAST_SITES = 2
GROWTH, GROWTH_YOUNG, YOUNG_S = 0.5, 1.0, 300
"""The new providers must be so many as a part of those that it came from before; more of a consumer that
was watched for less than five minutes, all of whose places cannot be known yet."""
USUAL_MINUTES = 10
UNTOLD = 0.2
"""With so many of its earlier requests from addresses that were not told apart, what is new is not known."""
ALIKE, LEAST_ALIKE = 0.1, 2
"""So many of all consumers, and so many of them, met half as many new providers: the fleet is like that."""
MOST_ASKED = 100
"""So many of the others stand for all of them: asking 2,000 took half a second."""
GUESSING_UNAUTHORIZED = 0.3
"""An address where so many requests fail to log in guesses credentials: that is another detector's find."""


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Consumers with many addresses that are new to them."""
    met: dict[Key, int] = {}
    for track in scene.ledger.consumers.values():
        if (
            len(track.known) < values["addresses"]
            or track.is_crowded
            or scene.is_own(track, is_consumer=True)
        ):
            continue
        found = _judge(scene, values, track, met)
        if found is not None:
            yield found


def _first(scene: Scene, values: Values, track: Track) -> int:
    """The slot from which on an address can be new to a consumer."""
    first = scene.slot - scene.ledger.slots_in(values["over_s"]) + 1
    return max(first, track.first_slot + scene.ledger.slots_in(values["settled_s"]))


def _strangers(track: Track, first: int) -> tuple[set[str], set[str]]:
    """(addresses met since a slot that lie with providers unknown before, the providers known before)."""
    fresh = {peer for peer, _ in track.newest_known(first) if isinstance(peer, str)}
    home = {provider_of(a) for a, slot in track.known.items() if slot < first and isinstance(a, str)}
    return {a for a in fresh if provider_of(a) not in home}, home


def _judge(scene: Scene, values: Values, track: Track, met: dict[Key, int]) -> Finding | None:
    first = _first(scene, values, track)
    if sum(1 for _ in track.newest_known(first)) < values["addresses"]:
        return None
    fresh, home = _strangers(track, first)
    is_young = first - track.first_slot < scene.ledger.slots_in(YOUNG_S)
    least = (GROWTH_YOUNG if is_young else GROWTH) * len(home)
    if len(fresh) < max(values["addresses"], least) or _is_untold(scene, track, first):
        return None  # at home, or it always came from everywhere, or nobody knows from where
    peers = _present(scene, track, fresh, minutes=max(2, round(values["over_s"] / 60)))
    if _is_enough(values, peers):
        known = scene.past.known_addresses(track.key, peers, scene.ledger.start_ms(first))
        peers = {a: c for a, c in peers.items() if a not in known}
    sites, providers = {site_of(a) for a in peers}, {provider_of(a) for a in peers}
    usual = _usual_new_sites(scene, track, first)
    is_wide = len(providers) >= values["networks"] or (
        len(peers) >= values["many"] and len(sites) >= LEAST_SITES
    )
    grew = len(providers) >= least and len(sites) >= values["factor"] * usual
    if not (_is_enough(values, peers) and is_wide and grew):
        return None
    if is_young and _are_many_alike(scene, values, track, len(providers) / 2, met):
        return None
    return _finding(scene, values, track, peers, sites, providers, usual, first)


def _is_untold(scene: Scene, track: Track, first: int) -> bool:
    """Whether much of what a consumer sent before came from addresses that the store did not tell apart."""
    upto = scene.ledger.minute_of(first - 1)
    before = track.peers(min(track.chapters, default=upto), upto)
    untold = before[NOBODY][REQUESTS] if NOBODY in before else 0
    return untold > UNTOLD * sum(counts[REQUESTS] for counts in before.values())


def _are_many_alike(
    scene: Scene, values: Values, track: Track, providers: float, met: dict[Key, int]
) -> bool:
    """Whether many other consumers met so many new providers of late; `met` keeps how many each one met.

    One that is not told apart met nobody, as far as we know.
    """
    consumers = scene.ledger.consumers
    step = -(-len(consumers) // MOST_ASKED)
    left = max(LEAST_ALIKE, ALIKE * len(consumers) / step)
    for other in islice(consumers.values(), 0, None, step):
        if other is track or len(other.known) < providers:
            continue
        first = _first(scene, values, other)
        if other.key not in met:
            fresh, _ = _strangers(other, first)
            met[other.key] = len({provider_of(a) for a in fresh})
        if met[other.key] >= providers and _is_untold(scene, other, first):
            met[other.key] = 0
        if met[other.key] >= providers:
            left -= 1
            if left <= 0:
                return True
    return False


def _is_enough(values: Values, peers: dict[str, Counts]) -> bool:
    requests = sum(c[REQUESTS] for c in peers.values())
    return len(peers) >= values["addresses"] and requests >= values["requests"]


def _present(scene: Scene, track: Track, fresh: set[str], *, minutes: int) -> dict[str, Counts]:
    """What the new addresses did, shared gateways and guessers left out."""
    return {
        peer: counts
        for peer, counts in track.peers(scene.minute - minutes, scene.minute).items()
        if isinstance(peer, str) and peer in fresh and not _belongs_to_many(scene, peer)
    }


def _belongs_to_many(scene: Scene, address: str) -> bool:
    other = scene.ledger.addresses.get(address)
    if other is None:
        return False
    if is_shared_egress(scene, address):
        return True
    first, last = scene.first_slot(120), scene.slot
    return other.total(first, last, UNAUTHORIZED) > GUESSING_UNAUTHORIZED * other.total(first, last)


def _usual_new_sites(scene: Scene, track: Track, first: int) -> int:
    """How many networks this consumer met per two minutes before, at most; 0 when that is not known."""
    slots = scene.ledger.slots_in(120)
    start = first - scene.ledger.slots_in(60 * USUAL_MINUTES)
    settled = track.first_slot + slots
    found: dict[int, set[str]] = {}
    for peer, slot in track.newest_known(max(start, settled)):
        if isinstance(peer, str) and slot < first:
            found.setdefault(slot // slots, set()).add(site_of(peer))
    return max((len(sites) for sites in found.values()), default=0)


def _finding(
    scene: Scene,
    values: Values,
    track: Track,
    peers: dict[str, Counts],
    sites: set[str],
    providers: set[str],
    usual: int,
    first: int,
) -> Finding:
    requests = sum(c[REQUESTS] for c in peers.values())
    refused = sum(c[REFUSED] for c in peers.values())
    old = sum(1 for peer, slot in track.known.items() if slot < first and peer != NOBODY)
    label = scene.names.label_of(track.key)
    critical = len(providers) >= values["critical_networks"]
    busiest: list[Key] = sorted(peers, key=lambda a: -peers[str(a)][REQUESTS])
    before = f"{many(old, 'address', 'addresses')} until then" if old else "none known until then"
    per = f", usually at most {many(usual, 'new network')} in two minutes" if usual else ""
    also = f", {refused:,} of them refused" if refused else ""
    least = "at least " if any(is_rest(a) for a in peers) else ""
    why = (
        f"{label}'s key was used {requests:,} times{also} from {least}{len(peers)} addresses new to it"
        f" in {many(len(sites), 'network')} of {many(len(providers), 'provider')} within"
        f" {span(values['over_s'])} ({before}{per}): {listed([str(a) for a in busiest])}"
    )
    return Finding(
        detector=NAME,
        shape="one_key_many_addresses",
        severity=Severity.CRITICAL if critical else Severity.HIGH,
        entity_type=EntityType.CONSUMER,
        entity_id=scene.names.id_of(track.key),
        entity=label,
        from_ms=scene.ledger.start_ms(min(track.known[a] for a in peers)),
        to_ms=scene.now_ms,
        count=requests,
        why=why,
        actors=(("consumer", scene.names.id_of(track.key)),),
        covers=frozenset(("ip", address) for address in peers),
        facts={
            "new_addresses": len(peers),
            "networks": len(sites),
            "providers": len(providers),
            "refused": refused,
            "addresses": [str(a) for a in busiest[:20]],
        },
    )


DETECTOR = Detector(
    name=NAME,
    title="one key, many addresses",
    what="a consumer's key is used from many addresses and networks that it never used before",
    detect=detect,
    delay_s=30,
    parameters=(
        number("addresses", 5, (2, 1000), "addresses", "addresses new to the consumer"),
        number("requests", 10, (1, 1e6), "requests", "requests from them"),
        number("networks", 3, (1, 1000), "providers", "providers (/16, /32) that they lie in, or ..."),
        number("many", 8, (2, 1000), "addresses", "... so many addresses in two networks"),
        number("over_s", 300, (60, 840), "seconds", "span in which they must be new"),
        number(
            "settled_s",
            30,
            (0, 86_400),
            "seconds",
            "how long a consumer is only watched, from its first request",
        ),
        number("factor", 3, (1, 100), "times", "times as many new networks as was usual for the consumer"),
        number("critical_networks", 5, (1, 1000), "providers", "providers that make it critical"),
    ),
    sigma="value_count",
    owasp=("API2:2023",),
    attack=("T1078", "T1550.001", "T1528"),
    false_positives=(
        "a mobile app that carries one key for all its users",
        "a customer that moved to another cloud: addresses in one or two networks, all at once and for good",
        "a monitoring service that probes from many places",
    ),
    guide=(
        (
            "Compare the new addresses with the usual ones on the consumer's page: same"
            " countries, same hours, same routes?"
        ),
        (
            "Do the old addresses go on as before while the new ones ask for something else? Then"
            " the key has leaked."
        ),
        "Rotate the key with the owner; until then block the new networks, not the consumer.",
    ),
)
