from __future__ import annotations

from domain.detectors.findings import Severity
from tests.domain.detectors.stage import START_MS, ScriptedPast, Stage, plugin

HOUR_MS = 3_600_000


def customers(stage: Stage, from_s: float, to_s: float, hit: int) -> None:
    """Forty customers, the first `hit` of whom are refused now and then."""
    for number in range(40):
        who = {"consumer": f"customer-{number}", "ip": f"192.0.2.{number}"}
        stage.every(from_s, to_s, 2, **who)
        if number < hit:
            stage.every(from_s, to_s, 1, refused=True, **who)


def test_many_clients_refused_at_once_is_a_surge() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    customers(stage, 0, 20, 28)

    (found,) = stage.see("surge", 20)

    assert (found.shape, found.entity, found.severity) == (
        "violations_surge_many_consumers",
        "orders",
        Severity.HIGH,
    )
    assert ("consumer", "customer-7") in found.covers


def test_a_lowered_limit_just_before_is_named_as_the_cause() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    stage.change(1, "plugins", "update", before=plugin(minute=60), after=plugin(minute=5), actor="ana")
    customers(stage, 0, 20, 28)

    (found,) = stage.see("surge", 20)

    assert found.shape == "violations_jump_after_config_change_many_consumers"
    assert "config.minute 60 \u2192 5 by ana" in found.why


def test_a_change_of_another_service_is_not_the_cause() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    elsewhere = {"service": {"id": "payments"}}
    stage.change(
        1, "plugins", "update", before=plugin(minute=60) | elsewhere, after=plugin(minute=5) | elsewhere
    )
    customers(stage, 0, 20, 28)

    assert [f.shape for f in stage.see("surge", 20)] == ["violations_surge_many_consumers"]


def test_one_noisy_client_is_no_surge_however_often_it_is_refused() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    stage.every(0, 20, 5_000, consumer="customer-0", refused=True)

    assert stage.see("surge", 20) == []


def test_a_service_where_many_are_always_refused_is_as_usual() -> None:
    stage = Stage()
    customers(stage, -300, 20, 28)

    assert stage.see("surge", 20) == []


def test_with_less_than_two_minutes_of_history_nothing_is_a_surge() -> None:
    stage = Stage(began_s=-70)
    customers(stage, -70, 20, 28)

    assert stage.see("surge", 20) == []


def test_a_client_far_above_its_last_four_hours_is_noticed() -> None:
    stage = Stage(began_s=-5 * 3600)
    stage.every(-600, 0, 10, consumer="customer-0", refused=True)
    stage.past = ScriptedPast(quarter_counts=[3, 4, 2, 5, 3, 4, 2, 5, 3, 4, 2, 5, 3, 4, 2, 5])

    found = stage.see("surge", 0)

    assert [(f.entity, f.severity) for f in found] == [
        ("the whole gateway", Severity.HIGH),
        ("customer-0", Severity.NOTICE),
    ]


def test_after_two_weeks_the_same_hour_of_other_weeks_is_the_measure() -> None:
    stage = Stage(began_s=-29 * 86_400)
    stage.every(-600, 0, 10, consumer="customer-0", refused=True)
    weekly = [(START_MS - week * 7 * 24 * HOUR_MS, 9_000, 2_400) for week in (4, 3, 2, 1)]

    stage.past = ScriptedPast(hours=weekly)
    busy_every_week = stage.see("surge", 0)
    stage.past = ScriptedPast(hours=[])
    never_before = stage.see("surge", 0)

    assert busy_every_week == []
    assert len(never_before) == 2


def test_a_gap_in_the_feed_makes_no_comparison() -> None:
    stage = Stage(began_s=-5 * 3600)
    stage.every(-600, 0, 10, consumer="customer-0", refused=True)
    stage.past = ScriptedPast(quarter_counts=[3] * 16)
    stage.more["gaps"] = ((START_MS - 300_000, START_MS - 200_000),)

    assert stage.see("surge", 0) == []


def test_a_surge_explains_neither_who_was_refused_before_it_nor_who_is_refused_elsewhere() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    stage.every(-100, 0, 40, consumer="before", ip="10.1.1.1", refused=True)
    customers(stage, 0, 20, 28)
    stage.every(0, 20, 1, consumer="before", ip="10.1.1.1", refused=True)
    stage.every(0, 20, 1, consumer="elsewhere", ip="10.1.1.2", refused=True)
    stage.every(0, 20, 9, consumer="elsewhere", ip="10.1.1.2", service="payments", refused=True)

    (found,) = stage.see("surge", 20)

    names = {name for _, name in found.covers}
    assert "customer-7" in names
    assert not names & {"before", "elsewhere"}


def test_many_clients_behind_one_address_are_refused_as_one() -> None:
    stage = Stage()
    customers(stage, -300, 0, 2)
    for number in range(40):
        stage.every(0, 20, 1, consumer=f"tenant-{number}", ip="198.51.100.10", refused=True)

    assert stage.see("surge", 20) == []
