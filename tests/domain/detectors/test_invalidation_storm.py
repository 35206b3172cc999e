from __future__ import annotations

from domain.detectors.findings import Severity
from domain.detectors.scene import Invalidations
from tests.domain.detectors.stage import START_MS, Stage, plugin

MINUTE = START_MS // 60_000


def caches(*counts: int, top: int = 0) -> tuple[Invalidations, ...]:
    """Minutes before the start, the last count being the newest whole one."""
    return tuple(
        Invalidations(
            minute=MINUTE - len(counts) + place,
            by_node={"gw-1": count, "gw-2": count // 2},
            top_key="plugins_iterator:version",
            top_key_count=top if place == len(counts) - 1 else 0,
        )
        for place, count in enumerate(counts)
    )


def test_five_times_the_usual_is_a_storm() -> None:
    stage = Stage()
    stage.more["invalidations"] = caches(10, 12, 9, 11, 10, 80)

    (found,) = stage.see("invalidation_storm", 0)

    assert (found.shape, found.count, found.severity) == ("invalidation_storm", 80, Severity.NOTICE)
    assert "usually 10; no change came with them" in found.why


def test_what_is_usual_is_no_storm() -> None:
    stage = Stage()
    stage.more["invalidations"] = caches(70, 80, 75, 72, 90, 80)

    assert stage.see("invalidation_storm", 0) == []


def test_a_deployment_of_many_entities_explains_itself() -> None:
    stage = Stage()
    stage.more["invalidations"] = caches(10, 12, 9, 11, 10, 200)
    for number in range(20):
        stage.change(-30 + number, "routes", "create", after={"id": f"r-{number}", "name": f"r-{number}"})

    (found,) = stage.see("invalidation_storm", 0)

    assert found.severity is Severity.INFORMATION
    assert "20 changes of the configuration came with them" in found.why


def test_one_entity_written_in_a_loop_is_no_deployment() -> None:
    stage = Stage()
    stage.more["invalidations"] = caches(10, 12, 9, 11, 10, 50, top=45)
    for number in range(45):
        stage.change(
            -50 + number, "plugins", "update", before=plugin(minute=1), after=plugin(minute=number + 2)
        )

    (found,) = stage.see("invalidation_storm", 0)

    assert (found.shape, found.severity) == ("same_key_again_and_again", Severity.NOTICE)


def test_the_first_minutes_of_a_history_prove_nothing() -> None:
    stage = Stage(began_s=-120)
    stage.more["invalidations"] = caches(500)

    assert stage.see("invalidation_storm", 0) == []
