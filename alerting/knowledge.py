"""What detectors may ask: names of numbers, and the past beyond the ledger. Read when asked, then kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.detectors.tracks import Key
from domain.limits import Limit
from storage.alert_reads import AlertReads
from storage.reading.words import Word

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
BACK_MS = 29 * 86_400_000
"""Four weeks and a day."""
MOST_REMEMBERED = 20_000


class StoredNames:
    """`domain.detectors.scene.Names` from the store."""

    def __init__(self, reads: AlertReads) -> None:
        self._reads = reads
        self._words: dict[int, Word] = {}
        self._limits: dict[int, Limit | None] = {}
        self._keys: dict[tuple[str, str], Key | None] = {}
        self._names: dict[tuple[str, str], str] | None = None

    def renew(self) -> None:
        """Names may have changed: ask again."""
        self._words.clear()
        self._keys.clear()
        self._names = None

    def id_of(self, key: Key) -> str:
        """Kong's id, or the name where no id is known."""
        return self._word(key).value if isinstance(key, int) else key

    def label_of(self, key: Key) -> str:
        """What people call it."""
        return self._word(key).label if isinstance(key, int) else key

    def limit(self, key: Key) -> Limit | None:
        """The limit that a number stands for."""
        if not isinstance(key, int) or key < 0:
            return None
        if key not in self._limits:
            found = self._reads.limits([key]).get(key)
            self._limits[key] = (
                None if found is None else Limit(name=found[0], value=found[1], window_s=found[2])
            )
        return self._limits[key]

    def key_of(self, entity_type: str, entity_id: str) -> Key | None:
        """The number of a consumer, service or route by Kong's id."""
        place = (entity_type, entity_id)
        if place not in self._keys:
            self._keys[place] = self._reads.key_of(entity_type, entity_id)
        return self._keys[place]

    def name(self, entity_type: str, entity_id: str) -> str | None:
        """The latest name of any entity by Kong's id."""
        if self._names is None:
            self._names = self._reads.entity_names()
        return self._names.get((entity_type, entity_id))

    def _word(self, key: int) -> Word:
        found = self._words.get(key)
        if found is None:
            if len(self._words) >= MOST_REMEMBERED:
                self._words.clear()
            found = self._reads.words([key]).get(key) or Word(key, f"#{key}", True, None, None, None)
            self._words[key] = found
        return found


class StoredPast:
    """`domain.detectors.scene.Past` from the store. The same question is asked at most once a minute."""

    def __init__(self, reads: AlertReads) -> None:
        self._reads = reads
        self._hours: dict[tuple[str, Key, int], Sequence[tuple[int, int, int]]] = {}
        self._quarters: dict[tuple[str, Key, int], Sequence[int]] = {}

    def hourly(self, entity_type: str, key: Key, before_ms: int) -> Sequence[tuple[int, int, int]]:
        """Whole hours of up to four weeks before an instant."""
        place = (entity_type, key, before_ms // HOUR_MS)
        if place not in self._hours:
            _make_room(self._hours)
            to_ms = before_ms // HOUR_MS * HOUR_MS
            self._hours[place] = self._reads.hourly(entity_type, key, to_ms - BACK_MS, to_ms)
        return self._hours[place]

    def quarters(self, entity_type: str, key: Key, before_ms: int) -> Sequence[int]:
        """Refusals of the sixteen quarters of an hour before."""
        place = (entity_type, key, before_ms // MINUTE_MS)
        if place not in self._quarters:
            _make_room(self._quarters)
            self._quarters[place] = self._reads.quarters(entity_type, key, before_ms)
        return self._quarters[place]

    def known_addresses(self, consumer: Key, addresses: Iterable[str], before_ms: int) -> frozenset[str]:
        """Which of these addresses a consumer used before."""
        if not isinstance(consumer, int):
            return frozenset()
        return self._reads.known_addresses(consumer, list(addresses), before_ms)

    def was_refused(self, entity_type: str, key: Key, from_ms: int, before_ms: int) -> bool:
        """Whether there was a refusal in a span."""
        return self._reads.was_refused(entity_type, key, from_ms, before_ms)


def _make_room(held: dict[tuple[str, Key, int], Any]) -> None:
    if len(held) >= MOST_REMEMBERED:
        held.clear()
