from __future__ import annotations

import math
import random
from typing import Any

import pytest

from domain.change_effects import Effect, effect_of
from domain.change_verdict import (
    BUCKET_MS,
    Observed,
    Outcome,
    Span,
    Usual,
    dispersion,
    judge,
    likely_cause,
    rate_ratio,
    spans_around,
)
from domain.changes import Change
from domain.windows import MINUTE_MS, Window

MINUTE = 1_795_384_740_000
"""A whole minute of the clock."""
AT = MINUTE + 54_100


def change(before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, **given: Any) -> Change:
    operation = "update" if before and after else "create" if after else "delete"
    more = {
        "seq": 1, "at_ms": AT, "entity_type": "plugins", "entity_id": "p", "entity_name": None,
        "operation": operation, **given,
    }  # fmt: skip
    return Change(before=before, after=after, **more)


def limiter(minute: int, service: str = "s1", **more: Any) -> dict[str, Any]:
    return {"name": "rate-limiting", "service": {"id": service}, "config": {"minute": minute}, **more}


LOWERED = change(limiter(60), limiter(5))
RENAMED = change({"name": "a"}, {"name": "b"}, entity_type="routes")


def span(refusals: list[int], from_ms: int = MINUTE, requests: int | None = 1000, **more: Any) -> Span:
    window = Window(from_ms, from_ms + len(refusals) * BUCKET_MS)
    return Span(window=window, refusals=tuple(refusals), requests=requests, **more)


def seen(before: list[int], after: list[int], **more: Any) -> Observed:
    return Observed(before=span(before), after=span(after, MINUTE + MINUTE_MS), **more)


EFFECTS: list[tuple[str, Change, Effect]] = [
    ("limit lowered", LOWERED, Effect.MORE),
    ("limit raised", change(limiter(5), limiter(60)), Effect.FEWER),
    ("limiter added", change(None, limiter(5)), Effect.MORE),
    ("limiter deleted", change(limiter(5), None), Effect.FEWER),
    ("limiter disabled", change(limiter(5), limiter(5, enabled=False)), Effect.FEWER),
    ("limiter added disabled", change(None, limiter(5, enabled=False)), Effect.NONE),
    ("a message", change(limiter(5), {**limiter(5), "instance_name": "x"}), Effect.NONE),
    ("counted by address", change({**limiter(5), "config": {"minute": 5, "limit_by": "consumer"}},
     {**limiter(5), "config": {"minute": 5, "limit_by": "ip"}}), Effect.EITHER),
    ("tighter and looser", change({**limiter(5), "config": {"second": 1, "hour": 99}},
     {**limiter(5), "config": {"second": 2, "hour": 9}}), Effect.EITHER),
    ("named limit", change({"name": "response-ratelimiting", "config": {"limits": {"sms": {"minute": 9}}}},
     {"name": "response-ratelimiting", "config": {"limits": {"sms": {"minute": 5}}}}), Effect.MORE),
    ("logger", change({"name": "http-log", "config": {"timeout": 1}},
     {"name": "http-log", "config": {"timeout": 2}}), Effect.NONE),
    ("authentication deleted", change({"name": "key-auth"}, None), Effect.EITHER),
    ("restriction added", change(None, {"name": "ip-restriction"}), Effect.FEWER),
    ("any other plugin", change(None, {"name": "cors"}), Effect.NONE),
    ("route renamed", RENAMED, Effect.NONE),
    ("route moved", change({"paths": ["/a"]}, {"paths": ["/b"]}, entity_type="routes"), Effect.EITHER),
    ("timeout", change({"read_timeout": 1}, {"read_timeout": 2}, entity_type="services"), Effect.NONE),
    ("target", change({"weight": 1}, {"weight": 2}, entity_type="targets"), Effect.NONE),
    ("key added", change(None, {"id": "k"}, entity_type="keyauth_credentials"), Effect.EITHER),
]  # fmt: skip


@pytest.mark.parametrize(("label", "given", "expected"), EFFECTS, ids=[row[0] for row in EFFECTS])
def test_what_a_change_can_do_follows_from_what_it_is(label: str, given: Change, expected: Effect) -> None:
    assert effect_of(given) is expected, label


