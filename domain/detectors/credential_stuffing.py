"""One address, many credentials: somebody tries keys or passwords, and perhaps finds some.

Refused log-ins carry no consumer, so they are counted as such; the consumers that did get in from the same
address tell that it worked. A proxy of many honest consumers has hardly any refused log-in; a client
whose key was revoked fails always, but knows only one consumer.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import is_shared_egress
from domain.detectors.tracks import NOBODY, REQUESTS, UNAUTHORIZED, Counts, Key, Track
from domain.detectors.words import listed, many, share, span

NAME = "credential_stuffing"


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Addresses whose log-ins fail, or that show many new consumers with a request or two each."""
    first = scene.first_slot(values["over_s"])
    for address, track in scene.ledger.addresses.items():
        unauthorized = track.total(first, scene.slot, UNAUTHORIZED)
        if unauthorized < values["unauthorized"] and len(track.known) <= values["consumers"]:
            continue
        if scene.is_own(track, is_consumer=False):
            continue
        found = _judge(scene, values, address, track, unauthorized)
        if found is not None:
            yield found


def _judge(scene: Scene, values: Values, address: Key, track: Track, unauthorized: int) -> Finding | None:
    first = scene.first_slot(values["over_s"])
    minutes = max(1, round(values["over_s"] / 60))
    requests = track.total(first, scene.slot)
    peers = track.peers(scene.minute - minutes, scene.minute)
    consumers = {key: counts for key, counts in peers.items() if key != NOBODY}
    fails = unauthorized >= values["unauthorized"] and unauthorized >= values["share"] * requests
    knows_one = len(consumers) <= 1 and any(
        first > slot for key, slot in track.known.items() if key != NOBODY
    )
    if fails and not knows_one:
        return _finding(scene, values, address, consumers, unauthorized, requests)
    if not _tries_each_once(scene, values, track, consumers, first) or is_shared_egress(scene, address):
        return None
    return _finding(scene, values, address, consumers, unauthorized, requests)


def _tries_each_once(
    scene: Scene, values: Values, track: Track, consumers: dict[Key, Counts], first: int
) -> bool:
    """Many consumers, all new to this address, nearly all with a request or two."""
    if (
        len(consumers) < values["consumers"]
        or sum(c[REQUESTS] for c in consumers.values()) < values["requests"]
    ):
        return False
    if scene.known_ms < 1000 * values["settled_s"]:
        return False
    new = [key for key in consumers if track.known.get(key, 0) >= first]
    few = [key for key in new if consumers[key][REQUESTS] <= values["each"]]
    return len(few) >= values["few_share"] * len(consumers)


def _finding(
    scene: Scene,
    values: Values,
    address: Key,
    consumers: dict[Key, Counts],
    unauthorized: int,
    requests: int,
) -> Finding:
    succeeded = sorted(consumers, key=lambda key: -consumers[key][REQUESTS])
    names = [scene.names.label_of(key) for key in succeeded]
    many_credentials = len(consumers) > 1
    if many_credentials:
        got_in = f"; {len(consumers)} consumers' credentials worked: {listed(names)}"
    else:
        got_in = "; none worked" if not consumers else f"; one consumer's worked: {names[0]}"
    why = (
        f"{address} failed to log in {unauthorized:,} times ({share(unauthorized, requests)} of its"
        f" {requests:,} requests) in {span(values['over_s'])}{got_in}"
    )
    if not unauthorized:
        why = (
            f"{address} used the credentials of {many(len(consumers), 'consumer')} that never came from"
            f" there, a request or two each, {requests:,} in {span(values['over_s'])}: {listed(names)}"
        )
    return Finding(
        detector=NAME,
        shape="one_address_many_credentials",
        severity=Severity.CRITICAL if many_credentials else Severity.HIGH,
        entity_type=EntityType.IP,
        entity_id=str(address),
        entity=str(address),
        from_ms=scene.began(
            scene.ledger.addresses[address], values["over_s"], UNAUTHORIZED if unauthorized else REQUESTS
        ),
        to_ms=scene.now_ms,
        count=max(unauthorized, requests if not unauthorized else 0),
        why=why,
        actors=(("ip", str(address)),),
        facts={
            "unauthorized": unauthorized,
            "requests": requests,
            "consumers": len(consumers),
            "names": names[:50],
        },
    )


DETECTOR = Detector(
    name=NAME,
    title="one address, many credentials",
    what="one address tries many keys or passwords; refused log-ins count, and so do those that work",
    detect=detect,
    delay_s=30,
    parameters=(
        number("unauthorized", 20, (3, 1e6), "log-ins", "refused log-ins (401)"),
        number("share", 0.3, (0.01, 1), "share", "part of the address's requests that they are"),
        number("over_s", 120, (20, 840), "seconds", "span in which they are counted"),
        number("consumers", 15, (3, 1000), "consumers", "or so many consumers new to the address ..."),
        number("requests", 25, (5, 1e6), "requests", "... with so many requests ..."),
        number("each", 2, (1, 100), "requests", "... at most so many each ..."),
        number("few_share", 0.8, (0.1, 1), "share", "... of this part of them"),
        number(
            "settled_s",
            300,
            (0, 86_400),
            "seconds",
            "how long history must be known for `new` to mean something",
        ),
    ),
    sigma="value_count",
    owasp=("API2:2023", "OAT-008", "OAT-007"),
    attack=("T1110.004",),
    false_positives=(
        (
            "a shared gateway (proxy, carrier NAT): its log-ins work, and its consumers send more"
            " than a request or two"
        ),
        "a deploy that shipped a wrong key to every client of one site",
    ),
    guide=(
        (
            "Did any log-in work? Then treat those consumers' credentials as stolen: the list is"
            " in the evidence."
        ),
        "Open the address's page: has it good consumers of its own? Then narrow a block to the log-in route.",
        "Block the address for an hour; look for its neighbours in the same network.",
    ),
)
