"""What refusals, their share of requests and server errors did after a change, and whether it did it.

The comparison is a ratio of two rates with its 95 % interval. Refusals come in bursts, so counts spread more
than a Poisson process would: the spread is measured from the counts themselves and widens the interval (a
quasi-Poisson model, McCullagh and Nelder, Generalized Linear Models, 9.2). Kong's windows begin on the minute
and refusals fall into its end: spans are whole minutes, and tens of seconds are compared with their like.
Where earlier days are known, the ratio that the time of day alone would give is divided out, with its own
uncertainty.

A number that rose is not yet a cause. A change is named the cause when it could have done it
(`domain.change_effects`), the number moved that way beyond the interval, and either refusals name the new
limit, or the rise stays and no other change can have done it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from domain.change_effects import Effect, effect_of
from domain.changes import Change, Scope, limits_before_and_after, scope_of, shown_limit
from domain.kong_entities import CREDENTIALS
from domain.limits import Limit
from domain.windows import MINUTE_MS, SECOND_MS, Window, ceil_ms, floor_ms

BUCKET_MS = 10 * SECOND_MS
"""The finest totals that are kept."""
SPAN_MS = 15 * MINUTE_MS
"""Compared before and after a change, where no other change cuts it short."""
_IDENTITY = CREDENTIALS | {"consumers"}
PER_MINUTE = MINUTE_MS // BUCKET_MS
MIN_COUNT = 10
"""Fewer refusals than this are nothing to explain."""
TELLING = 1.5
"""A ratio that matters to people, either way, on top of being beyond chance."""
NAMED_SHARE = 0.5
"""At least half of the refusals name the new limit: then it is what refused them."""
BURST_BUCKETS = 3
BURST_SHARE = 2 / 3
"""Half a minute that holds this much of a rise is a burst; a changed limit refuses every minute anew."""
Z_95 = 1.96


class Outcome(StrEnum):
    """What is said of a change."""

    CAUSED_MORE = "caused more refusals"
    CAUSED_FEWER = "caused fewer refusals"
    NO_EFFECT = "no effect seen"
    COINCIDED = "coincided"
    """The number moved, and this change cannot have moved it."""
    CANNOT_HAVE = "cannot have any"
    """Too little was counted, and this change cannot move refusals anyway."""
    CANNOT_TELL = "cannot tell"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted in one span, in the scope of a change."""

    window: Window
    refusals: tuple[int, ...]
    """Per bucket of ten seconds, oldest first."""
    requests: int | None = None
    """None where no log tells about traffic."""
    server_errors: int | None = None
    gap_ms: int = 0

    @property
    def total(self) -> int:
        """Refusals in all."""
        return sum(self.refusals)

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.refusals) * BUCKET_MS / 1000


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals at the same times of earlier days, all days together."""

    days: int
    before: int
    after: int


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All that was seen around a change."""

    before: Span
    after: Span
    usual: Usual | None = None
    named: int | None = None
    """Refusals after the change that name its new limit; None when it sets none that is new."""
    naming: int = 0
    """Refusals after the change that name any limit: headers may be hidden."""
    unhealthy_targets: int = 0
    """Targets that turned unhealthy in the span after, in the scope of the change."""
    others: tuple[str, ...] = ()
    """Sentences of other changes that could have done the same, in the span after."""
    is_over: bool = True
    """The span after has passed; else this is what is known so far."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as much as before, with its 95 % interval."""

    value: float
    low: float
    high: float
    days: int
    """Earlier days that the time of day was corrected by; 0 when it was not."""

    @property
    def rose(self) -> bool:
        """Beyond chance, and by enough to matter."""
        return self.low > 1 and self.value >= TELLING

    @property
    def fell(self) -> bool:
        """Beyond chance, and by enough to matter."""
        return self.high < 1 and self.value <= 1 / TELLING


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a change, and why."""

    outcome: Outcome
    sentence: str
    ratio: Ratio | None = None
    excess: float = 0.0
    """Refusals in the span after beyond what the span before would have given; negative for fewer."""
    health: str | None = None
    """One sentence about errors and targets, where they moved."""

    @property
    def is_cleared(self) -> bool:
        """The change is not the cause of anything seen."""
        return self.outcome in {Outcome.NO_EFFECT, Outcome.COINCIDED, Outcome.CANNOT_HAVE}


# ---- which spans


def spans_around(change: Change, changes: Iterable[Change], known: Window) -> tuple[Window, Window]:
    """The spans to compare, in whole minutes: up to 15 each, cut where another such change lies.

    The ten seconds that hold the change are left out of both. Either span may be empty.

    Args:
        change: The one to judge.
        changes: All others that are known around it, in any order.
        known: The time for which totals are known.
    """
    from_ms, to_ms = max(change.at_ms - SPAN_MS, known.from_ms), min(change.at_ms + SPAN_MS, known.to_ms)
    for other in changes:
        if other.seq == change.seq or not _disturbs(other, change):
            continue
        if (other.at_ms, other.seq) < (change.at_ms, change.seq):
            from_ms = max(from_ms, other.at_ms)
        else:
            to_ms = min(to_ms, other.at_ms)
    middle = floor_ms(change.at_ms, BUCKET_MS)
    before = (middle - ceil_ms(from_ms, BUCKET_MS)) // MINUTE_MS
    after = (floor_ms(to_ms, BUCKET_MS) - middle - BUCKET_MS) // MINUTE_MS
    minutes = min(before, after) if before > 0 and after > 0 else 0
    if minutes:
        before = after = minutes
    start = middle + BUCKET_MS
    return (
        Window(middle - max(0, before) * MINUTE_MS, middle),
        Window(start, start + max(0, after) * MINUTE_MS),
    )


def _disturbs(other: Change, change: Change) -> bool:
    """Whether another change moves refusals in all of this one's scope.

    A consumer and their keys come, go and are exchanged together: that is one act, and is judged as one.
    """
    if other.entity_type in _IDENTITY and change.entity_type in _IDENTITY:
        return False
    return effect_of(other) is not Effect.NONE and _covers(scope_of(other), scope_of(change))


def _covers(wide: Scope, narrow: Scope) -> bool:
    pairs = (
        (wide.service_id, narrow.service_id),
        (wide.route_id, narrow.route_id),
        (wide.consumer_id, narrow.consumer_id),
    )
    return all(a is None or a == b for a, b in pairs)


def new_limits(change: Change) -> list[Limit]:
    """The limits that a change put in force and that were not there before."""
    before, after = limits_before_and_after(change)
    return [limit for limit in after if limit not in before]


# ---- the verdict


def judge(change: Change, told: str, seen: Observed) -> Verdict:
    """Say what followed a change.

    Args:
        change: What was changed.
        told: Its sentence, to begin with.
        seen: What was counted before and after.
    """
    before, after, effect = seen.before, seen.after, effect_of(change)
    health = _health(seen)
    if after.refusals and after.requests is not None and max(before.total, after.total) < MIN_COUNT:
        what = f"{_count(before)} before and {_count(after)} after" if before.refusals else _count(after)
        return Verdict(
            outcome=Outcome.NO_EFFECT,
            sentence=f"{told}: nothing followed it, refusals {what}",
            health=health,
        )
    why = _not_comparable(before, after)
    if why:
        if effect is Effect.NONE:
            text = f"{told}: cannot move refusals, and {why}"
            return Verdict(outcome=Outcome.CANNOT_HAVE, sentence=text, health=health)
        more = "" if seen.is_over else "; its fifteen minutes are not over yet"
        return Verdict(
            outcome=Outcome.CANNOT_TELL, sentence=f"{told}: cannot tell, {why}{more}", health=health
        )
    ratio = rate_ratio(before, after, seen.usual)
    outcome, because = _outcome(change, effect, ratio, seen)
    return Verdict(
        outcome=outcome,
        sentence=f"{told}: {_moved(ratio, before, after)}; {because}",
        ratio=ratio,
        excess=after.total - before.total * (after.seconds / before.seconds),
        health=health,
    )


def _not_comparable(before: Span, after: Span) -> str:
    """Why two spans cannot be compared; empty when they can."""
    for span, side in ((before, "before it"), (after, "after it")):
        if not span.refusals:
            return f"less than a minute {side} is free of other changes"
    if before.gap_ms + after.gap_ms > (before.window.length_ms + after.window.length_ms) / 10:
        return "more than a tenth of the time lies in a gap of the feed"
    return ""


def rate_ratio(before: Span, after: Span, usual: Usual | None = None) -> Ratio:
    """The rate of refusals after, as a multiple of that before, with its 95 % interval."""
    spread = dispersion(before, after)
    log_ratio, variance = _log_ratio(before.total, before.seconds, after.total, after.seconds, spread)
    days = 0
    if usual is not None and usual.days and usual.before + usual.after >= MIN_COUNT:
        days = usual.days
        usual_log, usual_variance = _log_ratio(
            usual.before, before.seconds, usual.after, after.seconds, spread
        )
        log_ratio, variance = log_ratio - usual_log, variance + usual_variance
    width = Z_95 * math.sqrt(variance)
    return Ratio(
        value=math.exp(log_ratio),
        low=math.exp(log_ratio - width),
        high=math.exp(log_ratio + width),
        days=days,
    )


def _log_ratio(
    before: int, before_s: float, after: int, after_s: float, spread: float
) -> tuple[float, float]:
    """The logarithm of a ratio of rates and its variance; half a count is added to both, for zeros."""
    had, has = before + 0.5, after + 0.5
    return math.log((has / after_s) / (had / before_s)), spread * (1 / had + 1 / has)


def dispersion(before: Span, after: Span) -> float:
    """How much wider than Poisson the counts spread, after each is compared with its like; at least 1.

    Each ten seconds before are paired with ten seconds after at the same place in the minute. The more the
    pairs disagree about the ratio (Pearson's chi-square of heterogeneity), the wider the spread.
    """
    had, has = before.total, after.total
    if not had + has:
        return 1.0
    share = has / (had + has)
    chi_square, pairs = 0.0, 0
    for old, new in zip(_by_place(before), _by_place(after), strict=False):
        expected = (old + new) * share
        if 0 < expected < old + new:
            chi_square += (new - expected) ** 2 * (1 / expected + 1 / (old + new - expected))
            pairs += 1
    return max(1.0, chi_square / (pairs - 1)) if pairs > 1 else 1.0


def _by_place(span: Span) -> list[int]:
    """Counts, each minute's in order of their place in the clock's minute."""
    first = span.window.from_ms // BUCKET_MS % PER_MINUTE
    counts = span.refusals
    minutes = [counts[n : n + PER_MINUTE] for n in range(0, len(counts), PER_MINUTE)]
    return [n for minute in minutes for n in minute[PER_MINUTE - first :] + minute[: PER_MINUTE - first]]


def _outcome(change: Change, effect: Effect, ratio: Ratio, seen: Observed) -> tuple[Outcome, str]:
    if not ratio.rose and not ratio.fell:
        return Outcome.NO_EFFECT, "no effect beyond chance"
    wanted = Effect.MORE if ratio.rose else Effect.FEWER
    if effect not in {wanted, Effect.EITHER}:
        return Outcome.COINCIDED, "this change cannot have done that, look for another cause"
    return _of_rise(change, seen) if ratio.rose else _of_only_one(Outcome.CAUSED_FEWER, seen)


def _of_rise(change: Change, seen: Observed) -> tuple[Outcome, str]:
    total, limits = seen.after.total, new_limits(change)
    if seen.named and seen.named >= NAMED_SHARE * total:
        which = " or ".join(shown_limit(limit) for limit in limits)
        because = f"{seen.named} of {total} name the new limit of {which}: it is the cause"
        return Outcome.CAUSED_MORE, because
    if seen.named is not None and seen.naming >= NAMED_SHARE * total > 10 * seen.named:
        return Outcome.COINCIDED, f"only {seen.named} of {total} name the new limit"
    if _is_burst(seen):
        return Outcome.CANNOT_TELL, "but most of it fell within half a minute: a burst, not a lasting rise"
    return _of_only_one(Outcome.CAUSED_MORE, seen)


def _of_only_one(outcome: Outcome, seen: Observed) -> tuple[Outcome, str]:
    if seen.others:
        return Outcome.CANNOT_TELL, f"but {seen.others[0]} can have done it as well"
    return outcome, "it is the likely cause: no other change at that time can have done it"


def _is_burst(seen: Observed) -> bool:
    counts = seen.after.refusals
    if len(counts) < 2 * PER_MINUTE:
        return False
    usual = seen.before.total / len(seen.before.refusals)
    largest = max(sum(counts[n : n + BURST_BUCKETS]) for n in range(len(counts)))
    excess = seen.after.total - usual * len(counts)
    return largest - usual * BURST_BUCKETS > BURST_SHARE * excess


def _moved(ratio: Ratio, before: Span, after: Span) -> str:
    corrected = (
        f", time of day corrected by {ratio.days} earlier {'day' if ratio.days == 1 else 'days'}"
        if ratio.days
        else ", no earlier days to correct the time of day by"
    )
    shares = ""
    if before.requests and after.requests:
        shares = f", {before.total / before.requests:.1%} of requests before and"
        shares += f" {after.total / after.requests:.1%} after"
    what = f"refusals went from {_rate(before)} to {_rate(after)}"
    times = f"{_times(ratio.value)}, 95 % interval {_number(ratio.low)} to {_number(ratio.high)}"
    return f"{what} ({times}{corrected}){shares}"


def _times(value: float) -> str:
    return f"{_number(value)} times as many"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits


def _rate(span: Span) -> str:
    per_minute = span.total / span.seconds * 60
    return f"{_number(per_minute)} a minute"


def _count(span: Span) -> str:
    return f"{span.total} in {span.seconds:.0f} s"


def _health(seen: Observed) -> str | None:
    before, after = seen.before, seen.after
    parts = []
    if before.requests and after.requests and None not in (before.server_errors, after.server_errors):
        had, has = before.server_errors or 0, after.server_errors or 0
        ratio_log, variance = _log_ratio(had, before.requests, has, after.requests, 1.0)
        low = math.exp(ratio_log - Z_95 * math.sqrt(variance))
        high = math.exp(ratio_log + Z_95 * math.sqrt(variance))
        is_telling = math.exp(abs(ratio_log)) >= TELLING and had + has >= MIN_COUNT
        if is_telling and (low > 1 or high < 1):
            word, shares = "rose" if low > 1 else "fell", (had / before.requests, has / after.requests)
            parts.append(f"server errors {word} from {shares[0]:.1%} to {shares[1]:.1%} of requests")
    if seen.unhealthy_targets:
        noun = "target" if seen.unhealthy_targets == 1 else "targets"
        parts.append(f"{seen.unhealthy_targets} {noun} turned unhealthy")
    return "; ".join(parts) or None


def likely_cause(verdicts: Iterable[tuple[Change, Verdict]]) -> Change | None:
    """Of the changes before a rise, the one that caused most of it; None when none is named a cause."""
    causes = [(v.excess, c.seq, c) for c, v in verdicts if v.outcome is Outcome.CAUSED_MORE]
    return max(causes)[2] if causes else None
