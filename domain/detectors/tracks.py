"""The recent past of one consumer, address, network or service, in little memory.

Counts are kept per slot (10 seconds), who took part per minute. A slot's or minute's number is its start
divided by its length, so both go up by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum

NOBODY = 0
"""The key of "no consumer", "no route", "no limit"."""
REQUESTS, REFUSED, UNAUTHORIZED, ERRORS = range(4)
"""Places in a list of counts."""
MINUTE_MS = 60_000
HORIZON_MS = 15 * MINUTE_MS
"""How far back a track remembers."""
MOST_SLOTS = HORIZON_MS // 10_000
MOST_PEERS = 1_024
"""Peers told apart per minute; about 250 bytes each."""
MOST_KNOWN = 4_096
"""Peers whose first sight is remembered."""
MOST_KNOWN_IN_ALL = 1_000_000
"""The same over all tracks; about 100 bytes each."""
MOST_ROUTES = 64
MOST_LIMITS = 16

Key = int | str
"""A consumer's, service's, route's or limit's number in the store; an address's text."""
Counts = list[int]


class Outcome(IntEnum):
    """How a request ended, as far as detection cares."""

    PASSED = 0
    REFUSED = 1
    REFUSED_ASIDE = 2
    """A refusal whose request is counted elsewhere, or not at all."""
    UNAUTHORIZED = 3
    FAILED = 4
    """5xx."""


_PLACE = (0, REFUSED, REFUSED, UNAUTHORIZED, ERRORS)
_ASIDE = int(Outcome.REFUSED_ASIDE)


class Chapter:
    """One minute: who took part, and on which routes."""

    __slots__ = ("is_full", "peers", "routes")

    def __init__(self) -> None:
        self.peers: dict[Key, Counts] = {}
        self.routes: dict[Key, Counts] = {}
        self.is_full = False
        """There were more peers than are told apart."""


class Room:
    """For how many more peers there is room in all tracks together."""

    __slots__ = ("left",)

    def __init__(self, left: int = MOST_KNOWN_IN_ALL) -> None:
        self.left = left


