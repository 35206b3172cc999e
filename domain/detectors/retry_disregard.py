"""Who was told when to come back, and what it did: obeyed, asked on in a loop, or came back as somebody else.

Kong's windows are fixed, so `Retry-After` is the rest of the window. Refusals far apart in one window can
be a client that simply has more to do than it may; refusals less than a second apart, for half a minute,
are a loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

import msgspec

from domain.detectors.detector import Detector, Values, number
from domain.detectors.findings import Finding, Sample, Severity
from domain.detectors.scene import Scene
from domain.detectors.subjects import PAUSE_EVERY, Subject, from_where, refused_subjects
from domain.detectors.tracks import MINUTE_MS, NOBODY, REFUSED
from domain.detectors.words import limit_words, many, span, times
from domain.limits import Limit

NAME = "retry_disregard"
SHORTEST_WINDOW_S = 10
"""Below this `Retry-After` is a second or two, and asking again after a second is not disregard."""
LOOK_BACK_S = 600
TOP_SHARE = 0.7
"""A loop is even: no single span may hold more of its refusals."""
OBEYS_MOST = 5
"""Refusals per window of somebody who obeys: a few may be under way at once, on each node."""
OBEYS_AFTER = 0.25
"""Part of a window's requests that may come after its first refusal."""
EVASIVE_NEW = 4
EVASIVE_GROWTH = 0.5
"""As a part of the addresses it had before: a fleet or an app has many, and always some new ones."""
STEADY_SHARE = 0.6
ONE_PLACE = 0.8
REFUSED_SHARE = 0.25
LEAST_WINDOWS = 2
LEAST_GAPS = 10
CLOCK_SPREAD = 0.3
"""Median deviation over median of the gaps: 0.69 for independent arrivals, 0.25 for a timer that is off by up
to half of itself, near 0 for an exact one."""


def detect(scene: Scene, values: Values) -> Iterator[Finding | None]:
    """Subjects that ask on within the window they were refused in, and those that wait."""
    for place, subject in enumerate(refused_subjects(scene, LOOK_BACK_S, values["obeys_windows"])):
        if not place % PAUSE_EVERY:
            yield None
        found = None
        for key, by_slot in subject.track.limits.items():
            limit = scene.names.limit(key)
            if limit is None or limit.window_s is None or limit.window_s < SHORTEST_WINDOW_S:
                continue
            if "/" in (limit.name or ""):
                continue  # response-ratelimiting sends no Retry-After (KONG handler.lua, 3.9)
            found = _loop(scene, values, subject, limit, by_slot)
            if found is not None:
                break
        found = found or _obeys(scene, values, subject)
        if found is not None:
            yield found


def _loop(
    scene: Scene, values: Values, subject: Subject, limit: Limit, by_slot: dict[int, int]
) -> Finding | None:
    """Refusals in consecutive slots: less than `interval_s` apart, or slower and then like a clock."""
    ledger = scene.ledger
    if not _is_one_request(scene, subject):
        return None
    found = _run(scene, values, subject, by_slot, values["interval_s"], values["retries"])
    is_slow = found is None
    if found is None:
        found = _run(scene, values, subject, by_slot, values["slow_s"], values["slow_retries"])
        if found is not None and _seconds_since(scene, found[0]) < values["interval_s"] * found[1]:
            found = None  # quick, but not for long enough: a burst
    if found is None:
        found = _over_windows(scene, values, subject, limit, by_slot)
    if found is None:
        return None
    slot, total = found
    length_s = _seconds_since(scene, slot)
    asked = max(total, subject.track.total(slot + 1, scene.slot))
    fresh = _new_addresses(scene, subject, slot)
    evasive = fresh >= EVASIVE_NEW
    how = f", from {many(fresh, 'new address', 'new addresses')} since" if evasive else ""
    why = (
        f"{subject.entity} was refused {times(total)} in {span(length_s)}{scene.place(subject.track)}"
        f"{limit_words(limit)}, {from_where(scene, subject)}: it asks on every {length_s / asked:.1f} s"
        f" and does not wait for the window to end{how}"
    )
    return Finding(
        detector=NAME,
        shape="evasive_retry" if evasive else "retry_loop_ignoring_retry_after",
        severity=Severity.HIGH if evasive else Severity.NOTICE,
        entity_type=subject.entity_type,
        entity_id=subject.entity_id,
        entity=subject.entity,
        from_ms=ledger.start_ms(slot + 1),
        to_ms=scene.now_ms,
        count=total,
        why=why,
        actors=subject.actors,
        facts={
            "retries": total,
            "seconds": length_s,
            "interval_s": round(length_s / asked, 2),
            "must_be_even": is_slow,
        },
        wants_sample=True,
    )


