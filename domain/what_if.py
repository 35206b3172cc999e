"""What a limit would have refused in the past, and which limits are worth a thought.

Kong counts in windows of the clock: a minute's counter starts at every whole minute
(kong/plugins/rate-limiting/policies/init.lua, 3.9.3), so totals of whole minutes say exactly how often a
limit of a minute or longer would have been reached. Two things they cannot say: how clients would have acted
had they been refused, and, with policy `local`, how their requests fell on the nodes, each of which counts
alone. Both are said beside the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from domain.limits import WINDOWS_S
from domain.windows import DAY_MS, Window, floor_ms

MIN_WINDOWS = 1_000
"""Fewer counted windows than this say little about a 99.9 % quantile."""
MIN_SPAN_MS = DAY_MS
NORMAL_SHARE = 0.999
"""Of the windows of normal use that a candidate leaves untouched."""
WANTED_SHARE = 0.9
"""Of the requests in confirmed attacks that the other candidate refuses."""
MAX_HARM = 0.001
"""Of all good requests that it may refuse."""
MAX_GAP_SHARE = 0.1


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What each of those whom a limit counts asked for, per bucket."""

    by: Mapping[str, Mapping[int, int]]
    """Who -> start of bucket -> requests; buckets without requests are left out."""
    bucket_ms: int
    window: Window
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    gap_ms: int = 0
    is_known: bool = True
    """False where no log tells about traffic: only refusals are known then."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A past incident with the verdict that somebody gave on closing it."""

    who: str | None
    """Of `Counts.by`; None: everybody."""
    from_ms: int
    to_ms: int
    is_real: bool
    """An attack; else benign, false, or a test."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What a limit would have done to one of them."""

    who: str
    label: str
    requests: int
    refused: int
    windows: int
    """In how many windows it would have been refused."""
    most: int
    """Its largest window."""


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What a limit would have done."""

    limit: int
    window_s: int
    requests: int
    refused: int
    windows: int
    """Windows in which somebody would have been refused."""
    hit: tuple[Refused, ...]
    """Those who would have been refused, most first."""
    counted: int
    """How many are counted at all."""

    @property
    def share(self) -> float | None:
        """Of all requests; None without any."""
        return self.refused / self.requests if self.requests else None


class Basis(StrEnum):
    """Where a candidate comes from."""

    NORMAL_USE = "normal use"
    VERDICTS = "verdicts"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A limit worth a thought, and why."""

    limit: int
    basis: Basis
    why: str
    simulated: Simulated


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the past can answer, and what it cannot say."""

    cannot: tuple[str, ...]
    """Reasons why there is no answer; empty when there is one."""
    notes: tuple[str, ...]
    """What the answer leaves open."""


def support(
    counts: Counts, window_s: int, *, nodes: int = 1, policy: str = "", current: int | None = None
) -> Support:
    """Whether what is known can answer what a limit would have done.

    Args:
        counts: The past.
        window_s: Of the limit.
        nodes: How many nodes count, where the policy is `local`.
        policy: Kong's: `local`, `cluster`, `redis`; empty when not known.
        current: The limit that is in force now, None without one.
    """
    return Support(
        cannot=tuple(_reasons_against(counts, window_s)),
        notes=tuple(_left_open(counts, nodes, policy, current)),
    )


def _reasons_against(counts: Counts, window_s: int) -> Iterator[str]:
    if not counts.is_known:
        yield "no log tells about requests that were let through, so use is unknown"
    if window_s * 1000 % counts.bucket_ms or window_s not in WINDOWS_S.values():
        kept = counts.bucket_ms // 1000
        yield f"totals are kept per {kept} s: a limit per {window_s} s needs finer ones"
    if counts.window.length_ms < MIN_SPAN_MS:
        yield "less than a day is known: the busiest hour may not be in it"
    if counts.window.length_ms < 2 * window_s * 1000:
        yield "less than two windows of that length are known"
    if counts.gap_ms > MAX_GAP_SHARE * counts.window.length_ms:
        yield "more than a tenth of the time lies in a gap of the feed"
    if not counts.by:
        yield "nothing was counted there"


def _left_open(counts: Counts, nodes: int, policy: str, current: int | None) -> Iterator[str]:
    if 0 < counts.gap_ms <= MAX_GAP_SHARE * counts.window.length_ms:
        yield "part of the time lies in a gap of the feed: counts are at least"
    if current is not None:
        yield f"a limit of {current} is in force: clients that are refused may ask more, or less, than others"
    if policy == "local" and nodes > 1:
        yield f"with policy local each of {nodes} nodes counts alone: up to {nodes} times as much passes"
    if not policy:
        yield "how Kong counts (policy) is not known here: with local, each node counts alone"


def per_window(counts: Counts, window_s: int) -> dict[str, dict[int, int]]:
    """Requests of each per window of the clock: who -> start -> requests."""
    width_ms = window_s * 1000
    found: dict[str, dict[int, int]] = {}
    for who, buckets in counts.by.items():
        windows: dict[int, int] = {}
        for start_ms, n in buckets.items():
            place = floor_ms(start_ms, width_ms)
            windows[place] = windows.get(place, 0) + n
        found[who] = windows
    return found


def simulate(counts: Counts, limit: int, window_s: int) -> Simulated:
    """What a limit would have refused: in each window what came after the limit was reached.

    Refused requests do not count against an open-source limit, so the rest of a window is refused whole.
    """
    hit: list[Refused] = []
    touched: set[int] = set()
    requests = refused = 0
    for who, windows in per_window(counts, window_s).items():
        total = sum(windows.values())
        over = {start: n - limit for start, n in windows.items() if n > limit}
        requests += total
        if over:
            refused += sum(over.values())
            touched |= over.keys()
            hit.append(
                Refused(
                    who=who,
                    label=counts.labels.get(who, who),
                    requests=total,
                    refused=sum(over.values()),
                    windows=len(over),
                    most=max(windows.values()),
                )
            )
    hit.sort(key=lambda one: (-one.refused, one.label))
    return Simulated(
        limit=limit,
        window_s=window_s,
        requests=requests,
        refused=refused,
        windows=len(touched),
        hit=tuple(hit),
        counted=len(counts.by),
    )


def candidates(counts: Counts, window_s: int, judged: Sequence[Judged] = ()) -> tuple[Candidate, ...]:
    """At most two limits worth a thought: by normal use, and by verdicts on past incidents.

    None where the past says too little for one.
    """
    windows = per_window(counts, window_s)
    normal, attack = _split(windows, window_s, judged)
    found = []
    by_use = _by_normal_use(normal)
    if by_use is not None:
        limit, why = by_use
        found.append(_candidate(counts, window_s, limit, Basis.NORMAL_USE, why))
    by_verdict = _by_verdicts(normal, attack)
    if by_verdict is not None and (by_use is None or by_verdict[0] != by_use[0]):
        limit, why = by_verdict
        found.append(_candidate(counts, window_s, limit, Basis.VERDICTS, why))
    return tuple(found)


def _candidate(counts: Counts, window_s: int, limit: int, basis: Basis, why: str) -> Candidate:
    return Candidate(limit=limit, basis=basis, why=why, simulated=simulate(counts, limit, window_s))


def _split(
    windows: Mapping[str, Mapping[int, int]], window_s: int, judged: Iterable[Judged]
) -> tuple[list[int], list[int]]:
    """Counts of windows of normal use, and of windows within confirmed attacks."""
    real = [j for j in judged if j.is_real]
    normal: list[int] = []
    attack: list[int] = []
    for who, counts in windows.items():
        own = [j for j in real if j.who in (None, who)]
        for start_ms, n in counts.items():
            is_attack = any(j.from_ms < start_ms + window_s * 1000 and start_ms < j.to_ms for j in own)
            (attack if is_attack else normal).append(n)
    return normal, attack


def _by_normal_use(normal: Sequence[int]) -> tuple[int, str] | None:
    if len(normal) < MIN_WINDOWS:
        return None
    ordered = sorted(normal)
    value = ordered[min(len(ordered) - 1, math.ceil(NORMAL_SHARE * len(ordered)) - 1)]
    limit = nice_above(value)
    return limit, f"99.9 % of {len(ordered):,} windows of normal use held at most {value:,} requests"


def _by_verdicts(normal: Sequence[int], attack: Sequence[int]) -> tuple[int, str] | None:
    """The highest limit that still refuses most of the attacks, where that harms next to no good request."""
    wanted = WANTED_SHARE * sum(attack)
    if not attack or not normal:
        return None
    limits = [n for n in _nice(max(attack)) if n <= max(attack)]
    for limit in reversed(limits):
        stopped = sum(max(0, n - limit) for n in attack)
        if stopped < wanted:
            continue
        harmed = sum(max(0, n - limit) for n in normal)
        if harmed > MAX_HARM * sum(normal):
            return None
        what = f"{stopped / sum(attack):.0%} of what came in {len(attack):,} windows of confirmed attacks"
        return limit, f"refuses {what}, and {harmed:,} good requests"
    return None


def nice_above(value: int) -> int:
    """The next number that people would choose: 1, 2, 3, 5, 10, 15, 20, 30, 50, 100, ..."""
    return next(n for n in _nice(value) if n >= value)


def nice_below(value: int) -> int:
    """The number before, 1 at least."""
    return max((n for n in _nice(value) if n <= value), default=1)


def _nice(around: int) -> list[int]:
    found = [1, 2, 3, 5]
    scale = 10
    while scale <= max(10, around * 10):
        found += [scale, scale * 3 // 2, scale * 2, scale * 3, scale * 5]
        scale *= 10
    return found


def sentence(simulated: Simulated, shown_window: str) -> str:
    """The result in words: `60 per minute would have refused 312 of 41,000 requests (0.8%), of 2 of 9`."""
    if not simulated.requests:
        return "nothing was asked for there in that time"
    what = f"{simulated.limit:,} per {shown_window}"
    if not simulated.refused:
        return f"{what} would have refused nothing of {simulated.requests:,} requests"
    share = simulated.refused / simulated.requests
    return (
        f"{what} would have refused {simulated.refused:,} of {simulated.requests:,} requests ({share:.1%}),"
        f" of {len(simulated.hit)} of {simulated.counted}, in {simulated.windows:,} windows"
    )
