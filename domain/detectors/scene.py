"""What detectors look at: the state of things at one instant of event time, and what was usual before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from domain.changes import Change
from domain.detectors.ledger import Ledger
from domain.detectors.tracks import NOBODY, Key, Track
from domain.limits import Limit


class Names(Protocol):
    """What the store's numbers stand for."""

    def id_of(self, key: Key) -> str:
        """Kong's id, or the name where no id is known."""

    def label_of(self, key: Key) -> str:
        """What people call it. Hostile text: escape it where it is shown."""

    def limit(self, key: Key) -> Limit | None:
        """The limit that a number stands for; None when nothing is known of it."""

    def key_of(self, entity_type: str, entity_id: str) -> Key | None:
        """The number of a consumer, service or route by Kong's id; None when it was never seen in traffic."""

    def name(self, entity_type: str, entity_id: str) -> str | None:
        """The latest name of any entity by Kong's id."""


class Past(Protocol):
    """Questions about what lies further back than the ledger remembers."""

    def hourly(self, entity_type: str, key: Key, before_ms: int) -> Sequence[tuple[int, int, int]]:
        """(start of hour, requests, refusals) of up to four weeks, oldest first, empty hours left out."""

    def quarters(self, entity_type: str, key: Key, before_ms: int) -> Sequence[int]:
        """Refusals per quarter of an hour in the four hours before, those with a gap in them left out."""

    def known_addresses(self, consumer: Key, addresses: Iterable[str], before_ms: int) -> frozenset[str]:
        """Which of these addresses a consumer used before an instant."""

    def was_refused(self, entity_type: str, key: Key, from_ms: int, before_ms: int) -> bool:
        """Whether a consumer or address had a refusal in a span."""


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A target of an upstream changed, as one node saw it."""

    at_ms: int
    upstream: str
    """Its name; its id where no name is known."""
    target: str
    node: str | None
    is_healthy: bool


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """A source that says nothing: since when, and how long it usually waits between two signs."""

    source: str
    last_ms: int
    usual_gap_ms: int
    """How long it usually is silent between two signs."""


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a node's configuration."""

    node: str
    name: str
    state: str
    """As `domain.node_states.NodeState` words it."""
    since_ms: int
    """Since when it is in that state."""
    certificate_expires_ms: int | None = None
    detail: str = ""


class Invalidations(msgspec.Struct, frozen=True, kw_only=True):
    """Cache invalidations of a minute."""

    minute: int
    by_node: Mapping[str, int] = msgspec.field(default_factory=dict)
    top_key: str | None = None
    """The key that was invalidated most, masked."""
    top_key_count: int = 0
    """On the node where it was most."""

    @property
    def total(self) -> int:
        """On the node that had the most: every node tells of the same key."""
        return max(self.by_node.values(), default=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """An instant. Everything in it is past: nothing after `now_ms` is known."""

    now_ms: int
    began_ms: int
    """Since when history is known; before that, absence of something means nothing."""
    ledger: Ledger
    names: Names
    past: Past
    changes: Sequence[Change] = ()
    """Of the last day, oldest first."""
    health: Sequence[TargetHealth] = ()
    """Of the last day, oldest first."""
    targets: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    """Upstream -> its targets as far as they are known."""
    quiet: Sequence[Quiet] = ()
    nodes: Sequence[NodeFacts] = ()
    invalidations: Sequence[Invalidations] = ()
    """Of the last hour, oldest first; minutes without any left out."""
    gaps: Sequence[tuple[int, int]] = ()
    """Spans of the last day in which something is missing."""
    own_blocks: Container[str] = frozenset()
    """Consumers and addresses that we block ourselves: their refusals are our doing."""
    is_feed_dead: bool = False
    """Nothing arrives from anybody: absence of traffic means nothing now."""
    shared: dict[Key, bool] = dataclasses.field(default_factory=dict)
    """Address -> whether it is a gateway of many, of those that were asked for."""

    @property
    def slot(self) -> int:
        """The number of the newest slot that is over."""
        return self.ledger.slot_of(self.now_ms) - 1

    @property
    def minute(self) -> int:
        """The number of the minute that holds the newest slot."""
        return self.ledger.minute_of(self.slot)

    @property
    def known_ms(self) -> int:
        """How long history is known."""
        return self.now_ms - self.began_ms

    @property
    def ends_minute(self) -> bool:
        """Whether the newest slot is the last one of its minute."""
        return self.ledger.minute_of(self.slot + 1) > self.minute

    def first_slot(self, seconds: float) -> int:
        """The first slot of the last so many seconds."""
        return self.slot - self.ledger.slots_in(seconds) + 1

    def ms_ago(self, seconds: float) -> int:
        """When the last so many seconds began."""
        return self.ledger.start_ms(self.first_slot(seconds))

    def began(self, track: Track, seconds: float, place: int = 0) -> int:
        """When in the last so many seconds the first of something was counted for a track."""
        first = self.first_slot(seconds)
        hit = (s for s, counts in track.slots.items() if first <= s <= self.slot and counts[place] > 0)
        return self.ledger.start_ms(min(hit, default=first))

    def has_gap(self, from_ms: int) -> bool:
        """Whether something is missing between an instant and now."""
        return any(to_ms > from_ms and start_ms < self.now_ms for start_ms, to_ms in self.gaps)

    def is_own(self, track: Track, *, is_consumer: bool) -> bool:
        """Whether we block this subject ourselves."""
        return bool(self.own_blocks) and (
            str(track.key) in self.own_blocks
            or (is_consumer and self.names.id_of(track.key) in self.own_blocks)
        )

    def place(self, track: Track, minutes: int = 2) -> str:
        """Where refusals, or else requests, mostly went: ` on orders-list`; empty when unknown."""
        routes = track.routes(self.minute - minutes + 1, self.minute)
        best = max(routes.items(), key=lambda item: (item[1][1], item[1][0]), default=None)
        if best is None or best[0] == NOBODY:
            return ""
        return f" on {self.names.label_of(best[0])}"
