"""Who carries the traffic: one client with too large a part of it, or one address that is a proxy of many.

A proxy in front of the gateway whose real clients are not told shows as one address with nearly everything:
then limits by address limit everybody together, and a block of it blocks everybody. A partner's gateway or
carrier NAT shows as one address with many consumers in good order: its refusals are theirs, not an attack.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import is_shared_egress
from domain.detectors.tracks import NOBODY, REFUSED, REQUESTS, Key, Track
from domain.detectors.words import many, share, span

NAME = "heavy_hitter"
EGRESS_REFUSED_CONSUMERS = 3


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Shares of all requests, over some minutes."""
    first = scene.first_slot(values["over_s"])
    everything = scene.ledger.everything
    requests = everything.total(first, scene.slot)
    ripe = scene.known_ms >= 1000 * values["over_s"] and requests >= values["requests"]
    for address, track in scene.ledger.addresses.items():
        yield from _address(scene, values, str(address), track, requests if ripe else 0)
    if not ripe:
        return
    for consumer, track in scene.ledger.consumers.items():
        part = track.total(first, scene.slot)
        if part > values["share"] * requests:
            entity_id, label = scene.names.id_of(consumer), scene.names.label_of(consumer)
            found = _grew(scene, values, track, part / requests)
            if found is not None:
                yield _heavy(scene, values, EntityType.CONSUMER, entity_id, label, part, requests, found)


def _address(scene: Scene, values: Values, address: str, track: Track, requests: int) -> Iterator[Finding]:
    part = track.total(scene.first_slot(values["over_s"]), scene.slot) if requests else 0
    consumers = sum(1 for key in track.known if key != NOBODY)
    if requests and part > values["proxy_share"] * requests and consumers >= values["proxy_consumers"]:
        yield _proxy(scene, values, address, part, requests, consumers)
    elif is_shared_egress(scene, address):
        found = _egress(scene, values, address, track)
        if found is not None:
            yield found
    elif requests and part > values["share"] * requests and not scene.is_own(track, is_consumer=False):
        before = _grew(scene, values, track, part / requests)
        if before is not None:
            yield _heavy(scene, values, EntityType.IP, address, address, part, requests, before)


def _grew(scene: Scene, values: Values, track: Track, now: float) -> float | None:
    """The share before, where it was far smaller; None where this client always carried so much."""
    everything, slots = scene.ledger.everything, scene.ledger.slots_in(values["over_s"])
    last = scene.slot - slots
    all_before = everything.total(last - slots + 1, last)
    others = len(scene.ledger.consumers) + len(scene.ledger.addresses)
    if all_before < values["requests"] or others < values["others"]:
        return None
    own_before = track.total(last - slots + 1, last)
    if track.total(last + 1, scene.slot) < values["factor"] * own_before:
        return None  # the others became fewer
    before = own_before / all_before
    return before if now >= values["factor"] * before else None


def _heavy(
    scene: Scene,
    values: Values,
    entity_type: EntityType,
    entity_id: str,
    entity: str,
    part: int,
    requests: int,
    before: float,
) -> Finding:
    why = (
        f"{entity} sends {share(part, requests)} of all requests, {part:,} of {requests:,} in"
        f" {span(values['over_s'])}; before that it was {100 * before:.0f} %"
    )
    return Finding(
        detector=NAME,
        shape="heavy_hitter",
        severity=Severity.NOTICE,
        entity_type=entity_type,
        entity_id=entity_id,
        entity=entity,
        from_ms=scene.ms_ago(values["over_s"]),
        to_ms=scene.now_ms,
        count=part,
        why=why,
        actors=((entity_type.value, entity_id),),
        facts={"share": round(part / requests, 3), "share_before": round(before, 3)},
    )


def _proxy(scene: Scene, values: Values, address: str, part: int, requests: int, consumers: int) -> Finding:
    why = (
        f"{address} carries {share(part, requests)} of all requests from"
        f" {many(consumers, 'consumer')}: this is"
        " your load balancer, not a client. Review trusted_ips and real_ip_header; limits by address count"
        " everybody as one until then"
    )
    return Finding(
        detector=NAME,
        shape="proxy_collapse",
        severity=Severity.INFORMATION,
        entity_type=EntityType.IP,
        entity_id=address,
        entity=address,
        from_ms=scene.ms_ago(values["over_s"]),
        to_ms=scene.now_ms,
        count=part,
        why=why,
        covers=frozenset({("ip", address)}),
        actors=(("ip", address),),
        facts={"share": round(part / requests, 3), "consumers": consumers},
    )


def _egress(scene: Scene, values: Values, address: str, track: Track) -> Finding | None:
    minutes = max(1, round(values["over_s"] / 60))
    peers = track.peers(scene.minute - minutes + 1, scene.minute)
    hit: list[Key] = [key for key, counts in peers.items() if key != NOBODY and counts[REFUSED]]
    refused = sum(counts[REFUSED] for counts in peers.values())
    if len(hit) < EGRESS_REFUSED_CONSUMERS or refused < values["egress_refused"]:
        return None
    requests = sum(counts[REQUESTS] for counts in peers.values())
    consumers = sum(1 for key in peers if key != NOBODY)
    why = (
        f"{refused:,} refusals came from {address}, but {many(consumers, 'consumer')} are behind it and its"
        f" log-ins work ({requests:,} requests in {span(60 * minutes)}): a shared gateway, not an attacker"
    )
    return Finding(
        detector=NAME,
        shape="shared_proxy_no_attack",
        severity=Severity.INFORMATION,
        entity_type=EntityType.IP,
        entity_id=address,
        entity=address,
        from_ms=scene.began(track, 60 * minutes, REFUSED),
        to_ms=scene.now_ms,
        count=refused,
        why=why,
        actors=(("ip", address),),
        facts={"consumers": consumers, "refused_consumers": len(hit)},
    )


DETECTOR = Detector(
    name=NAME,
    title="heavy hitter",
    what="one client carries far more of the traffic than it did, or one address is a proxy of many",
    detect=detect,
    delay_s=30,
    parameters=(
        number("share", 0.3, (0.02, 1), "share", "part of all requests"),
        number("over_s", 300, (60, 420), "seconds", "span in which they are counted"),
        number("requests", 1000, (50, 1e8), "requests", "requests in all below which shares mean nothing"),
        number("factor", 2, (1, 100), "times", "times its own share before"),
        number("others", 10, (1, 1e5), "clients", "other clients there must be"),
        number(
            "proxy_share",
            0.5,
            (0.1, 1),
            "share",
            "part of all requests that makes an address a collapsed proxy",
        ),
        number("proxy_consumers", 10, (2, 1e5), "consumers", "consumers behind it"),
        number("egress_refused", 10, (1, 1e6), "refusals", "refusals through a shared gateway worth a line"),
    ),
    sigma="event_count",
    owasp=("API4:2023",),
    attack=("T1498", "T1499"),
    false_positives=("a new large customer on its first day", "traffic that moved from another gateway"),
    guide=(
        "Is it one of ours? Compare with the weeks before on its page.",
        (
            "For `proxy_collapse` fix trusted_ips and real_ip_header first: nothing by address is"
            " true until then."
        ),
        "If it starves others, lower its limit rather than block it.",
    ),
)
