from __future__ import annotations

from domain.detectors.scene import TargetHealth
from tests.domain.detectors.stage import START_MS, Stage


def turns(*story: tuple[float, str, bool], node: str = "gw-1") -> tuple[TargetHealth, ...]:
    """(when, target, whether it became healthy)."""
    return tuple(
        TargetHealth(
            at_ms=START_MS + round(at_s * 1000),
            upstream="inventory",
            target=target,
            node=node,
            is_healthy=is_healthy,
        )
        for at_s, target, is_healthy in story
    )


def test_an_upstream_without_a_healthy_target_is_down() -> None:
    stage = Stage()
    stage.more["health"] = turns((-60, "a", True), (-60, "b", True), (-20, "a", False), (-5, "b", False))

    (found,) = stage.see("upstream_down", 0)

    assert (found.shape, found.entity) == ("503_all_targets_unhealthy", "inventory")
    assert found.from_ms == START_MS - 5_000


def test_one_healthy_target_is_enough() -> None:
    stage = Stage()
    stage.more["health"] = turns((-60, "a", True), (-60, "b", True), (-20, "a", False))

    assert stage.see("upstream_down", 0) == []


def test_a_target_that_nobody_spoke_of_yet_counts_as_there() -> None:
    stage = Stage()
    stage.more["health"] = turns((-20, "a", False))
    stage.more["targets"] = {"inventory": frozenset({"a", "b"})}

    assert stage.see("upstream_down", 0) == []


def test_a_time_between_two_looks_is_still_told() -> None:
    stage = Stage()
    stage.more["health"] = turns((-9, "a", False), (-2, "a", True))

    (found,) = stage.see("upstream_down", 0)

    assert "were unhealthy for 7 s, and are back" in found.why


def test_a_flicker_of_less_than_a_second_is_the_checkers_own() -> None:
    stage = Stage()
    stage.more["health"] = turns((-9, "a", False), (-8.5, "a", True))

    assert stage.see("upstream_down", 0) == []


def test_each_node_is_judged_by_itself() -> None:
    stage = Stage()
    one = turns((-60, "a", True), (-20, "b", False), node="gw-1")
    other = turns((-20, "a", False), (-60, "b", True), node="gw-2")
    stage.more["health"] = tuple(sorted(one + other, key=lambda seen: seen.at_ms))

    assert stage.see("upstream_down", 0) == []
