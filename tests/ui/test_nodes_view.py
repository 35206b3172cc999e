from __future__ import annotations

from typing import Any

import pytest

from domain.node_states import EMPTY_HASH, NodeState
from domain.windows import DAY_MS, Window
from storage.node_rows import TargetChange, TargetRow, Targets
from tests.ui.node_rows import HASH_A, HASH_B, S, feed, node_row, span
from tests.ui.scripted_reader import NOW_MS
from ui.nodes_view import (
    blocks_of,
    called,
    config_words,
    dropped_words,
    is_ill,
    remarks,
    spans_by_node,
    split,
    target_lines,
    with_forebears,
)

WINDOW = Window(NOW_MS - 240 * S, NOW_MS)


def test_a_block_shows_the_worst_state_in_it_and_for_how_long() -> None:
    spans = [span("n", 240, 105), span("n", 105, 103, "late"), span("n", 103, 0)]

    blocks = blocks_of(spans, WINDOW)

    assert len(blocks) == 24
    assert [block.state for block in blocks].count(NodeState.LIVE) == 23
    assert (blocks[13].state, blocks[13].share) == (NodeState.LATE, pytest.approx(0.2))


def test_before_a_node_was_known_its_blocks_are_empty_not_live() -> None:
    blocks = blocks_of([span("n", 120, 0)], WINDOW)

    assert [block.state for block in blocks] == [None] * 12 + [NodeState.LIVE] * 12


def test_a_restart_goes_on_with_the_past_of_the_ids_before() -> None:
    first = node_row("gw", node="n-1", replaced_by="n-2")
    second = node_row("gw", node="n-2", replaces="n-1", replaced_by="n-3")
    third = node_row("gw", node="n-3", replaces="n-2")
    spans = spans_by_node(
        [span("n-1", 240, 180), span("n-1", 180, 0, "lost"), span("n-2", 150, 60), span("n-3", 50, 0)]
    )

    found = with_forebears(third, [first, second, third], spans)

    assert [(s.node, (NOW_MS - s.from_ms) // S, (NOW_MS - s.to_ms) // S, s.state) for s in found] == [
        ("n-1", 240, 180, "live"),
        ("n-1", 180, 150, "lost"),
        ("n-2", 150, 60, "live"),
        ("n-3", 50, 0, "live"),
    ]


def test_ids_that_name_each_other_in_a_circle_end() -> None:
    one, two = node_row(node="a", replaces="b"), node_row(node="b", replaces="a")

    assert with_forebears(one, [one, two], {}) == []


@pytest.mark.parametrize(
    ("label", "row", "is_now"),
    [
        ("live", node_row(), True),
        ("lost a minute ago", node_row(state="lost"), True),
        ("lost two days ago", node_row(state="lost", last_seen_ms=NOW_MS - 2 * DAY_MS), False),
        ("unknown since two days", node_row(state="unknown", last_seen_ms=NOW_MS - 2 * DAY_MS), False),
        ("never seen", node_row(state="never seen", last_seen_ms=None), True),
        ("replaced by its restart", node_row(state="lost", replaced_by="x"), False),
    ],
)
def test_what_matters_now_is_apart_from_what_is_history(label: str, row: Any, is_now: bool) -> None:  # noqa: FBT001
    now, former = split([row], NOW_MS)

    assert (now == [row], former == [row]) == (is_now, not is_now), label


def test_nodes_of_one_host_are_told_apart_by_their_ids() -> None:
    rows = [
        node_row("h", node="11111111-1"),
        node_row("h", node="22222222-2"),
        node_row("other", node="33333333-3"),
        node_row(None, node="http://gw:8001", is_place_only=True),
    ]

    assert list(called(rows).values()) == ["h 11111111", "h 22222222", "other", "http://gw:8001"]


@pytest.mark.parametrize(
    ("label", "changes", "expected"),
    [
        ("a database has none", {}, ("in the database", "", "faint")),
        ("nothing known", {"role": None}, ("", "", "")),
        ("never configured", {"config_hash": EMPTY_HASH}, ("none yet", "never received one", "high")),
        ("alone", {"config_hash": HASH_A, "expected_hash": HASH_A, "fleet_nodes": 1}, ("aaaaaaaa", "", "")),
        (
            "as the others",
            {"config_hash": HASH_A, "expected_hash": HASH_A, "fleet_nodes": 3},
            ("✓ aaaaaaaa", "as its fleet", ""),
        ),
        (
            "unlike the others",
            {"config_hash": HASH_A, "expected_hash": HASH_B, "fleet_nodes": 3},
            ("≠ aaaaaaaa", "fleet has bbbbbbbb", "high"),
        ),
    ],
)
def test_a_configuration_is_told_against_the_fleet(
    label: str, changes: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert config_words(node_row(**changes)) == expected, label


def test_what_no_plugin_tells_is_unknown_not_zero() -> None:
    assert dropped_words({}) == (None, "")
    assert dropped_words({"plugin_version": "0.1.0"}) == (0, "")
    assert dropped_words({"plugin_version": "0.1.0", "dropped": {"cache": 7, "odd": 1}}) == (
        8,
        "7 cache events, 1 odd",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"state": "late"}, ["because gw-1 is late"]),
        ({"facts": {"database_reachable": False}}, ["it cannot reach its database"]),
        ({"facts": {"clock_off_ms": 95_000}}, ["its clock is 1 min 35 s ahead"]),
        ({"facts": {"clock_off_ms": -95_000}}, ["its clock is 1 min 35 s behind"]),
        ({"facts": {"lag_ms": 45_000}}, ["its clock is 45 s behind, or its events are late"]),
        ({"facts": {"has_our_plugin": False}}, ["our plugin is not loaded"]),
        ({"facts": {"has_our_plugin": False, "plugin_version": "0.1.0"}}, []),
        (
            {"feeds": (feed("admin-api", 90, problem="it answers HTTP 403", problem_ms=NOW_MS - 80_000),)},
            ["Admin API poll: it answers HTTP 403 since 1 min 20 s"],
        ),
        ({"restarts": 2, "started_ms": NOW_MS - 120_000}, ["started again 2 min ago"]),
        ({"restarts": 2, "started_ms": NOW_MS - 2 * DAY_MS}, []),
    ],
)
def test_remarks(changes: dict[str, Any], expected: list[str]) -> None:
    assert remarks(node_row(**changes), NOW_MS) == expected


