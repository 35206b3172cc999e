from __future__ import annotations

import itertools

import pytest

from domain.events import PluginSeen
from domain.plugins import plugins_at, plugins_in_force

SCOPES = [  # most specific first, kong/runloop/plugins_iterator.lua
    ("route", "service", "consumer"),
    ("route", None, "consumer"),
    (None, "service", "consumer"),
    ("route", "service", None),
    (None, None, "consumer"),
    ("route", None, None),
    (None, "service", None),
    (None, None, None),
]


def plugin(
    plugin_id: str,
    scope: tuple[str | None, str | None, str | None] = (None, None, None),
    *,
    name: str = "rate-limiting",
    at_ms: int = 0,
    enabled: bool = True,
    deleted: bool = False,
    group: str | None = None,
) -> PluginSeen:
    return PluginSeen(
        plugin_id=plugin_id,
        name=name,
        enabled=enabled,
        at_ms=at_ms,
        deleted=deleted,
        route_id=scope[0],
        service_id=scope[1],
        consumer_id=scope[2],
        consumer_group_id=group,
    )


def in_force(plugins: list[PluginSeen], *, consumer_id: str | None = "consumer") -> list[str]:
    found = plugins_in_force(plugins, route_id="route", service_id="service", consumer_id=consumer_id)
    return [p.plugin_id for p in found]


@pytest.mark.parametrize(("better", "worse"), list(itertools.combinations(range(len(SCOPES)), 2)))
def test_of_two_plugins_of_a_name_the_more_specific_one_runs(better: int, worse: int) -> None:
    both = [plugin("worse", SCOPES[worse]), plugin("better", SCOPES[better])]

    assert in_force(both) == ["better"]
    assert in_force(both[::-1]) == ["better"]


def test_plugins_of_different_names_run_beside_each_other() -> None:
    both = [plugin("a", name="key-auth"), plugin("b", name="rate-limiting")]

    assert in_force(both) == ["a", "b"]


def test_a_plugin_for_someone_else_does_not_run() -> None:
    others = [
        plugin("a", ("other", None, None)),
        plugin("b", (None, "other", None)),
        plugin("c", (None, None, "x")),
    ]

    assert in_force(others) == []


def test_an_anonymous_request_meets_no_plugin_of_a_consumer() -> None:
    assert in_force([plugin("a", (None, None, "consumer")), plugin("b")], consumer_id=None) == ["b"]


def test_a_disabled_plugin_makes_way_for_a_less_specific_one() -> None:
    assert in_force([plugin("a", ("route", None, None), enabled=False), plugin("b")]) == ["b"]


def test_a_plugin_of_a_consumer_group_runs_besides_perhaps() -> None:
    found = in_force([plugin("of-group", group="gold"), plugin("global")])

    assert found == ["global", "of-group"]


def test_the_newest_sighting_before_a_moment_holds() -> None:
    history = [plugin("p", ("a", None, None), at_ms=10), plugin("p", ("b", None, None), at_ms=20)]

    assert [p.route_id for p in plugins_at(history, 15)] == ["a"]
    assert [p.route_id for p in plugins_at(history, 20)] == ["b"]
    assert [p.route_id for p in plugins_at(history[::-1], 25)] == ["b"]


def test_a_plugin_that_was_seen_later_is_taken_to_have_been_there() -> None:
    """A list of plugins is usually read when the first requests have already come in."""
    history = [plugin("p", ("late", None, None), at_ms=30), plugin("p", ("first", None, None), at_ms=20)]

    assert [p.route_id for p in plugins_at(history, 5)] == ["first"]


def test_a_deleted_plugin_is_gone_from_then_on() -> None:
    history = [plugin("p", at_ms=10), plugin("p", at_ms=20, deleted=True)]

    assert len(plugins_at(history, 19)) == 1
    assert plugins_at(history, 20) == []


def test_of_a_plugin_of_which_only_the_deletion_was_seen_nothing_is_known() -> None:
    assert plugins_at([plugin("p", at_ms=20, deleted=True)], 5) == []
