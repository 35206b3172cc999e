"""One instant after the other: what came is folded, every rule looks, and incidents move.

Event time throughout: the same history gives the same incidents, live or played, late data aside.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from alerting.knowledge import StoredNames, StoredPast
from alerting.surroundings import DAY_MS, Nodes, Surroundings
from domain.blocks import Block, Blocked
from domain.detectors import DETECTORS
from domain.detectors.findings import Finding, Sample
from domain.detectors.ledger import Ledger
from domain.detectors.scene import Quiet, Scene
from domain.incident_flow import Desk, Move, Seen
from domain.rules import Rule
from domain.silences import Silence
from storage.alert_reads import AlertReads
from storage.reading.alert_feed import CellRow, RareEvent

log = logging.getLogger("gatewatch.alerting")

DEAD_AFTER_MS = 120_000
"""Nothing for two minutes where something came all the time: the feed is dead, not the gateway calm."""
STEADY_GAP_MS = 20_000
SAMPLE_EVERY_MS = 30_000
SAMPLE_SIZE = 50
MOST_SAMPLES = 2_000
MOST_FINDINGS = 120
"""Of one rule at a look, the longest known first: more than it may open. Wording 2,000 took 100 ms."""
SAMPLES_PER_LOOK = 20
"""Each is a read of a few milliseconds; what waits for one is told one look later."""


class Look:
    """An instant that is being looked at: what was seen so far, and the rest of it."""

    __slots__ = ("rest", "scene", "seen")

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.seen: list[Seen] = []
        self.rest: Iterator[Seen | None] = iter(())


class Evaluator:
    """Rules over a store.

    Args:
        reads: Where names, the past and samples come from.
        rules: Those that are enabled are evaluated; all are known.
        desk: The incidents so far.
        slot_ms: Length of a slot of the ledger.
        began_ms: Since when history is known at all.
    """

    def __init__(
        self, reads: AlertReads, rules: Iterable[Rule], desk: Desk, slot_ms: int, began_ms: int
    ) -> None:
        self.ledger = Ledger(slot_ms)
        self.surroundings = Surroundings(reads)
        self.desk = desk
        self.began_ms = began_ms
        self.rules: Mapping[str, Rule] = {}
        self.failures: dict[str, str] = {}
        """Rule -> what went wrong in it last."""
        self.seconds: dict[str, float] = {}
        """Detector -> seconds spent in it since the start."""
        self.fired: list[Seen] = []
        """What was seen at the last instant."""
        self._reads = reads
        self._names = StoredNames(reads)
        self._past = StoredPast(reads)
        self._nodes = Nodes(reads)
        self._values: dict[str, dict[str, float]] = {}
        self._samples: dict[tuple[str, str, str], tuple[int, Sequence[Sample]]] = {}
        self._kept: dict[str, tuple[int, list[Seen]]] = {}
        self._reads_left = 0
        self._look: Look | None = None
        self._heard_ms: int | None = None
        self._gap_ms = float(slot_ms)
        self.gaps: Sequence[tuple[int, int]] = ()
        self.blocks: Sequence[Block] = ()
        """Our own, those that are over too."""
        self.quiet: Sequence[Quiet] = ()
        self.beat_ms: int | None = None
        """The newest sign of life of a connected stream, where there is one."""
        self.set_rules(rules)
        self.renew()

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Use these rules from now on."""
        self.rules = {rule.id: rule for rule in rules}
        self._values = {rule.id: rule.all_values() for rule in self.rules.values()}
        self._kept.clear()
        self._look = None

    def renew(self) -> None:
        """Names, limits and nodes may have changed: read them again."""
        self._names.renew()
        self._nodes.renew()
        self.surroundings.renew()

    # ---- filling

    def fold(self, slot: int, rows: Iterable[CellRow]) -> None:
        """Count rows of a slot."""
        self.ledger.add(slot, (row[1:] for row in rows))
        self.heard(self.ledger.start_ms(slot) + self.ledger.slot_ms)

    def take(self, events: Sequence[RareEvent]) -> None:
        """Take in changes, health and invalidations, in order of time."""
        self.surroundings.take(events)
        if events:
            self.heard(max(event.at_ms for event in events))
        if any(event.kind == 4 for event in events):  # noqa: PLR2004 - crud
            self._names.renew()

    def heard(self, at_ms: int) -> None:
        """Something came that is of this time."""
        if self._heard_ms is not None and at_ms > self._heard_ms:
            self._gap_ms += (min(at_ms - self._heard_ms, 600_000) - self._gap_ms) / 20
        self._heard_ms = max(at_ms, self._heard_ms or at_ms)

    # ---- looking

    def is_feed_dead(self, now_ms: int) -> bool:
        """Whether nothing arrives where something came all the time."""
        heard_ms = max(self._heard_ms or 0, self.beat_ms or 0)
        if not heard_ms:
            return False
        return now_ms - heard_ms > DEAD_AFTER_MS and self._gap_ms <= max(STEADY_GAP_MS, self.ledger.slot_ms)

    def scene(self, now_ms: int) -> Scene:
        """The instant as detectors see it."""
        around = self.surroundings
        around.forget_before(now_ms - DAY_MS)
        return Scene(
            now_ms=now_ms,
            began_ms=self.began_ms,
            ledger=self.ledger,
            names=self._names,
            past=self._past,
            changes=[c for c in around.changes if c.at_ms < now_ms],
            health=[h for h in around.health if h.at_ms < now_ms],
            targets=around.targets(now_ms),
            quiet=self.quiet,
            nodes=self._nodes.at(now_ms),
            invalidations=around.invalidations(now_ms),
            gaps=self.gaps,
            own_blocks=Blocked(self.blocks, now_ms),
            is_feed_dead=self.is_feed_dead(now_ms),
        )

    def tick(self, now_ms: int, silences: Sequence[Silence] = ()) -> list[Move]:
        """Look at an instant; returns what moved."""
        self.begin(now_ms)
        while not self.go_on(math.inf):
            pass
        return self.finish(silences)

    def begin(self, now_ms: int) -> None:
        """Begin to look at an instant; one that was begun before is given up."""
        self._reads_left = SAMPLES_PER_LOOK
        self._look = Look(self.scene(now_ms))
        self._look.rest = self._rest(self._look.scene)

    def go_on(self, budget_s: float) -> bool:
        """Look on for about so long; True when everything has been looked at."""
        look = self._look
        if look is None:
            return True
        until_s = time.perf_counter() + budget_s
        for seen in look.rest:
            if seen is not None:
                look.seen.append(seen)
            if time.perf_counter() >= until_s:
                return False
        return True

    def finish(self, silences: Sequence[Silence] = ()) -> list[Move]:
        """Move incidents by what was seen since `begin`; returns what moved."""
        look, self._look = self._look, None
        if look is None:
            return []
        self.fired = look.seen
        scene = look.scene
        return self.desk.tick(scene.now_ms, look.seen, self.rules, silences, is_feed_dead=scene.is_feed_dead)

    @property
    def looking_at_ms(self) -> int | None:
        """The instant of a look that was begun and not finished."""
        return None if self._look is None else self._look.scene.now_ms

    def _rest(self, scene: Scene) -> Iterator[Seen | None]:
        """What every rule sees; None where the look may pause."""
        for rule in tuple(self.rules.values()):
            if not rule.enabled:
                continue
            found = self._seen_by(rule, scene)
            while True:
                started_s = time.perf_counter()
                try:
                    seen = next(found)
                except StopIteration:
                    self.failures.pop(rule.id, None)
                    break
                except Exception as error:
                    if rule.id not in self.failures:
                        log.exception("rule %s failed; the others go on", rule.id)
                    self.failures[rule.id] = f"{type(error).__name__}: {error}"[:300]
                    break
                finally:
                    spent_s = time.perf_counter() - started_s
                    self.seconds[rule.detector] = self.seconds.get(rule.detector, 0.0) + spent_s
                yield seen
            yield None

    def _seen_by(self, rule: Rule, scene: Scene) -> Iterator[Seen | None]:
        """What a rule sees; what rests on slots is looked at once per slot."""
        held = self._kept.get(rule.id)
        if held is not None and held[0] == scene.slot and DETECTORS[rule.detector].is_by_slot:
            yield from held[1]
            return
        found: list[Seen] = []
        for seen in self._one(rule, scene):
            if seen is not None:
                found.append(seen)
            yield seen
            if len(found) >= MOST_FINDINGS:
                break
        self._kept[rule.id] = (scene.slot, found)

    def _one(self, rule: Rule, scene: Scene) -> Iterator[Seen | None]:
        detector = DETECTORS[rule.detector]
        for finding in detector.detect(scene, self._values[rule.id]):
            if finding is None:
                yield None
                continue
            if not rule.applies_to(finding):
                continue
            refined: Finding | None = finding
            if finding.wants_sample and detector.refine is not None:
                samples = self._sample(finding)
                refined = None if samples is None else detector.refine(finding, samples)
            if refined is not None:
                yield Seen(rule, refined)

    def _sample(self, finding: Finding) -> Sequence[Sample] | None:
        """Refusals behind a finding; None when this look has read enough."""
        place = (finding.detector, finding.entity_type.value, finding.entity_id)
        held = self._samples.get(place)
        if held is not None and 0 <= finding.to_ms - held[0] < SAMPLE_EVERY_MS:
            inside = [s for s in held[1] if finding.from_ms <= s.at_ms < finding.to_ms]
            if len(inside) == len(held[1]):
                return inside
        if self._reads_left <= 0:
            return None
        self._reads_left -= 1
        if len(self._samples) >= MOST_SAMPLES:
            self._samples.clear()
        rows = self._reads.sample(*place[1:], finding.from_ms, finding.to_ms, SAMPLE_SIZE)
        found = [
            Sample(
                seq=row.seq,
                at_ms=row.at_ms,
                status=row.status,
                retry_after_s=row.retry_after_s,
                has_limit_headers=row.has_limit_headers,
            )
            for row in rows
        ]
        self._samples[place] = (finding.to_ms, found)
        return found