def _is_one_request(scene: Scene, subject: Subject) -> bool:
    """Whether it is mostly refused in one place: a loop asks for the same thing, a busy client for many."""
    refused = [c[REFUSED] for c in subject.track.routes(scene.minute - 1, scene.minute).values()]
    return max(refused, default=0) >= ONE_PLACE * sum(refused)


def _run(
    scene: Scene,
    values: Values,
    subject: Subject,
    by_slot: dict[int, int],
    interval_s: float,
    retries: float,
) -> tuple[int, int] | None:
    """(slot before the run, refusals in it) of the run that ends now; None where there is none."""
    ledger = scene.ledger
    least = ledger.slot_ms / 1000 / interval_s
    slot = scene.slot
    while by_slot.get(slot, 0) >= least:
        slot -= 1
    run = scene.slot - slot
    if run * ledger.slot_ms < max(1000 * values["loop_s"], ledger.slot_ms) or not run:
        return None
    counts = [by_slot[s] for s in range(slot + 1, scene.slot + 1)]
    total = sum(counts)
    if total < retries or (run > 1 and max(counts) > TOP_SHARE * total):
        return None
    return (slot, total) if _is_steady(scene, values, subject, run) else None


def _seconds_since(scene: Scene, slot: int) -> float:
    return (scene.slot - slot) * scene.ledger.slot_ms / 1000


