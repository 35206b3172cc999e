"""From what detectors see at each instant to incidents that open, grow, go quiet and come back.

Nothing resolves because nothing was heard: while the feed is dead, what is open becomes unknown. What a
person closed stays closed until it was away, or is worse. What keeps coming back is given longer to go
quiet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from domain.detectors.findings import Finding, Severity
from domain.detectors.words import span
from domain.incidents import Act, Incident, State, fingerprint, may, next_state
from domain.inhibition import explained_by
from domain.rules import Rule
from domain.silences import Silence, active_for

AWAY_MS = 15 * 60_000
"""What a person closed counts as gone when it was not seen for so long."""
WORSE = 2
"""Twice as many as when it was closed is worse."""
DAMPING_MOST = 3
LONGEST_QUIET_S = 3_600
MOST_PER_RULE = 100
"""Incidents of one rule at a time; what is beyond is counted and said, so that a flood stays readable."""
INDEPENDENT = frozenset({"absence"})
"""Detectors that do not rest on the feed they watch."""


class What(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    UPDATED = "updated"
    """Seen again: nothing that anybody must hear of."""
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    LOST_FEED = "feed lost"
    REGAINED_FEED = "feed back"
    SILENCED = "silenced"
    UNSILENCED = "silence over"


class Move(NamedTuple):
    """One incident moved: how it was, how it is."""

    what: What
    at_ms: int
    before: Incident | None
    after: Incident


class Seen(NamedTuple):
    """A finding and the rule that made it."""

    rule: Rule
    finding: Finding

    @property
    def fingerprint(self) -> str:
        """Of the incident it belongs to."""
        return fingerprint(self.rule.id, self.finding.entity_type.value, self.finding.entity_id)


class Desk:
    """All incidents that matter now.

    Args:
        incidents: Those that are not over, and those that ended within the last hours.
    """

    def __init__(self, incidents: Iterable[Incident] = ()) -> None:
        self.live: dict[str, Incident] = {}
        self.past: dict[str, Incident] = {}
        self._findings: dict[str, Finding] = {}
        self._pending: dict[str, int] = {}
        self._per_rule: Counter[str] = Counter()
        self.left_out: dict[str, int] = {}
        """Rule -> how many more it would have opened at the last instant."""
        for incident in incidents:
            self.adopt(incident)

    def adopt(self, incident: Incident) -> None:
        """Take over how an incident stands, such as after a person moved it."""
        if incident.is_live:
            self.live[incident.fingerprint] = incident
            self.past.pop(incident.fingerprint, None)
        else:
            self.live.pop(incident.fingerprint, None)
            self.past[incident.fingerprint] = incident

    def go_on_from(self, other: Desk) -> None:
        """Take over what another one saw last: it explains what would open incidents of its own."""
        self._findings |= other._findings

    def tick(
        self,
        now_ms: int,
        seen: Sequence[Seen],
        rules: Mapping[str, Rule],
        silences: Sequence[Silence] = (),
        *,
        is_feed_dead: bool = False,
    ) -> list[Move]:
        """One instant passes; returns what moved, in order."""
        moves = list(self._feed(now_ms, is_feed_dead))
        self.left_out = {}
        self._per_rule = Counter(incident.rule for incident in self.live.values())
        found = {s.fingerprint: s for s in seen}
        told = self._unmuted(found)
        for print_, muted_by in told.items():
            item = found[print_]
            if muted_by is not None:
                moves += self._mute(now_ms, item, muted_by, found)
            else:
                moves += self._see(now_ms, item, silences)
        for print_ in [p for p in self._pending if p not in found]:
            del self._pending[print_]
        moves += self._rest(now_ms, set(told), rules, silences, is_feed_dead=is_feed_dead)
        self._forget(now_ms, rules)
        return moves

    # ---- what is seen

    def _unmuted(self, found: Mapping[str, Seen]) -> dict[str, str | None]:
        """Fingerprint -> the fingerprint of what explains it, or None."""
        now = {print_: item.finding for print_, item in found.items()}
        others = {**{p: f for p, f in self._findings.items() if p in self.live}, **now}
        by_finding = {id(finding): print_ for print_, finding in others.items()}
        told: dict[str, str | None] = {}
        for print_, finding in now.items():
            by = explained_by(finding, others.values())
            told[print_] = None if by is None else by_finding[id(by)]
        return told

    def _mute(self, now_ms: int, item: Seen, by: str, found: Mapping[str, Seen]) -> Iterator[Move]:
        """Count it on the incident that explains it; one about the very same entity becomes part of it."""
        self._pending.pop(item.fingerprint, None)
        print_ = item.fingerprint
        held = self.live.get(print_)
        reason = by in found or by in self.live
        cause = found[by].finding if by in found else self._findings.get(by)
        same = cause is not None and (cause.entity_type, cause.entity_id) == (
            item.finding.entity_type,
            item.finding.entity_id,
        )
        if held is None or not reason:
            self._count_muted(by)
            return
        if same and by in self.live and may(held.state, Act.RESOLVE):
            after = self._resolved(held, now_ms, f"part of: {self.live[by].why}"[:500])
            yield self._move(What.RESOLVED, now_ms, held, after)
            self._count_muted(by)
        elif held is not None:
            yield from self._grow(now_ms, held, item)

    def _count_muted(self, by: str) -> None:
        held = self.live.get(by)
        if held is not None:
            self.live[by] = msgspec.structs.replace(held, muted=held.muted + 1)

    def _see(self, now_ms: int, item: Seen, silences: Sequence[Silence]) -> Iterator[Move]:
        print_ = item.fingerprint
        held = self.live.get(print_)
        if held is not None:
            self._findings[print_] = item.finding
            yield from self._grow(now_ms, held, item)
            return
        if self._per_rule[item.rule.id] >= MOST_PER_RULE:
            self.left_out[item.rule.id] = self.left_out.get(item.rule.id, 0) + 1
            return
        since = self._pending.setdefault(print_, now_ms)
        if now_ms - since < 1000 * item.rule.hold_s:
            return
        del self._pending[print_]
        self._findings[print_] = item.finding
        self._per_rule[item.rule.id] += 1
        yield from self._open(now_ms, item, silences)

    def _open(self, now_ms: int, item: Seen, silences: Sequence[Silence]) -> Iterator[Move]:
        old, fresh = self.past.get(item.fingerprint), _incident(now_ms, item)
        if old is not None and old.closed_by is not None and not _is_news(old, fresh, now_ms):
            self.past[item.fingerprint] = msgspec.structs.replace(old, last_ms=now_ms)
            return
        if old is None or now_ms - (old.resolved_ms or 0) > 1000 * item.rule.reopen_s:
            what, before, after = What.OPENED, None, fresh
        else:
            what, before = What.REOPENED, old
            after = msgspec.structs.replace(
                fresh,
                opened_ms=old.opened_ms,
                assignee=old.assignee,
                muted=old.muted,
                reopened=old.reopened + 1,
                state=next_state(old.state, Act.REOPEN),
            )
        silence = active_for(silences, after, now_ms)
        if silence is not None:
            after = msgspec.structs.replace(after, state=State.SILENCED, reason=_quiet_words(silence))
        yield self._move(what, now_ms, before, after)

    def _grow(self, now_ms: int, held: Incident, item: Seen) -> Iterator[Move]:
        finding, severity = item.finding, item.rule.severity_of(item.finding)
        is_apart = finding.from_ms >= held.last_ms
        worse = severity.rank < held.severity.rank
        after = msgspec.structs.replace(
            held,
            last_ms=now_ms,
            count=held.count + finding.count if is_apart else max(held.count, finding.count),
            why=finding.why,
            shape=finding.shape,
            severity=severity if worse else held.severity,
            covers=held.covers | finding.covers,
            actors=finding.actors or held.actors,
            facts=finding.facts,
            entity=finding.entity,
        )
        if worse and may(held.state, Act.ESCALATE):
            after = msgspec.structs.replace(after, state=next_state(held.state, Act.ESCALATE))
            yield self._move(What.ESCALATED, now_ms, held, after)
        else:
            yield self._move(What.UPDATED, now_ms, held, after)

    # ---- what is not seen

    def _feed(self, now_ms: int, is_dead: bool) -> Iterator[Move]:  # noqa: FBT001 - passed on
        for held in list(self.live.values()):
            if held.detector in INDEPENDENT:
                continue
            if is_dead and may(held.state, Act.LOSE_FEED):
                after = msgspec.structs.replace(
                    held,
                    state=next_state(held.state, Act.LOSE_FEED),
                    before=held.state,
                    reason="nothing arrives: whether it goes on is not known",
                )
                yield self._move(What.LOST_FEED, now_ms, held, after)
            elif not is_dead and held.state is State.UNKNOWN:
                state = next_state(held.state, Act.REGAIN_FEED, held.before)
                after = msgspec.structs.replace(held, state=state, before=None, reason="", last_ms=now_ms)
                yield self._move(What.REGAINED_FEED, now_ms, held, after)

    def _rest(
        self,
        now_ms: int,
        told: set[str],
        rules: Mapping[str, Rule],
        silences: Sequence[Silence],
        *,
        is_feed_dead: bool,
    ) -> Iterator[Move]:
        for print_, held in list(self.live.items()):
            rule = rules.get(held.rule)
            if print_ not in told and not (is_feed_dead and held.detector not in INDEPENDENT):
                quiet_s = _quiet_s(rule, held)
                if rule is None or not rule.enabled:
                    after = self._resolved(held, now_ms, "its rule was switched off")
                elif now_ms - held.last_ms >= 1000 * quiet_s:
                    after = self._resolved(held, now_ms, f"not seen for {span(quiet_s)}")
                else:
                    after = held
                if after is not held:
                    yield self._move(What.RESOLVED, now_ms, held, after)
                    continue
            yield from self._silences(now_ms, self.live[print_], silences)

    def _silences(self, now_ms: int, held: Incident, silences: Sequence[Silence]) -> Iterator[Move]:
        silence = active_for(silences, held, now_ms)
        if silence is not None and held.state is State.OPEN:
            state = next_state(held.state, Act.SILENCE)
            after = msgspec.structs.replace(held, state=state, reason=_quiet_words(silence))
            yield self._move(What.SILENCED, now_ms, held, after)
        elif silence is None and held.state is State.SILENCED:
            state = next_state(held.state, Act.END_SILENCE)
            after = msgspec.structs.replace(held, state=state, reason="")
            yield self._move(What.UNSILENCED, now_ms, held, after)

    @staticmethod
    def _resolved(held: Incident, now_ms: int, reason: str) -> Incident:
        return msgspec.structs.replace(
            held, state=next_state(held.state, Act.RESOLVE), resolved_ms=now_ms, reason=reason
        )

    def _move(self, what: What, now_ms: int, before: Incident | None, after: Incident) -> Move:
        if after.is_live:
            self.live[after.fingerprint] = after
            self.past.pop(after.fingerprint, None)
        else:
            self.live.pop(after.fingerprint, None)
            self._findings.pop(after.fingerprint, None)
            self.past[after.fingerprint] = after
        return Move(what, now_ms, before, after)

    def _forget(self, now_ms: int, rules: Mapping[str, Rule]) -> None:
        for print_, old in list(self.past.items()):
            rule = rules.get(old.rule)
            keep_ms = 1000 * (rule.reopen_s if rule else 0)
            if now_ms - max(old.resolved_ms or 0, old.last_ms) > max(keep_ms, AWAY_MS):
                del self.past[print_]


def _incident(now_ms: int, item: Seen) -> Incident:
    finding = item.finding
    return Incident(
        fingerprint=item.fingerprint,
        rule=item.rule.id,
        detector=finding.detector,
        shape=finding.shape,
        severity=item.rule.severity_of(finding),
        entity_type=finding.entity_type.value,
        entity_id=finding.entity_id,
        entity=finding.entity,
        opened_ms=now_ms,
        from_ms=finding.from_ms,
        last_ms=now_ms,
        count=finding.count,
        why=finding.why,
        actors=finding.actors,
        covers=finding.covers,
        team=item.rule.team,
        facts=finding.facts,
    )


def _is_news(old: Incident, fresh: Incident, now_ms: int) -> bool:
    """Whether what a person closed should come back."""
    return (
        now_ms - old.last_ms > AWAY_MS
        or fresh.severity.rank < old.severity.rank
        or fresh.count >= WORSE * max(1, old.count)
    )


def _quiet_s(rule: Rule | None, held: Incident) -> int:
    """What came back before must be quiet for longer, so that it does not ring at every turn."""
    base = rule.quiet_s if rule is not None else 0
    if base >= LONGEST_QUIET_S:
        return base
    return min(LONGEST_QUIET_S, base << min(held.reopened, DAMPING_MOST))


def _quiet_words(silence: Silence) -> str:
    return f"{silence.kind} by {silence.author}: {silence.reason}"


def is_worth_telling(move: Move, from_severity: Severity = Severity.NOTICE) -> bool:
    """Whether people are told of a move at all."""
    if not move.after.severity.at_least(from_severity) or move.what is What.UPDATED:
        return False
    if move.after.state is State.SILENCED or move.what in {What.SILENCED, What.REGAINED_FEED}:
        return False
    if move.what is What.RESOLVED:
        return move.before is not None and move.before.state is not State.SILENCED
    return True
