"""What happened lately, by consumer, address, network and service: the memory that detectors look into.

Memory is bounded whatever comes. Consumers and services are few and have a track each. Addresses are not:
most send a handful of requests and are only counted, in two generations of a minute; one that sends more
than that gets a track. Past `most_tracks` of a kind, the ones that were quiet longest go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from domain.detectors.networks import is_rest, site_of
from domain.detectors.tracks import HORIZON_MS, MINUTE_MS, NOBODY, Key, Outcome, Room, Track

Row = tuple[int, str | None, int, int, int, int, int]
"""consumer, address, service, route, limit, outcome, how many"""
PROMOTE_AT = 12
"""Requests of an address or network in one to two minutes before it has a track of its own."""
MOST_TRACKS = 4_096
MOST_COUNTED = 200_000
"""Addresses counted per minute without a track; about 20 MB."""
MOST_SITES = 200_000
MOST_PEERS_IN_ALL = 400_000
"""Who took part in which minute, over all tracks; about 100 MB."""
LEAST_MINUTES = 3
"""These many minutes are always remembered."""


class Ledger:
    """The last fifteen minutes.

    Args:
        slot_ms: Length of a slot: 10 s for fresh history, a minute for older.
        most_tracks: Tracks of a kind.
        most_counted: Addresses and networks counted per minute without a track.
        most_peers: Who took part, over all minutes and tracks, before the oldest minutes are forgotten.
    """

    def __init__(
        self,
        slot_ms: int = 10_000,
        most_tracks: int = MOST_TRACKS,
        most_counted: int = MOST_COUNTED,
        most_peers: int = MOST_PEERS_IN_ALL,
    ) -> None:
        self.slot_ms = slot_ms
        self._most_counted = most_counted
        self._most_peers = most_peers
        self.everything = Track("everything", 0)
        self.consumers: dict[Key, Track] = {}
        self.addresses: dict[Key, Track] = {}
        self.sites: dict[Key, Track] = {}
        self.services: dict[Key, Track] = {}
        self.reaches_ms = HORIZON_MS
        """How far back it is known who took part; less than a quarter of an hour where that is too many."""
        self.uncounted = 0
        """Requests of addresses that could not even be counted."""
        self._most_tracks = most_tracks
        self._counts: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._generation = 0
        self._sites: dict[str, str] = {}
        self._room = Room()

    # ---- time

    def slot_of(self, at_ms: int) -> int:
        """The number of the slot that holds an instant."""
        return at_ms // self.slot_ms

    def minute_of(self, slot: int) -> int:
        """The number of the minute that holds a slot."""
        return slot * self.slot_ms // MINUTE_MS

    def start_ms(self, slot: int) -> int:
        """When a slot begins."""
        return slot * self.slot_ms

    def slots_in(self, seconds: float) -> int:
        """How many slots make so many seconds, at least one."""
        return max(1, round(seconds * 1000 / self.slot_ms))

    # ---- filling

    def add(self, slot: int, rows: Iterable[Row]) -> None:
        """Count rows of one slot."""
        minute = self.minute_of(slot)
        if minute > self._generation:
            self._turn(minute)
        consumers, services = self.consumers, self.services
        sums: dict[int, int] = {}
        for consumer, address, service, route, limit, outcome, n in rows:
            sums[outcome] = sums.get(outcome, 0) + n
            if consumer:
                track = consumers.get(consumer)
                if track is None:
                    track = self._new(consumers, consumer, slot)
                track.add(slot, minute, outcome, n, address or NOBODY, route, limit)
            if service:
                track = services.get(service)
                if track is None:
                    track = self._new(services, service, slot)
                track.add(slot, minute, outcome, n, consumer or address or NOBODY, route, NOBODY)
            if address is not None:
                self._add_address(slot, minute, consumer, address, route, limit, outcome, n)
        for outcome, n in sums.items():
            self.everything.add(slot, minute, outcome, n, None, NOBODY, NOBODY)

    def _add_address(
        self,
        slot: int,
        minute: int,
        consumer: int,
        address: str,
        route: int,
        limit: int,
        outcome: int,
        n: int,
    ) -> None:
        is_one = not is_rest(address)
        found = self._track(self.addresses, address, slot, n) if is_one else None
        if found is not None:
            found.add(slot, minute, outcome, n, consumer, route, NOBODY if consumer else limit or -1)
        site = self._sites.get(address)
        if site is None:
            if len(self._sites) >= MOST_SITES:
                self._sites.clear()
            site = self._sites[address] = site_of(address)
        found = None if site == address and is_one else self._track(self.sites, site, slot, n)
        if found is not None:
            found.add(slot, minute, outcome, n, address, route, NOBODY)

    def _track(self, tracks: dict[Key, Track], key: str, slot: int, n: int) -> Track | None:
        found = tracks.get(key)
        if found is not None:
            return found
        now, before = self._counts
        count = now.get(key, 0) + n
        if count + before.get(key, 0) >= PROMOTE_AT:
            now.pop(key, None)
            return self._new(tracks, key, slot)
        if key in now or len(now) < self._most_counted:
            now[key] = count
        else:
            self.uncounted += n
        return None

    def _new(self, tracks: dict[Key, Track], key: Key, slot: int) -> Track:
        if len(tracks) >= self._most_tracks:
            quiet = sorted(tracks.values(), key=lambda t: max(t.slots, default=0))
            for track in quiet[: self._most_tracks // 8]:
                self._drop(tracks, track)
        found = tracks[key] = Track(key, slot, self._room)
        return found

    def _turn(self, minute: int) -> None:
        """A new minute: the younger generation of counts becomes the older one, and old slots go."""
        now, _ = self._counts
        self._counts = ({}, now if minute == self._generation + 1 else {})
        self._generation = minute
        last_minute = minute - HORIZON_MS // MINUTE_MS
        last_slot = last_minute * MINUTE_MS // self.slot_ms
        self.everything.forget_before(last_slot, last_minute)
        for tracks in (self.consumers, self.addresses, self.sites, self.services):
            for key in list(tracks):
                track = tracks[key]
                track.forget_before(last_slot, last_minute)
                if not track.slots and tracks is not self.consumers:
                    self._drop(tracks, track)
        self._shorten(last_minute)

    def _drop(self, tracks: dict[Key, Track], track: Track) -> None:
        self._room.left += len(track.known)
        del tracks[track.key]

    def _shorten(self, last_minute: int) -> None:
        """Forget who took part in the oldest minutes where there are too many; counts and services stay."""
        many = [t for tracks in (self.consumers, self.addresses, self.sites) for t in tracks.values()]
        sizes = Counter[int]()
        for track in many:
            for minute, chapter in track.chapters.items():
                sizes[minute] += len(chapter.peers)
        total, first = sizes.total(), last_minute
        for minute in sorted(sizes)[:-LEAST_MINUTES]:
            if total <= self._most_peers:
                break
            total, first = total - sizes[minute], minute + 1
        self.reaches_ms = (self._generation - first) * MINUTE_MS
        if first > last_minute:
            for track in many:
                track.forget_peers_before(first)

    # ---- looking

    def subjects(self) -> Iterator[tuple[bool, Track]]:
        """Everybody who can be refused: (is a consumer, track); addresses where no consumer was known."""
        for track in self.consumers.values():
            yield True, track
        for track in self.addresses.values():
            if track.limits:
                yield False, track

    def refused(self, track: Track, from_slot: int, to_slot: int, *, is_consumer: bool) -> int:
        """Refusals of a subject; of an address, those without a consumer."""
        return (
            track.refused(from_slot, to_slot) if is_consumer else track.refused_by_limits(from_slot, to_slot)
        )


__all__ = ["NOBODY", "Key", "Ledger", "Outcome", "Row", "Track"]