class Track:
    """One key's recent past."""

    __slots__ = (
        "_refused",
        "_refused_upto",
        "chapters",
        "first_slot",
        "is_crowded",
        "key",
        "known",
        "limits",
        "room",
        "slots",
    )

    def __init__(self, key: Key, slot: int, room: Room | None = None) -> None:
        self.key = key
        self.room = Room() if room is None else room
        self.first_slot = slot
        self.slots: dict[int, Counts] = {}
        self.chapters: dict[int, Chapter] = {}
        self.limits: dict[Key, dict[int, int]] = {}
        """Limit -> slot -> refusals by it."""
        self.known: dict[Key, int] = {}
        """Peer -> slot of its first sight."""
        self.is_crowded = False
        """There are more peers than are remembered."""
        self._refused: list[int] = []
        self._refused_upto = -1

    def add(
        self, slot: int, minute: int, outcome: int, n: int, peer: Key | None, route: Key, limit: Key
    ) -> None:
        """Count `n` requests; less than none takes them back."""
        counts = self.slots.get(slot)
        if counts is None:
            counts = self.slots[slot] = [0, 0, 0, 0]
        place = _PLACE[outcome]
        requests = 0 if outcome == _ASIDE else n
        counts[0] += requests
        if place:
            counts[place] += n
            if place == REFUSED:
                self._refused_upto = -1
                if limit:
                    self._add_limit(limit, slot, n)
        if peer is not None:
            self._add_peer(slot, minute, requests, place, n, peer, route)

    def _add_peer(
        self, slot: int, minute: int, requests: int, place: int, n: int, peer: Key, route: Key
    ) -> None:
        chapter = self.chapters.get(minute)
        if chapter is None:
            chapter = self.chapters[minute] = Chapter()
        seen = chapter.peers.get(peer)
        if seen is None:
            if len(chapter.peers) >= MOST_PEERS:
                chapter.is_full = True
                return
            seen = chapter.peers[peer] = [0, 0, 0, 0]
            self._meet(peer, slot)
        seen[0] += requests
        if place:
            seen[place] += n
        there = chapter.routes.get(route)
        if there is None:
            if len(chapter.routes) >= MOST_ROUTES:
                return
            there = chapter.routes[route] = [0, 0, 0, 0]
        there[0] += requests
        if place:
            there[place] += n

    def _meet(self, peer: Key, slot: int) -> None:
        if peer in self.known:
            return
        if len(self.known) >= MOST_KNOWN or not self.room.left:
            self.is_crowded = True
            return
        self.room.left -= 1
        self.known[peer] = slot

    def _add_limit(self, limit: Key, slot: int, n: int) -> None:
        refused = self.limits.get(limit)
        if refused is None:
            if len(self.limits) >= MOST_LIMITS:
                return
            refused = self.limits[limit] = {}
        refused[slot] = refused.get(slot, 0) + n

    def total(self, from_slot: int, to_slot: int, place: int = REQUESTS) -> int:
        """The sum over slots, both ends included."""
        get = self.slots.get
        return sum(counts[place] for slot in range(from_slot, to_slot + 1) if (counts := get(slot)))

    def refused_by_limits(self, from_slot: int, to_slot: int) -> int:
        """Refusals whose limit is noted: of an address, those without a consumer."""
        return self._refused_in(from_slot, to_slot, self._by_limits)

    def refused(self, from_slot: int, to_slot: int) -> int:
        """Refusals over slots, both ends included."""
        return self._refused_in(from_slot, to_slot, self._by_slots)

    def _refused_in(self, from_slot: int, to_slot: int, of: Callable[[int], int]) -> int:
        """Sums from `to_slot` backwards, made once: every detector asks for another span of the same past."""
        if self._refused_upto != to_slot:
            total = 0
            sums = []
            for slot in range(to_slot, to_slot - MOST_SLOTS, -1):
                total += of(slot)
                sums.append(total)
            self._refused, self._refused_upto = sums, to_slot
        return self._refused[min(to_slot - from_slot, MOST_SLOTS - 1)]

    def _by_slots(self, slot: int) -> int:
        counts = self.slots.get(slot)
        return counts[REFUSED] if counts else 0

    def _by_limits(self, slot: int) -> int:
        return sum(by_slot.get(slot, 0) for by_slot in self.limits.values())

    def newest_known(self, first_slot: int) -> Iterator[tuple[Key, int]]:
        """(peer, slot of its first sight) of those met since a slot, the newest first."""
        for peer in reversed(self.known):
            slot = self.known[peer]
            if slot < first_slot:
                return
            yield peer, slot

    def series(self, from_slot: int, to_slot: int, place: int = REQUESTS) -> list[int]:
        """One number per slot, both ends included; 0 where nothing came."""
        get = self.slots.get
        return [counts[place] if (counts := get(slot)) else 0 for slot in range(from_slot, to_slot + 1)]

    def peers(self, from_minute: int, to_minute: int) -> dict[Key, Counts]:
        """Who took part in some minutes, both ends included, with their sums."""
        return _merged(
            self.chapters[m].peers for m in range(from_minute, to_minute + 1) if m in self.chapters
        )

    def routes(self, from_minute: int, to_minute: int) -> dict[Key, Counts]:
        """Where, in some minutes, both ends included."""
        return _merged(
            self.chapters[m].routes for m in range(from_minute, to_minute + 1) if m in self.chapters
        )

    def is_partial(self, from_minute: int, to_minute: int) -> bool:
        """Whether `peers` leaves somebody out."""
        return any(self.chapters[m].is_full for m in range(from_minute, to_minute + 1) if m in self.chapters)

    def forget_peers_before(self, minute: int) -> None:
        """Drop who took part in older minutes."""
        for gone in [m for m in self.chapters if m < minute]:
            del self.chapters[gone]

    def forget_before(self, slot: int, minute: int) -> None:
        """Drop what is older."""
        for old in [s for s in self.slots if s < slot]:
            del self.slots[old]
        for gone in [m for m in self.chapters if m < minute]:
            del self.chapters[gone]
        for limit in list(self.limits):
            refused = self.limits[limit]
            for old in [s for s in refused if s < slot]:
                del refused[old]
            if not refused:
                del self.limits[limit]


def _merged(parts: Iterator[dict[Key, Counts]]) -> dict[Key, Counts]:
    found: dict[Key, Counts] = {}
    for part in parts:
        for key, counts in part.items():
            held = found.get(key)
            if held is None:
                found[key] = counts[:]
            else:
                for place, n in enumerate(counts):
                    held[place] += n
    return found
