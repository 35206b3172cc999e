"""How somebody runs into limits: a burst that is over, many small ones, or on and on.

A burst is most of the refusals in a short span, with the requests themselves gone quiet afterwards. Quiet
refusals alone would not do: at the turn of a limit's window they stop although the client goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import Finding, Sample, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import PAUSE_EVERY, Subject, from_where, refusals_by_slot, refused_subjects
from domain.detectors.tracks import REFUSED
from domain.detectors.words import limit_words, span, times

NAME = "burst_or_sustained"
LOOK_BACK_S = 180
MICRO_WINDOW_S = 2
"""Limits per second: what runs into them is a burst of less than a second or two."""
MICRO_SHARE = 0.8
BURST_SHARE = 0.8
"""A burst holds so much of the refusals of the last three minutes."""
QUIET_SHARE = 0.2
"""Requests below this part of the peak are no longer the burst."""
CONSUMER_PATIENCE = 4
"""A consumer has an owner, and mostly there is more to say about it: that it asks in a loop, or is no longer
alone with its key. An address without a consumer is told of in a quarter of the time, at as many refusals."""
HIDDEN_SHARE = 0.8
TOO_MANY_REQUESTS = 429


def detect(scene: Scene, values: Values) -> Iterator[Finding | None]:
    """Subjects whose refusals have one of the three shapes."""
    least = min(values["burst"], values["micro_total"], values["sustained"])
    for place, subject in enumerate(refused_subjects(scene, LOOK_BACK_S, least)):
        if not place % PAUSE_EVERY:
            yield None
        found = _micro(scene, values, subject) or _burst(scene, values, subject)
        found = found or _sustained(scene, values, subject)
        if found is not None:
            yield found


def _micro(scene: Scene, values: Values, subject: Subject) -> Finding | None:
    slots = scene.ledger.slots_in(values["micro_over_s"])
    first = scene.slot - slots + 1
    found: dict[int, int] = {}
    limit = None
    for key, by_slot in subject.track.limits.items():
        known = scene.names.limit(key)
        if known is None or known.window_s is None or known.window_s > MICRO_WINDOW_S:
            continue
        limit = known
        for slot, n in by_slot.items():
            if slot >= first:
                found[slot] = found.get(slot, 0) + n
    total = sum(found.values())
    hit = sum(1 for n in found.values() if n >= values["micro_per_slot"])
    recent = sum(refusals_by_slot(subject, first, scene.slot))
    if total < values["micro_total"] or hit < values["micro_slots"] or total < MICRO_SHARE * recent:
        return None
    why = (
        f"{subject.entity} ran into its limit per second in {hit} of the last {slots} spans of"
        f" {span(scene.ledger.slot_ms / 1000)}: refused {times(total)}{limit_words(limit)}"
        f"{scene.place(subject.track)}, {from_where(scene, subject)}"
    )
    return _finding(
        scene, subject, "micro_bursts_second_window", Severity.NOTICE, total, why, values["micro_over_s"],
        slots_hit=hit,
    )  # fmt: skip


def _burst(scene: Scene, values: Values, subject: Subject) -> Finding | None:
    first = scene.first_slot(LOOK_BACK_S)
    refused = refusals_by_slot(subject, first, scene.slot)
    # some refusals are told of without the request: whoever was refused had asked
    requests = [max(pair) for pair in zip(subject.track.series(first, scene.slot), refused, strict=True)]
    peak = max(range(len(refused)), key=refused.__getitem__)
    top = requests[peak]
    if requests[-1] > QUIET_SHARE * top:
        return None
    start = end = peak
    while start > 0 and requests[start - 1] > QUIET_SHARE * top:
        start -= 1
    while requests[end + 1] > QUIET_SHARE * top:
        end += 1
    length_s = (end - start + 1) * scene.ledger.slot_ms / 1000
    inside, asked = sum(refused[start : end + 1]), sum(requests[start : end + 1])
    is_short = length_s <= max(values["burst_s"], scene.ledger.slot_ms / 1000)
    if not is_short or inside < values["burst"] or inside < BURST_SHARE * sum(refused):
        return None
    if (len(refused) - 1 - end) * scene.ledger.slot_ms > values["fresh_s"] * 1000:
        return None
    shape = "single_consumer_burst"
    if not subject.is_consumer:
        shape = "single_ip_burst" if length_s <= values["ip_burst_s"] else "single_ip_flood"
    severity = Severity.HIGH if inside >= values["high"] else Severity.NOTICE
    why = (
        f"{subject.entity} was refused {times(inside)} of {asked:,} requests within {span(length_s)}"
        f"{scene.place(subject.track, 3)}, {from_where(scene, subject, 3)}, and then stopped"
    )
    finding = _finding(
        scene, subject, shape, severity, inside, why, LOOK_BACK_S, requests=asked,
        length_s=length_s,
    )  # fmt: skip
    return msgspec.structs.replace(finding, from_ms=scene.ledger.start_ms(first + start))


def _sustained(scene: Scene, values: Values, subject: Subject) -> Finding | None:
    patience = CONSUMER_PATIENCE if subject.is_consumer else 1
    length_s = values["sustained_s"] * patience
    slots = scene.ledger.slots_in(length_s)
    first = scene.slot - slots + 1
    refused = refusals_by_slot(subject, first, scene.slot)
    requests = subject.track.series(first, scene.slot)
    total, asked = sum(refused), sum(requests)
    if total < values["sustained"] * patience or total < values["sustained_share"] * asked:
        return None
    if min(requests) < QUIET_SHARE * max(requests) or not refused[-1] or max(refused) > BURST_SHARE * total:
        return None
    shape = "single_consumer_sustained" if subject.is_consumer else "single_ip_flood"
    per_minute = total * 60 / length_s
    severity = Severity.HIGH if per_minute >= values["high"] else Severity.NOTICE
    why = (
        f"{subject.entity} keeps running into limits: {total:,} of its {asked:,} requests refused in"
        f" {span(length_s)}{scene.place(subject.track)}, {from_where(scene, subject)}"
    )
    return _finding(scene, subject, shape, severity, total, why, length_s, requests=asked)


def _finding(
    scene: Scene,
    subject: Subject,
    shape: str,
    severity: Severity,
    count: int,
    why: str,
    seconds: float,
    **facts: float,
) -> Finding:
    return Finding(
        detector=NAME,
        shape=shape,
        severity=severity,
        entity_type=subject.entity_type,
        entity_id=subject.entity_id,
        entity=subject.entity,
        from_ms=scene.began(subject.track, seconds, REFUSED),
        to_ms=scene.now_ms,
        count=count,
        why=why,
        actors=subject.actors,
        facts={"refused": count, **facts},
        wants_sample=True,
    )


def refine(finding: Finding, samples: Sequence[Sample]) -> Finding:
    """Say in the shape when the gateway hides its limits, or refuses with a status of its own."""
    if not samples:
        return finding
    statuses = [s.status for s in samples if s.status is not None]
    status = max(set(statuses), key=statuses.count) if statuses else TOO_MANY_REQUESTS
    told = [s.has_limit_headers for s in samples if s.has_limit_headers is not None]
    hidden = bool(told) and told.count(False) >= HIDDEN_SHARE * len(told)
    shape, why = finding.shape, finding.why
    if hidden and shape == "single_ip_flood":
        shape += f"_{status}_without_ratelimit_headers"
        why += f"; the answers ({status}) do not tell it any limit"
    elif status != TOO_MANY_REQUESTS:
        shape += f"_status_{status}"
        why += f"; refused with status {status}"
    return msgspec.structs.replace(finding, shape=shape, why=why)


DETECTOR = Detector(
    name=NAME,
    title="burst or sustained",
    what="somebody runs into limits in one burst, in many small ones, or without an end",
    detect=detect,
    refine=refine,
    delay_s=90,
    parameters=(
        number("burst", 50, (5, 1e6), "refusals", "refusals that make a burst"),
        number("burst_s", 50, (10, 60), "seconds", "longest burst of a consumer: what goes on is a loop"),
        number(
            "ip_burst_s", 20, (10, 60), "seconds", "the same without a consumer: what is longer is a flood"
        ),
        number("fresh_s", 40, (10, 120), "seconds", "how long after its end a burst is told"),
        number("micro_per_slot", 2, (1, 1e5), "refusals", "refusals by a limit per second in ten seconds"),
        number("micro_slots", 4, (2, 12), "spans", "spans of ten seconds that have so many"),
        number("micro_over_s", 120, (20, 600), "seconds", "span in which they are counted"),
        number("micro_total", 24, (5, 1e6), "refusals", "refusals by a limit per second in that span"),
        number("sustained", 60, (10, 1e6), "refusals", "refusals in a sustained run"),
        number(
            "sustained_s",
            40,
            (20, 600),
            "seconds",
            "how long a run must last; four times, with four times the refusals, for a consumer",
        ),
        number("sustained_share", 0.5, (0.05, 1), "share", "part of the requests that must be refused"),
        number("high", 300, (10, 1e7), "refusals", "refusals, of a burst or per minute, that make it high"),
    ),
    sigma="event_count",
    owasp=("API4:2023", "OAT-015"),
    attack=("T1499.002",),
    false_positives=("a job that starts at the full hour", "a load test: put it into a maintenance window"),
    guide=(
        "Look at the chart: one spike that is over needs no action tonight.",
        "Is the limit far below what this client was promised? Then the limit is wrong, not the client.",
        "On and on from one address without a consumer: consider a block for an hour.",
    ),
)