def _over_windows(
    scene: Scene, values: Values, subject: Subject, limit: Limit, by_slot: dict[int, int]
) -> tuple[int, int] | None:
    """(slot before it, refusals) of a pace that no refusal changed, over more than one window.

    Where a limit lets through a good part of the loop, refusals pause at the turn of each window.
    """
    slots = scene.ledger.slots_in(values["windows_s"])
    first = scene.slot - slots + 1
    asked = subject.track.series(first, scene.slot)
    hit = {slot: n for slot, n in by_slot.items() if slot >= first and n}
    total = sum(hit.values())
    per_window = max(1, (limit.window_s or 0) * 1000 // scene.ledger.slot_ms)
    if total < values["retries"] or total < REFUSED_SHARE * sum(asked):
        return None
    if len({slot // per_window for slot in hit}) < LEAST_WINDOWS or not by_slot.get(scene.slot):
        return None
    return (first - 1, total) if min(asked) >= STEADY_SHARE * sum(asked) / slots else None


def _is_steady(scene: Scene, values: Values, subject: Subject, run: int) -> bool:
    """Whether it asked at this pace for long, refused or not: what is over before that is a burst."""
    if scene.ledger.slot_ms >= MINUTE_MS:
        return True
    wanted = scene.ledger.slots_in(values["asks_s" if subject.is_consumer else "ip_asks_s"])
    asked = subject.track.series(scene.slot - max(run, wanted) + 1, scene.slot)
    mean = sum(asked[-run:]) / run
    return min(asked[-wanted:]) >= STEADY_SHARE * mean


def _new_addresses(scene: Scene, subject: Subject, slot: int) -> int:
    """How many addresses it took up since; 0 for a crowd, which meets new ones all the time."""
    track = subject.track
    if not subject.is_consumer or scene.slot - track.first_slot < scene.ledger.slots_in(60):
        return 0
    fresh = sum(1 for peer, _ in track.newest_known(slot + 1) if peer != NOBODY)
    return fresh if fresh >= EVASIVE_GROWTH * (len(track.known) - fresh) else 0


def _obeys(scene: Scene, values: Values, subject: Subject) -> Finding | None:
    """In every window with a refusal nearly nothing comes after the first one."""
    windows = kept = refused = 0
    for key, by_slot in subject.track.limits.items():
        limit = scene.names.limit(key)
        if limit is None or limit.window_s is None or limit.window_s < SHORTEST_WINDOW_S:
            continue
        per_window = max(1, limit.window_s * 1000 // scene.ledger.slot_ms)
        for window in {slot // per_window for slot in by_slot}:
            first, last = window * per_window, (window + 1) * per_window - 1
            if last > scene.slot:
                continue
            hit = sorted(slot for slot in by_slot if first <= slot <= last)
            count = sum(by_slot[slot] for slot in hit)
            after = subject.track.total(hit[0] + 1, last)
            asked = subject.track.total(first, last)
            windows += 1
            refused += count
            kept += count <= OBEYS_MOST and after <= OBEYS_AFTER * asked
    if windows < values["obeys_windows"] or kept < windows:
        return None
    why = (
        f"{subject.entity} was refused {times(refused)}{scene.place(subject.track, 10)} in {windows} windows"
        f" and waited for the end of each: it obeys Retry-After"
    )
    return Finding(
        detector=NAME,
        shape="obeys_retry_after_no_alarm",
        severity=Severity.INFORMATION,
        entity_type=subject.entity_type,
        entity_id=subject.entity_id,
        entity=subject.entity,
        from_ms=scene.ms_ago(LOOK_BACK_S),
        to_ms=scene.now_ms,
        count=refused,
        why=why,
        actors=subject.actors,
        facts={"windows": windows},
    )


def refine(finding: Finding, samples: Sequence[Sample]) -> Finding | None:
    """Only who was told to wait can disregard it; say how long it was told to wait."""
    known = [s for s in samples if s.has_limit_headers is not None]
    told = [s.retry_after_s for s in known if s.retry_after_s is not None]
    if known and 2 * len(told) < len(known):
        return None
    if finding.facts.get("must_be_even") and not _is_like_a_clock(sorted(s.at_ms for s in samples)):
        return None
    if not told:
        return finding
    return msgspec.structs.replace(finding, why=f"{finding.why} (it was told to wait up to {max(told)} s)")


def _is_like_a_clock(moments: Sequence[int]) -> bool:
    """Whether the times between refusals are nearly the same; independent ones vary as much as their mean."""
    gaps = [b - a for a, b in pairwise(moments)]
    if len(gaps) < LEAST_GAPS:
        return False
    middle = median(gaps)
    off = median(abs(gap - middle) for gap in gaps)
    return middle > 0 and off <= CLOCK_SPREAD * middle


DETECTOR = Detector(
    name=NAME,
    title="retry disregard",
    what="a client asks again and again within the window it was refused in, although it was told to wait",
    detect=detect,
    refine=refine,
    delay_s=60,
    parameters=(
        number("interval_s", 1.0, (0.05, 10), "seconds", "longest time between two retries of a loop"),
        number("loop_s", 30, (10, 600), "seconds", "how long a loop must last"),
        number(
            "asks_s", 60, (20, 840), "seconds", "how long it must have asked at that pace, refused or not"
        ),
        number("ip_asks_s", 40, (20, 840), "seconds", "the same without a consumer"),
        number("windows_s", 120, (60, 840), "seconds", "the same where refusals pause between windows"),
        number("retries", 40, (5, 1e6), "refusals", "refusals that make a loop"),
        number("slow_s", 3.4, (1, 60), "seconds", "the same for retries like a clock"),
        number("slow_retries", 15, (5, 1e6), "refusals", "refusals like a clock that make a loop"),
        number("obeys_windows", 3, (2, 100), "windows", "windows after which a client is said to obey"),
    ),
    owasp=("API4:2023",),
    false_positives=("many workers behind one consumer, each of which does wait",),
    guide=(
        "This is a client bug far more often than an attack: write to the consumer's owner.",
        "Show them the interval and what Retry-After said; both are in the evidence.",
        "If it hurts others, lower its limit or stop it with request-termination for an hour.",
    ),
)
