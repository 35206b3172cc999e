"""Who was refused: a consumer, or an address where nobody was logged in."""

from __future__ import annotations

from collections.abc import Iterator

from domain.detectors.findings import EntityType
from domain.detectors.scene import Scene
from domain.detectors.tracks import NOBODY, REFUSED, UNAUTHORIZED, Key, Track
from domain.detectors.words import listed, many

PAUSE_EVERY = 100
"""Subjects that a detector judges before it may be left for a while: about 10 ms."""
EGRESS_CONSUMERS = 8
"""So many consumers behind one address, most of them with a good share, make it a gateway of many."""
EGRESS_REQUESTS_EACH = 3
EGRESS_UNAUTHORIZED = 0.05
EGRESS_SLOTS_S = 60


class Subject:
    """One subject and how findings name it; names are looked up only when they are asked for."""

    __slots__ = ("_scene", "is_consumer", "refused", "track")

    def __init__(self, scene: Scene, track: Track, refused: int, *, is_consumer: bool) -> None:
        self._scene = scene
        self.track = track
        self.is_consumer = is_consumer
        self.refused = refused
        """In the span asked for."""

    @property
    def entity_type(self) -> EntityType:
        """Consumer or address."""
        return EntityType.CONSUMER if self.is_consumer else EntityType.IP

    @property
    def entity_id(self) -> str:
        """Kong's id, or the address."""
        return self._scene.names.id_of(self.track.key) if self.is_consumer else str(self.track.key)

    @property
    def entity(self) -> str:
        """What people call it."""
        return self._scene.names.label_of(self.track.key) if self.is_consumer else str(self.track.key)

    @property
    def actors(self) -> tuple[tuple[str, str], ...]:
        """The filter that shows its events."""
        return ((self.entity_type.value, self.entity_id),)


def refused_subjects(scene: Scene, seconds: float, at_least: float) -> Iterator[Subject]:
    """Subjects with so many refusals in the last so many seconds.

    Our own blocks are left out, and so are gateways of many: their refusals are those of whom they serve.
    """
    first, last = scene.first_slot(seconds), scene.slot
    for is_consumer, track in scene.ledger.subjects():
        refused = scene.ledger.refused(track, first, last, is_consumer=is_consumer)
        if refused < at_least or scene.is_own(track, is_consumer=is_consumer):
            continue
        if not is_consumer and is_shared_egress(scene, track.key):
            continue
        yield Subject(scene, track, refused, is_consumer=is_consumer)


def refusals_by_slot(subject: Subject, from_slot: int, to_slot: int) -> list[int]:
    """A subject's refusals, one number per slot, both ends included."""
    if subject.is_consumer:
        return subject.track.series(from_slot, to_slot, REFUSED)
    found = [0] * (to_slot - from_slot + 1)
    for by_slot in subject.track.limits.values():
        for slot, n in by_slot.items():
            if from_slot <= slot <= to_slot:
                found[slot - from_slot] += n
    return found


def from_where(scene: Scene, subject: Subject, minutes: int = 2) -> str:
    """`from 12 addresses`, `from 203.0.113.7`; of an address nothing more is to be said."""
    if not subject.is_consumer:
        return "without a consumer"
    peers = subject.track.peers(scene.minute - minutes + 1, scene.minute)
    addresses = sorted((p for p in peers if p != NOBODY), key=lambda p: -peers[p][0])
    if not addresses:
        return "from an unknown address"
    if len(addresses) <= 2:  # noqa: PLR2004 - two can be read at a glance
        return f"from {listed([str(a) for a in addresses])}"
    return f"from {many(len(addresses), 'address', 'addresses')}"


def is_shared_egress(scene: Scene, address: Key) -> bool:
    """Whether many consumers come out of one address in good order, as from a proxy or carrier NAT.

    In good order means that nearly all of them have valid credentials and send more than a try or two, for a
    minute at least. Who guesses credentials fails at that.
    """
    found = scene.shared.get(address)
    if found is None:
        found = scene.shared[address] = _is_shared_egress(scene, address)
    return found


def _is_shared_egress(scene: Scene, address: Key) -> bool:
    track = scene.ledger.addresses.get(address)
    if track is None or len(track.known) < EGRESS_CONSUMERS:
        return False
    if scene.slot - track.first_slot < scene.ledger.slots_in(EGRESS_SLOTS_S):
        return False
    minutes = scene.minute - 4, scene.minute
    peers = track.peers(*minutes)
    steady = [c for key, c in peers.items() if key != NOBODY and c[0] >= EGRESS_REQUESTS_EACH]
    requests = sum(c[0] for c in peers.values())
    unauthorized = sum(c[UNAUTHORIZED] for c in peers.values())
    return len(steady) >= EGRESS_CONSUMERS and unauthorized <= EGRESS_UNAUTHORIZED * requests
