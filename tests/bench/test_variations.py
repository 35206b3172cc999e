"""A recording varied: the detectors hold elsewhere, and what varies it keeps to how Kong counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.ranges import changed
from bench.ranges.limiter import answered
from bench.ranges.scoring import judged
from bench.ranges.trace import Trace, load
from bench.variations import PATIENT, VARIATIONS, random_cluster, shown_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
"""A variation takes half a minute with both cores to itself, and two minutes beside other work."""

CHOSEN = (
    "other names and ids",
    "IPv6 networks only",
    "17 s later",
    "three nodes",
    "limits x 0.5",
    "twice as fast",
    "attacks x 2",
)


@pytest.fixture(scope="module")
def recorded(alpha: Path) -> Trace:
    return changed.patient(load(alpha), PATIENT)


def test_limiters_that_answer_anew_refuse_what_kong_refused(recorded: Trace) -> None:
    """One by one they may differ: a node's clock is not ours, and one node was killed on the way."""
    again = answered(recorded)

    before = Counter(r.label for r in recorded.requests if r.was_limited)
    after = Counter(r.label for r in again.requests if r.was_limited)
    assert sum(after.values()) == pytest.approx(sum(before.values()), rel=0.05)
    for label in ("burst", "retry_loop", "leaked_key", "hidden_headers_flood", "hourly_quota_exhausted"):
        assert after[label] == pytest.approx(before[label], rel=0.05), label


@pytest.mark.parametrize("name", CHOSEN)
def test_every_scenario_is_found_in_a_variation_and_nothing_else_rings(recorded: Trace, name: str) -> None:
    varied = VARIATIONS[name](recorded)

    score = judged(varied, shown_of(varied))

    assert [row.scenario.name for row in score.rows if not row.is_right] == []
    assert [(i["rule"], i["entity"], i["why"]) for i in score.alarms] == []


def test_of_clusters_drawn_at_random_hardly_anything_is_missed_or_false(recorded: Trace) -> None:
    scores = []
    for seed in range(3):
        made = random_cluster(recorded, seed)
        scores.append(judged(made, shown_of(made)))

    rows = sum(len(score.rows) for score in scores)
    assert rows >= 30
    assert sum(score.found for score in scores) >= 0.9 * rows
    assert sum(len(score.alarms) for score in scores) <= 0.1 * rows
