from __future__ import annotations

from domain.detectors.scene import NodeFacts, Quiet
from tests.domain.detectors.stage import START_MS, Stage


def node(state: str, since_s: float) -> NodeFacts:
    return NodeFacts(
        node="n-1", name="gw-1", state=state, since_ms=START_MS + round(since_s * 1000), detail="silent"
    )


def test_a_lost_node_is_told_with_its_reason() -> None:
    stage = Stage()
    stage.more["nodes"] = (node("lost", -60),)

    (found,) = stage.see("absence", 0)

    assert (found.shape, found.entity) == ("node_lost", "gw-1")
    assert found.why == "node gw-1 is lost since 60 s: silent"


def test_a_late_node_is_not_lost_yet() -> None:
    stage = Stage()
    stage.more["nodes"] = (node("late", -60),)

    assert stage.see("absence", 0) == []


def test_a_node_lost_for_days_is_history() -> None:
    stage = Stage()
    stage.more["nodes"] = (node("lost", -2 * 86_400),)

    assert stage.see("absence", 0) == []


def test_a_source_is_silent_by_its_own_rhythm() -> None:
    for usual_gap_ms, silent_s, expected in (
        (1_000, 59, 0),
        (1_000, 61, 1),
        (60_000, 200, 0),
        (60_000, 361, 1),
    ):
        stage = Stage()
        stage.more["quiet"] = (
            Quiet(source="http-log", last_ms=START_MS - silent_s * 1000, usual_gap_ms=usual_gap_ms),
        )

        assert len(stage.see("absence", 0)) == expected, (usual_gap_ms, silent_s)