def test_what_is_wrong_beside_the_state_is_marked() -> None:
    assert is_ill(node_row(facts={"database_reachable": False}))
    assert is_ill(node_row(facts={"lag_ms": -31_000}))
    assert not is_ill(node_row(facts={"has_our_plugin": False}))


def target(node: str | None = "id-gw-1", health: str = "healthy", **more: Any) -> TargetRow:
    values: dict[str, Any] = {
        "node": node,
        "upstream": "orders",
        "target": "10.0.0.1:80",
        "health": health,
        "since_ms": NOW_MS - 600 * S,
        "first_ms": NOW_MS - 600 * S,
        "confirmed_ms": NOW_MS - S,
    }
    return TargetRow(**(values | more))


def change(age_s: int, health: str, node: str | None = "id-gw-1") -> TargetChange:
    return TargetChange(
        at_ms=NOW_MS - age_s * S, node=node, upstream="orders", target="10.0.0.1:80", health=health
    )


def line(row: TargetRow, changes: list[TargetChange], *spans: Any, nodes: Any = None) -> Any:
    (found,) = target_lines(
        Targets(now=(row,), changes=tuple(changes), is_cut=False),
        nodes or [node_row()],
        spans_by_node(spans),
        WINDOW,
        NOW_MS,
    )
    return found


def pieces(found: Any) -> list[tuple[int, int, str]]:
    return [((NOW_MS - s.from_ms) // S, (NOW_MS - s.to_ms) // S, s.health) for s in found.spans]


def test_a_target_that_never_changed_is_one_piece_from_when_it_was_known() -> None:
    found = line(target(first_ms=NOW_MS - 100 * S, since_ms=NOW_MS - 100 * S), [])

    assert pieces(found) == [(100, 0, "healthy")]
    assert found.changes == 0


def test_a_target_has_the_health_of_its_last_change_before_the_window() -> None:
    found = line(target(), [change(500, "unhealthy"), change(90, "healthy")])

    assert pieces(found) == [(240, 90, "unhealthy"), (90, 0, "healthy")]
    assert found.changes == 1


def test_before_its_first_change_a_target_was_healthy_only_since_it_was_known() -> None:
    known = target(health="unhealthy", first_ms=NOW_MS - 200 * S, since_ms=NOW_MS - 90 * S)
    at_once = target(health="unhealthy", first_ms=NOW_MS - 90 * S, since_ms=NOW_MS - 90 * S)

    assert pieces(line(known, [change(90, "unhealthy")])) == [(200, 90, "healthy"), (90, 0, "unhealthy")]
    assert pieces(line(at_once, [change(90, "unhealthy")])) == [(90, 0, "unhealthy")]


def test_nothing_shows_a_target_healthy_while_its_node_is_not_there() -> None:
    lost = node_row(state="lost", last_seen_ms=NOW_MS - 130 * S)
    found = line(
        target(),
        [],
        span("id-gw-1", 240, 100),
        span("id-gw-1", 100, 40, "late"),
        span("id-gw-1", 40, 1, "lost"),
        nodes=[lost],
    )

    assert pieces(found) == [(240, 100, "healthy"), (100, 40, "unknown"), (40, 0, "unknown")]
    assert (found.health, NOW_MS - found.since_ms) == ("unknown", 130 * S)


def test_targets_of_a_node_that_was_replaced_are_left_out() -> None:
    gone = node_row("gw-1", state="lost", replaced_by="id-gw-2")

    found = target_lines(
        Targets(now=(target(), target("id-gw-2")), changes=(), is_cut=False),
        [gone, node_row("gw-2")],
        {},
        WINDOW,
        NOW_MS,
    )

    assert [one.node for one in found] == ["id-gw-2"]


def test_what_is_wrong_comes_first_and_hooks_name_no_node() -> None:
    rows = (
        target(),
        target(upstream="zebra", health="unhealthy"),
        target(None, upstream="payments", health="dns_error"),
    )

    found = target_lines(Targets(now=rows, changes=(), is_cut=False), [node_row()], {}, WINDOW, NOW_MS)

    assert [(one.upstream, one.node_name) for one in found] == [
        ("payments", "any node"),
        ("zebra", "gw-1"),
        ("orders", "gw-1"),
    ]
