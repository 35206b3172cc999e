from __future__ import annotations

import pytest

from domain.limits import Limit
from tests.domain.detectors.stage import Stage

CASES = {
    "an hour": (Limit(name="hour", value=80, window_s=3_600), "hour_window_long_retry_after"),
    "a day": (Limit(name="day", value=80, window_s=86_400), "day_window_long_retry_after"),
    "a name of its own": (
        Limit(name="sms/minute", value=20, window_s=60),
        "response_ratelimiting_quota_exceeded",
    ),
}


@pytest.mark.parametrize("label", CASES)
def test_a_long_or_named_limit_that_keeps_refusing_is_a_used_up_quota(label: str) -> None:
    limit, shape = CASES[label]
    stage = Stage()
    stage.every(0, 60, 5, consumer="sync", refused=True, limit=limit)

    (found,) = stage.see("quota_exhausted", 60)

    assert (found.shape, found.entity, found.count) == (shape, "sync", 30)


def test_a_limit_per_minute_is_no_quota() -> None:
    stage = Stage()
    stage.every(0, 60, 50, consumer="sync", refused=True)

    assert stage.see("quota_exhausted", 60) == []


def test_a_few_refusals_are_not_told() -> None:
    stage = Stage()
    stage.add(0, 7, consumer="sync", refused=True, limit=CASES["an hour"][0])

    assert stage.see("quota_exhausted", 60) == []


def test_the_sentence_says_when_the_window_ends() -> None:
    stage = Stage()
    stage.add(0, 30, consumer="sync", refused=True, limit=CASES["an hour"][0])

    (found,) = stage.see("quota_exhausted", 1800)[:1] or stage.see("quota_exhausted", 120)

    assert "the window ends in 58 min" in found.why
