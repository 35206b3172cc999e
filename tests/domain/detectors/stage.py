"""A stage on which detectors are tried: traffic in event time, names that are ids, a scripted past."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from domain.changes import Change
from domain.detectors import DETECTORS
from domain.detectors.findings import Finding, Sample
from domain.detectors.ledger import Ledger
from domain.detectors.scene import Scene
from domain.detectors.tracks import Key, Outcome
from domain.limits import Limit

START_MS = 1_800_000_000_000
"""A full minute, hour and, on purpose, not a full day."""
SLOT_S = 10


class Words:
    """Names that stand for themselves."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.limits: dict[int, Limit] = {}

    def key(self, name: str | None) -> int:
        """The number of a name, 0 for none."""
        return 0 if name is None else self.keys.setdefault(name, len(self.keys) + 100)

    def limit_key(self, limit: Limit | None) -> int:
        """The number of a limit, 0 for none."""
        if limit is None:
            return 0
        key = self.key(f"limit {limit.name} {limit.value} {limit.window_s}")
        self.limits[key] = limit
        return key

    def id_of(self, key: Key) -> str:
        """The name."""
        return self._word(key)

    def label_of(self, key: Key) -> str:
        """The name."""
        return self._word(key)

    def limit(self, key: Key) -> Limit | None:
        """As it was added."""
        return self.limits.get(key) if isinstance(key, int) else None

    def key_of(self, _entity_type: str, entity_id: str) -> Key | None:
        """None when it was not on stage."""
        return self.keys.get(entity_id)

    def name(self, _entity_type: str, entity_id: str) -> str | None:
        """The id."""
        return entity_id

    def _word(self, key: Key) -> str:
        return next((name for name, found in self.keys.items() if found == key), str(key))


@dataclasses.dataclass
class ScriptedPast:
    """Answers what it was told to."""

    hours: Sequence[tuple[int, int, int]] = ()
    quarter_counts: Sequence[int] = ()
    known: frozenset[str] = frozenset()
    refused_before: bool = False

    def hourly(self, _entity_type: str, _key: Key, _before_ms: int) -> Sequence[tuple[int, int, int]]:
        """As scripted."""
        return self.hours

    def quarters(self, _entity_type: str, _key: Key, _before_ms: int) -> Sequence[int]:
        """As scripted."""
        return self.quarter_counts

    def known_addresses(self, _consumer: Key, addresses: Iterable[str], _before_ms: int) -> frozenset[str]:
        """As scripted."""
        return self.known & frozenset(addresses)

    def was_refused(self, _entity_type: str, _key: Key, _from_ms: int, _before_ms: int) -> bool:
        """As scripted."""
        return self.refused_before


MINUTE = Limit(name="minute", value=60, window_s=60)


class Stage:
    """Traffic goes in with `add`, in seconds since the start; findings come out of `see`."""

    def __init__(self, began_s: float = -3600.0) -> None:
        self.words = Words()
        self.ledger = Ledger(SLOT_S * 1000)
        self.past = ScriptedPast()
        self.changes: list[Change] = []
        self.more: dict[str, Any] = {}
        self._began_ms = START_MS + round(began_s * 1000)
        self._seq = itertools.count(1)

    def add(
        self,
        at_s: float,
        n: int = 1,
        *,
        consumer: str | None = None,
        ip: str | None = "192.0.2.1",
        route: str | None = "orders.read",
        service: str | None = "orders",
        limit: Limit | None = None,
        refused: bool = False,
        aside: bool = False,
        unauthorized: bool = False,
        failed: bool = False,
    ) -> None:
        """Count `n` requests that came at a moment; of refusals told `aside` the requests are not counted."""
        outcome = Outcome.PASSED
        if refused:
            outcome = Outcome.REFUSED_ASIDE if aside else Outcome.REFUSED
        elif unauthorized:
            outcome = Outcome.UNAUTHORIZED
        elif failed:
            outcome = Outcome.FAILED
        row = (
            self.words.key(consumer),
            ip,
            self.words.key(service),
            self.words.key(route),
            self.words.limit_key(limit or (MINUTE if refused else None)),
            int(outcome),
            n,
        )
        self.ledger.add(self.ledger.slot_of(START_MS + round(at_s * 1000)), [row])

    def every(self, from_s: float, to_s: float, n: int, step_s: float = SLOT_S, **who: Any) -> None:
        """The same again and again, `n` per step."""
        at_s = from_s
        while at_s < to_s:
            self.add(at_s, n, **who)
            at_s += step_s

    def change(self, at_s: float, entity_type: str, operation: str, **fields: Any) -> Change:
        """Something was changed."""
        entity = fields.get("after") or fields.get("before") or {}
        found = Change(
            seq=next(self._seq),
            at_ms=START_MS + round(at_s * 1000),
            entity_type=entity_type,
            entity_id=entity.get("id"),
            entity_name=entity.get("name"),
            operation=operation,
            **fields,
        )
        self.changes.append(found)
        return found

    def scene(self, at_s: float) -> Scene:
        """The instant."""
        return Scene(
            now_ms=START_MS + round(at_s * 1000),
            began_ms=self._began_ms,
            ledger=self.ledger,
            names=self.words,
            past=self.past,
            changes=[c for c in self.changes if c.at_ms < START_MS + at_s * 1000],
            **self.more,
        )

    def see(
        self, detector: str, at_s: float, samples: Sequence[Sample] = (), **values: float
    ) -> list[Finding]:
        """What a detector says at an instant."""
        found = DETECTORS[detector]
        scene = self.scene(at_s)
        findings = [f for f in found.detect(scene, {**found.defaults(), **values}) if f is not None]
        if found.refine is None:
            return findings
        refined = [found.refine(f, samples) if f.wants_sample else f for f in findings]
        return [f for f in refined if f is not None]


def plugin(name: str = "rate-limiting", *, enabled: bool = True, **config: Any) -> dict[str, Any]:
    """A plugin of Kong's on the service orders."""
    return {
        "id": f"plugin-{name}",
        "name": name,
        "enabled": enabled,
        "service": {"id": "orders"},
        "config": config,
    }
