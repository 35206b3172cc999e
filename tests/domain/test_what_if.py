from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.what_if import (
    Basis,
    Counts,
    Judged,
    candidates,
    nice_above,
    nice_below,
    sentence,
    simulate,
    support,
)
from domain.windows import DAY_MS, MINUTE_MS, Window

WEEK = Window(0, 7 * DAY_MS)


def counts(by: dict[str, dict[int, int]], **given: object) -> Counts:
    minutes = {who: {m * MINUTE_MS: n for m, n in buckets.items()} for who, buckets in by.items()}
    return Counts(by=minutes, **{"bucket_ms": MINUTE_MS, "window": WEEK, **given})  # type: ignore[arg-type]


def test_what_comes_after_the_limit_in_a_window_is_refused() -> None:
    found = simulate(counts({"a": {0: 10, 1: 70, 2: 61}, "b": {1: 60}}), 60, 60)

    assert (found.requests, found.refused, found.windows, found.counted) == (201, 11, 2, 2)
    [hit] = found.hit
    assert (hit.who, hit.refused, hit.windows, hit.most) == ("a", 11, 2, 70)


def test_an_hour_is_counted_from_its_minutes_by_the_clock() -> None:
    """Kong's windows begin at whole hours: minutes 59 and 60 belong to two of them."""
    found = simulate(counts({"a": {58: 50, 59: 50, 60: 50}}), 90, 3600)

    assert (found.refused, found.windows) == (10, 1)


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.dictionaries(st.integers(0, 200), st.integers(1, 500), max_size=20),
        max_size=3,
    ),
    st.integers(1, 600),
)
def test_a_higher_limit_never_refuses_more(by: dict[str, dict[int, int]], limit: int) -> None:
    lower, higher = simulate(counts(by), limit, 60), simulate(counts(by), limit + 1, 60)

    assert higher.refused <= lower.refused
    assert 0 <= lower.refused <= lower.requests
    assert sum(one.refused for one in lower.hit) == lower.refused


NORMAL = {m: 20 + m % 30 for m in range(5_000)}


def test_a_candidate_by_normal_use_leaves_nearly_all_of_it_alone() -> None:
    [found] = candidates(counts({"a": NORMAL}), 60)

    assert (found.basis, found.limit) == (Basis.NORMAL_USE, 50)
    assert found.simulated.refused == 0
    assert "99.9 % of 5,000 windows" in found.why


def test_a_candidate_by_verdicts_stops_what_was_confirmed_and_harms_nobody() -> None:
    attack = dict.fromkeys(range(6000, 6010), 2000)
    judged = [Judged(who="bad", from_ms=6_000 * MINUTE_MS, to_ms=6_010 * MINUTE_MS, is_real=True)]

    found = candidates(counts({"a": NORMAL, "bad": attack}), 60, judged)

    by = {c.basis: c for c in found}
    assert by[Basis.NORMAL_USE].limit == 50
    assert by[Basis.VERDICTS].limit == 200
    assert (
        "refuses 90% of what came in 10 windows of confirmed attacks, and 0 good requests"
        in by[Basis.VERDICTS].why
    )


def test_what_was_judged_benign_counts_as_normal_use() -> None:
    burst = {**NORMAL, **dict.fromkeys(range(100), 400)}
    benign = [Judged(who="a", from_ms=0, to_ms=100 * MINUTE_MS, is_real=False)]

    [found] = candidates(counts({"a": burst}), 60, benign)

    assert found.limit == 500


def test_an_attack_that_looks_like_normal_use_gives_no_candidate_by_verdict() -> None:
    judged = [Judged(who="bad", from_ms=0, to_ms=10 * MINUTE_MS, is_real=True)]

    found = candidates(counts({"a": NORMAL, "bad": dict.fromkeys(range(10), 25)}), 60, judged)

    assert [c.basis for c in found] == [Basis.NORMAL_USE]


def test_too_little_use_gives_no_candidate() -> None:
    assert candidates(counts({"a": {0: 5, 1: 9}}), 60) == ()


@pytest.mark.parametrize(
    ("past", "window_s", "words"),
    [
        (counts({"a": NORMAL}, is_known=False), 60, "use is unknown"),
        (counts({"a": NORMAL}), 1, "needs finer ones"),
        (counts({"a": NORMAL}), 90, "needs finer ones"),
        (counts({"a": NORMAL}, window=Window(0, DAY_MS // 2)), 60, "less than a day"),
        (counts({"a": NORMAL}), 31_536_000, "less than two windows"),
        (counts({"a": NORMAL}, gap_ms=DAY_MS), 60, "gap of the feed"),
        (counts({}), 60, "nothing was counted"),
    ],
)
def test_where_the_past_cannot_answer_it_says_why(past: Counts, window_s: int, words: str) -> None:
    assert words in " ".join(support(past, window_s).cannot)


def test_what_an_answer_leaves_open_is_said_beside_it() -> None:
    found = support(counts({"a": NORMAL}, gap_ms=1), 60, nodes=3, policy="local", current=20)

    assert found.cannot == ()
    assert [n.split(":")[0] for n in found.notes] == [
        "part of the time lies in a gap of the feed",
        "a limit of 20 is in force",
        "with policy local each of 3 nodes counts alone",
    ]


@pytest.mark.parametrize(
    ("value", "above", "below"),
    [(1, 1, 1), (4, 5, 3), (7, 10, 5), (49, 50, 30), (51, 100, 50), (999, 1000, 500)],
)
def test_people_choose_round_numbers(value: int, above: int, below: int) -> None:
    assert (nice_above(value), nice_below(value)) == (above, below)


def test_the_result_reads_as_a_sentence() -> None:
    past = counts({"a": {0: 100}, "b": {0: 10}})

    assert sentence(simulate(past, 60, 60), "minute") == (
        "60 per minute would have refused 40 of 110 requests (36.4%), of 1 of 2, in 1 windows"
    )
    assert "refused nothing of 110" in sentence(simulate(past, 200, 60), "minute")
