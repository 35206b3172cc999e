"""Which change made nodes drop which cache keys, and whether every node did. Pure.

One write through the Admin API drops several keys on the node that took it within milliseconds, and on the
others when they ask their database for news: every `db_update_frequency`, 5 s by default
(kong/cluster_events/init.lua, 3.9). A key names what it is of: `services:<id>:::::<workspace>`,
`plugins:<name>:<route>:<service>:<consumer>::<workspace>` (kong/db/dao/init.lua, `cache_key`). Keys of
credentials are masked, so those are matched in order.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

SPREAD_MS = 15_000
"""Three times the default interval between two looks for news."""
EARLY_MS = 500
"""Events of one node may come a little out of order."""
BURST_GAP_MS = 1_000
"""Keys dropped on one node with less than this between them belong together."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FOLLOWS = {
    "router": ("services", "routes"),
    "plugins_iterator": ("plugins",),
    "balancer": ("upstreams", "targets"),
}
"""Keys that are dropped because something is rebuilt, and the changes that cause it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """A node dropped a key, or purged a cache (then the key is empty)."""

    at_ms: int
    node: str
    entity_type: str
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """A change of the configuration."""

    at_ms: int
    node: str | None
    """Who took it."""
    entity_type: str
    entity_id: str | None
    name: str | None
    scope: tuple[str | None, str | None, str | None] = (None, None, None)
    """Of a plugin: ids of its route, service and consumer; of a target: (its upstream's id, None, None)."""

    @property
    def key_prefix(self) -> str | None:
        """How the key begins that this change drops; None where keys do not show what they are of."""
        kind, name = self.entity_type, self.name
        if kind in {"services", "routes", "consumers", "upstreams"} and self.entity_id:
            return f"{kind}:{self.entity_id}:"
        if kind == "plugins" and name:
            return ":".join((kind, name, *(part or "" for part in self.scope), ""))
        if kind == "targets" and name and self.scope[0]:
            return f"{kind}:{self.scope[0]}:{name}:"
        return None


class Seen(StrEnum):
    """Whether a node dropped what a change makes stale."""

    SEEN = "seen"
    WAITING = "waiting"
    """There is still time."""
    MISSED = "missed"
    UNKNOWN = "unknown"
    """The node was not there, or tells nothing about its caches."""


@dataclasses.dataclass(frozen=True, slots=True)
class Story:
    """A change, and what it did to caches."""

    cause: Cause
    keys: int
    """Keys dropped because of it, on all nodes together."""
    delays_ms: Mapping[str, int]
    """Node -> how long after the change it dropped the first key, of those that did."""
    nodes: Mapping[str, Seen]
    """Of every node that was asked about."""

    @property
    def expected(self) -> int:
        """How many nodes should have dropped something, and could have told."""
        return sum(seen is not Seen.UNKNOWN for seen in self.nodes.values())

    @property
    def seen(self) -> int:
        """How many did."""
        return sum(seen is Seen.SEEN for seen in self.nodes.values())

    @property
    def is_complete(self) -> bool:
        """Whether every node that could tell did."""
        return self.seen == self.expected


@dataclasses.dataclass(frozen=True, slots=True)
class Burst:
    """Keys that a node dropped together, without a change that we know of."""

    node: str
    from_ms: int
    to_ms: int
    keys: int
    entity_types: tuple[str, ...]
    """The most frequent first, at most five."""
    is_purge: bool


def tell_stories(
    dropped: Sequence[Dropped],
    causes: Sequence[Cause],
    present: Mapping[str, Sequence[tuple[int, int]]],
    now_ms: int,
) -> tuple[list[Story], list[Burst]]:
    """Tie what was dropped to the changes that caused it.

    Args:
        dropped: By time.
        causes: By time.
        present: Node -> the spans in which it was there; only nodes that keep caches of a database.
        now_ms: Changes younger than 15 s are still on their way.

    Returns:
        The changes, newest first, and what no change explains, newest first.
    """
    tellers = {one.node for one in dropped}
    ties = _Ties(causes)
    untold = [one for one in dropped if not ties.tie(one)]
    stories = [
        Story(
            cause=cause,
            keys=ties.keys[place],
            delays_ms=ties.delays_ms[place],
            nodes={
                node: _seen(cause, node, ties.delays_ms[place], spans, node in tellers, now_ms)
                for node, spans in present.items()
            },
        )
        for place, cause in enumerate(causes)
    ]
    return stories[::-1], _bursts(untold)


def _seen(
    cause: Cause,
    node: str,
    delays_ms: Mapping[str, int],
    spans: Iterable[tuple[int, int]],
    tells: bool,  # noqa: FBT001 - one of the facts
    now_ms: int,
) -> Seen:
    if node in delays_ms:
        return Seen.SEEN
    until_ms = cause.at_ms + SPREAD_MS
    was_there = any(from_ms <= cause.at_ms and to_ms >= min(until_ms, now_ms) for from_ms, to_ms in spans)
    if not (tells and was_there):
        return Seen.UNKNOWN
    return Seen.WAITING if now_ms < until_ms else Seen.MISSED


class _Ties:
    """Finds the change that a dropped key belongs to."""

    def __init__(self, causes: Sequence[Cause]) -> None:
        self._causes = causes
        self.keys = [0] * len(causes)
        self.delays_ms: list[dict[str, int]] = [{} for _ in causes]
        self._by_prefix: dict[str, list[int]] = defaultdict(list)
        self._masked: dict[str, list[int]] = defaultdict(list)
        self._by_type: dict[str, list[int]] = defaultdict(list)
        for place, cause in enumerate(causes):
            prefix = cause.key_prefix
            self._by_type[cause.entity_type].append(place)
            if prefix is None:
                self._masked[cause.entity_type].append(place)
            else:
                self._by_prefix[prefix].append(place)
        self._taken: set[tuple[int, str]] = set()

    def tie(self, one: Dropped) -> bool:
        """Count a key for its change; False when there is none."""
        found = self._exact(one)
        if found is None:
            found = self._masked_in_order(one)
        if found is None:
            kinds = FOLLOWS.get(one.entity_type, ())
            if one.entity_type == "consumers" and not _has_id(one.key):
                kinds = ("consumers",)
            found = self._latest(one, [place for kind in kinds for place in self._by_type[kind]])
        if found is None:
            return False
        self.keys[found] += 1
        self.delays_ms[found].setdefault(one.node, max(0, one.at_ms - self._causes[found].at_ms))
        return True

    def _exact(self, one: Dropped) -> int | None:
        parts = one.key.split(":")
        for length in (2, 3, 5):
            places = self._by_prefix.get(":".join(parts[:length]) + ":")
            found = self._first_open(one, places) if places else None
            if found is not None:
                return found
        for prefix, places in self._by_prefix.items():  # targets have a colon of their own in their key
            if one.entity_type == "targets" and one.key.startswith(prefix):
                return self._first_open(one, places)
        return None

    def _first_open(self, one: Dropped, places: Iterable[int]) -> int | None:
        """Of several changes of one entity, the first that this node has not dropped anything for."""
        near = [place for place in places if self._is_near(one, place)]
        still_open = [place for place in near if one.node not in self.delays_ms[place]]
        return next(iter(still_open), near[-1] if near else None)

    def _masked_in_order(self, one: Dropped) -> int | None:
        """The first change of its type that this node has not dropped anything for."""
        for place in self._masked.get(one.entity_type, ()):
            if self._is_near(one, place) and (place, one.node) not in self._taken:
                self._taken.add((place, one.node))
                return place
        return None

    def _latest(self, one: Dropped, places: Iterable[int]) -> int | None:
        near = [place for place in places if self._is_near(one, place)]
        return max(near, key=lambda place: self._causes[place].at_ms, default=None)

    def _is_near(self, one: Dropped, place: int) -> bool:
        return -EARLY_MS <= one.at_ms - self._causes[place].at_ms <= SPREAD_MS


def _has_id(key: str) -> bool:
    """Whether a key is of an entity by its id; consumers are also kept by their names."""
    return _UUID.fullmatch(key.partition(":")[2].partition(":")[0]) is not None


def _bursts(dropped: Iterable[Dropped]) -> list[Burst]:
    runs: dict[str, list[list[Dropped]]] = defaultdict(list)
    for one in dropped:
        of_node = runs[one.node]
        if of_node and one.at_ms - of_node[-1][-1].at_ms <= BURST_GAP_MS:
            of_node[-1].append(one)
        else:
            of_node.append([one])
    found = [_burst(run) for of_node in runs.values() for run in of_node]
    return sorted(found, key=lambda burst: (-burst.from_ms, burst.node))


def _burst(run: Sequence[Dropped]) -> Burst:
    counts: dict[str, int] = defaultdict(int)
    for one in run:
        if one.key:
            counts[one.entity_type] += 1
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return Burst(
        node=run[0].node,
        from_ms=run[0].at_ms,
        to_ms=run[-1].at_ms,
        keys=sum(counts.values()),
        entity_types=tuple(names[:5]),
        is_purge=any(not one.key for one in run),
    )