def test_refusals_that_name_the_new_limit_settle_it() -> None:
    verdict = judge(LOWERED, "limit 60 -> 5", seen([2, 3] * 6, [40, 60] * 6, named=590, naming=600))

    assert verdict.outcome is Outcome.CAUSED_MORE
    assert "590 of 600 name the new limit of 5 per minute: it is the cause" in verdict.sentence
    assert "95 % interval" in verdict.sentence
    assert verdict.ratio is not None
    assert verdict.ratio.low > 1


def test_without_headers_the_only_possible_cause_is_the_likely_one() -> None:
    verdict = judge(LOWERED, "x", seen([2, 3] * 6, [40, 60] * 6, named=0, naming=0))

    assert verdict.outcome is Outcome.CAUSED_MORE
    assert "likely cause" in verdict.sentence


def test_refusals_that_name_other_limits_clear_it() -> None:
    verdict = judge(LOWERED, "x", seen([2, 3] * 6, [40, 60] * 6, named=3, naming=600))

    assert verdict.outcome is Outcome.COINCIDED
    assert verdict.is_cleared


def test_a_change_that_cannot_do_it_is_cleared_though_the_number_rose() -> None:
    verdict = judge(RENAMED, "x", seen([2, 3] * 6, [40, 60] * 6))

    assert verdict.outcome is Outcome.COINCIDED
    assert "cannot have done that" in verdict.sentence


def test_two_possible_causes_are_told_apart_by_nobody() -> None:
    verdict = judge(LOWERED, "x", seen([2, 3] * 6, [40, 60] * 6, others=("limit 60 -> 7 on route r",)))

    assert verdict.outcome is Outcome.CANNOT_TELL
    assert "limit 60 -> 7 on route r can have done it as well" in verdict.sentence


def test_a_raised_limit_that_fewer_follow_caused_it() -> None:
    verdict = judge(change(limiter(5), limiter(60)), "x", seen([40, 60] * 6, [2, 3] * 6))

    assert verdict.outcome is Outcome.CAUSED_FEWER
    assert verdict.excess < 0


def test_no_difference_is_no_effect_with_its_interval() -> None:
    verdict = judge(LOWERED, "x", seen([20, 30] * 6, [30, 21] * 6))

    assert verdict.outcome is Outcome.NO_EFFECT
    assert "interval" in verdict.sentence


def test_a_burst_after_a_change_is_not_its_doing_unless_it_names_the_limit() -> None:
    burst = [20] * 10 + [250, 250]

    assert judge(LOWERED, "x", seen([20] * 12, burst)).outcome is Outcome.CANNOT_TELL
    named = judge(LOWERED, "x", seen([20] * 12, burst, named=650, naming=700))
    assert named.outcome is Outcome.CAUSED_MORE


def test_nothing_to_explain_is_said_without_a_comparison() -> None:
    verdict = judge(LOWERED, "x", seen([0] * 12, [0, 1] * 6))

    assert verdict.outcome is Outcome.NO_EFFECT
    assert "nothing followed it" in verdict.sentence


def test_unknown_traffic_is_not_taken_for_none() -> None:
    quiet = Observed(before=span([], requests=None), after=span([0] * 6, MINUTE + MINUTE_MS, requests=None))

    assert judge(LOWERED, "x", quiet).outcome is Outcome.CANNOT_TELL


def test_too_short_a_span_says_nothing_but_a_harmless_change_stays_harmless() -> None:
    short = seen([], [50] * 6)

    assert judge(LOWERED, "x", short).outcome is Outcome.CANNOT_TELL
    assert judge(RENAMED, "x", short).outcome is Outcome.CANNOT_HAVE


def test_a_gap_in_the_feed_says_nothing() -> None:
    gap = Observed(before=span([5] * 12), after=span([50] * 12, MINUTE + MINUTE_MS, gap_ms=60_000))

    assert judge(LOWERED, "x", gap).outcome is Outcome.CANNOT_TELL


