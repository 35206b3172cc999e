"""A defence was weakened: a limit raised, a plugin switched off or removed, a restriction widened.

What became weaker is decided where changes are judged (`domain.change_risks`). Here it is decided whether
it is worth waking somebody: not when it is undone within half a minute, when it only puts back what was
there before, or when what was defended was taken down with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.change_risks import Flag, Risk, flags_of
from domain.changes import Change, Operation, limits_before_and_after, scope_of
from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import EntityType, Finding, Severity
from domain.detectors.scene import Scene
from domain.detectors.words import span

NAME = "defence_weakened"
DISMANTLED_MS = 30_000
_SEVERE = {
    Risk.LIMIT_REMOVED, Risk.AUTHENTICATION_REMOVED, Risk.AUTHENTICATION_WEAKENED, Risk.RESTRICTION_WIDENED,
    Risk.LOGGING_REMOVED,
}  # fmt: skip
_IGNORED = {Risk.CREDENTIAL_ADDED}
"""Adding a credential is daily business; `domain.change_risks` flags it for the page of changes."""


def detect(scene: Scene, values: Values) -> Iterator[Finding]:
    """Every weakening change that still stands, for as long as it is news."""
    news_ms, stand_ms = round(1000 * values["news_s"]), round(1000 * values["stand_s"])
    for place, change in enumerate(scene.changes):
        if not scene.now_ms - news_ms < change.at_ms <= scene.now_ms - stand_ms:
            continue
        flags = [f for f in flags_of(change, scene.names.name) if f.risk not in _IGNORED]
        if not flags:
            continue
        later = scene.changes[place + 1 :]
        undone = next((c for c in later if _is_undone_by(change, c)), None)
        if undone is not None and undone.at_ms - change.at_ms <= stand_ms:
            yield _finding(scene, change, flags, Severity.INFORMATION, _undone_words(change, undone))
        elif undone is not None:
            continue
        elif _is_dismantled(change, scene.changes):
            yield _finding(
                scene, change, flags, Severity.INFORMATION, "; what it defended was removed with it"
            )
        elif _is_restored(change, scene.changes[:place]):
            yield _finding(scene, change, flags, Severity.INFORMATION, "; that is what it was before")
        else:
            severe = any(f.risk in _SEVERE for f in flags) or _factor(change) >= values["severe_factor"]
            yield _finding(scene, change, flags, Severity.HIGH if severe else Severity.NOTICE, "")


def _is_undone_by(change: Change, later: Change) -> bool:
    """Whether a later change of the same entity brings it back to what it was, or stricter."""
    if (later.entity_type, later.entity_id) != (change.entity_type, change.entity_id):
        return False
    if change.before is None or later.after is None:
        return False
    if _is_on(change.before) and not _is_on(change.after):
        return _is_on(later.after)
    was, now = limits_before_and_after(change)[0], limits_before_and_after(later)[1]
    held = {limit.name: limit.value or 0 for limit in now}
    return bool(was) and all(limit.name in held and held[limit.name] <= (limit.value or 0) for limit in was)


def _is_on(entity: object) -> bool:
    return isinstance(entity, dict) and entity.get("enabled") is not False


def _undone_words(change: Change, undone: Change) -> str:
    return f"; undone {span((undone.at_ms - change.at_ms) / 1000)} later"


def _is_dismantled(change: Change, changes: Sequence[Change]) -> bool:
    """Whether the service, route or consumer it applied to went at about the same time."""
    scope = scope_of(change)
    owners = {scope.service_id, scope.route_id, scope.consumer_id} - {None}
    return any(
        c.operation == Operation.DELETE
        and c.entity_type in {"services", "routes", "consumers"}
        and c.entity_id in owners
        and abs(c.at_ms - change.at_ms) <= DISMANTLED_MS
        for c in changes
    )


def _is_restored(change: Change, earlier: Sequence[Change]) -> bool:
    """Whether its limits go back to what an earlier change of the day took away."""
    now = {limit.name: limit.value or 0 for limit in limits_before_and_after(change)[1]}
    if not now:
        return False
    for before in earlier:
        if (before.entity_type, before.entity_id) != (change.entity_type, change.entity_id):
            continue
        was = {limit.name: limit.value or 0 for limit in limits_before_and_after(before)[0]}
        if was and now.keys() == was.keys() and all(now[name] <= was[name] for name in now):
            return True
    return False


def _factor(change: Change) -> float:
    """How many times as much is let through, at most."""
    before, after = limits_before_and_after(change)
    held = {limit.name: limit.value or 0 for limit in before}
    return max(
        ((limit.value or 0) / held[limit.name] for limit in after if held.get(limit.name)), default=1.0
    )


def _finding(scene: Scene, change: Change, flags: Sequence[Flag], severity: Severity, more: str) -> Finding:
    by = f" by {change.actor}" if change.actor else ""
    entity_id = change.entity_id or f"change {change.seq}"
    return Finding(
        detector=NAME,
        shape=flags[0].risk.value.replace(" ", "_"),
        severity=severity,
        entity_type=EntityType.PLUGIN if change.entity_type == "plugins" else _entity_type(change),
        entity_id=entity_id,
        entity=flags[0].sentence.partition(":")[0] if change.entity_name is None else change.entity_name,
        from_ms=change.at_ms,
        to_ms=scene.now_ms,
        count=1,
        why="; ".join(flag.sentence for flag in flags) + by + more,
        facts={"change_seq": change.seq, "risks": [f.risk.value for f in flags]},
    )


def _entity_type(change: Change) -> EntityType:
    known = {"services": EntityType.SERVICE, "routes": EntityType.ROUTE, "consumers": EntityType.CONSUMER}
    return known.get(change.entity_type, EntityType.EVERYTHING)


DETECTOR = Detector(
    name=NAME,
    title="defence weakened",
    what="a limit was raised, or a defending plugin switched off, removed or widened, and it stands",
    detect=detect,
    delay_s=45,
    is_by_slot=False,
    parameters=(
        number("stand_s", 30, (0, 3600), "seconds", "how long it must stand before it is told"),
        number("news_s", 3600, (60, 86_400), "seconds", "how long it is news"),
        number("severe_factor", 5, (1.1, 1000), "times", "a limit raised so many times is high"),
    ),
    owasp=("API8:2023",),
    attack=("T1562", "T1562.008"),
    false_positives=("a planned change: have it approved under Changes, which lowers this to a notice",),
    guide=(
        "Open the change: who made it, and was it approved?",
        "Not planned? Propose its rollback on the page of changes; it needs a second person.",
        "Look at what came through since: refusals of that service before and after.",
    ),
)