def test_the_time_of_day_is_divided_out() -> None:
    """Refusals double at this time every day."""
    plain = rate_ratio(span([10] * 12), span([20] * 12))
    corrected = rate_ratio(span([10] * 12), span([20] * 12), Usual(days=14, before=1700, after=3400))

    assert plain.value == pytest.approx(2, rel=0.01)
    assert plain.rose
    assert corrected.value == pytest.approx(1, rel=0.01)
    assert not corrected.rose
    assert corrected.days == 14


def test_the_interval_holds_what_it_says() -> None:
    """Of 800 pairs of the same bursty process about 95 % must have an interval that holds 1."""
    rng = random.Random(7)  # noqa: S311 - numbers, not secrets

    def counts() -> list[int]:
        return [int(rng.gammavariate(2, 10)) for _ in range(30)]

    held = 0
    for _ in range(800):
        ratio = rate_ratio(span(counts()), span(counts(), MINUTE + 5 * MINUTE_MS))
        held += ratio.low <= 1 <= ratio.high

    assert 0.90 <= held / 800 <= 0.98


def test_the_pattern_within_a_minute_is_no_spread() -> None:
    """Windows of a minute fill up: the last tens of seconds of each hold the refusals."""
    before = span([0, 0, 0, 10, 30, 50] * 4)
    moved = span([0, 0, 10, 30, 50, 0] * 4, MINUTE + 9 * MINUTE_MS + BUCKET_MS)

    assert dispersion(before, moved) == 1.0


def test_server_errors_and_targets_are_told_beside_the_verdict() -> None:
    before = span([20] * 12, requests=1000, server_errors=1)
    after = span([20] * 12, MINUTE + MINUTE_MS, requests=1000, server_errors=80)

    verdict = judge(LOWERED, "x", Observed(before=before, after=after, unhealthy_targets=2))

    assert verdict.health == ("server errors rose from 0.1% to 8.0% of requests; 2 targets turned unhealthy")


def test_spans_are_whole_minutes_around_the_ten_seconds_of_the_change() -> None:
    before, after = spans_around(LOWERED, [], Window(0, AT + 10 * 60 * MINUTE_MS))

    assert before.to_ms == AT // BUCKET_MS * BUCKET_MS
    assert after.from_ms == before.to_ms + BUCKET_MS
    assert before.length_ms == after.length_ms == 14 * MINUTE_MS


def test_a_span_ends_at_the_next_change_that_moves_the_same_refusals() -> None:
    back = change(limiter(5), limiter(60), seq=2, at_ms=AT + 90_000)
    elsewhere = change(limiter(5, "s2"), limiter(60, "s2"), seq=3, at_ms=AT + 30_000)
    harmless = change({"name": "a"}, {"name": "b"}, seq=4, at_ms=AT + 30_000, entity_type="services")

    _, after = spans_around(LOWERED, [back, elsewhere, harmless], Window(0, AT + 60 * MINUTE_MS))

    assert after.length_ms == MINUTE_MS


def test_changes_of_the_same_moment_leave_no_span() -> None:
    same = change(limiter(60), limiter(5), seq=2, at_ms=AT)

    before, after = spans_around(LOWERED, [same], Window(0, AT + 60 * MINUTE_MS))

    assert after.length_ms == 0
    assert before.length_ms > 0


def test_of_several_causes_the_one_with_most_refusals_is_named() -> None:
    small, large = change(limiter(9), limiter(8), seq=5), LOWERED
    verdicts = [
        (small, judge(small, "x", seen([2, 3] * 6, [10, 12] * 6))),
        (large, judge(large, "x", seen([2, 3] * 6, [40, 60] * 6))),
        (RENAMED, judge(RENAMED, "x", seen([2, 3] * 6, [90, 90] * 6))),
    ]

    assert likely_cause(verdicts) is large
    assert likely_cause(verdicts[2:]) is None


def test_a_ratio_from_nothing_stays_finite() -> None:
    ratio = rate_ratio(span([0] * 6), span([50] * 6))

    assert math.isfinite(ratio.high)
    assert ratio.rose
