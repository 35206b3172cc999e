"""The fleet as it was: states at the end of a span that is over, and nothing that was learned later."""

from __future__ import annotations

from domain.node_states import NodeState
from domain.windows import DAY_MS, Window
from tests.ui.node_rows import HASH_A, S, node_row, span
from tests.ui.scripted_reader import NOW_MS
from ui.nodes_past import fleet_of, witnesses
from ui.nodes_view import spans_by_node

WINDOW = Window(NOW_MS - 200 * S, NOW_MS - 100 * S)


def test_a_node_is_as_it_was_at_the_end_of_the_span_whatever_it_is_now() -> None:
    row = node_row("gw", "live", config_hash=HASH_A, facts={"queue_events": 7})
    spans = spans_by_node(
        [span("id-gw", 200, 150), span("id-gw", 150, 130, "lost"), span("id-gw", 130, 100, "late")]
    )

    (node,) = fleet_of([row], spans, WINDOW)

    assert (node.state, node.worst, node.before) == (NodeState.LATE, NodeState.LOST, NodeState.LOST)
    assert node.live_share == 0.5
    assert (node.row.reason, node.row.since_ms) == ("it was late", NOW_MS - 130 * S)
    assert (node.row.facts, node.row.feeds, node.row.config_hash) == ({}, (), None)
    assert node.row.last_seen_ms is None  # the sign that is known came after the span


def test_a_node_that_came_later_is_not_in_the_span() -> None:
    assert fleet_of([node_row()], {}, WINDOW) == []


def test_ids_that_a_restart_replaced_in_the_span_are_one_node_and_one_restart() -> None:
    old = node_row("gw", "lost", node="n-1", replaced_by="n-2", last_seen_ms=NOW_MS - 160 * S)
    new = node_row("gw", node="n-2", replaces="n-1", restarts=1, started_ms=NOW_MS - 140 * S)
    spans = spans_by_node([span("n-1", 200, 155), span("n-1", 155, 100, "lost"), span("n-2", 140, 100)])

    (node,) = fleet_of([old, new], spans, WINDOW)

    assert (node.row.node, node.state, node.restarts) == ("n-2", NodeState.LIVE, 1)
    assert [(s.node, s.state) for s in node.spans] == [("n-1", "live"), ("n-1", "lost"), ("n-2", "live")]
    assert {"gw", "n-1", "n-2"} <= node.names
    assert [(row.node, row.state) for row in witnesses([old, new], spans, WINDOW)] == [
        ("n-1", "lost"), ("n-2", "live")
    ]  # fmt: skip


def test_before_its_restart_a_node_was_the_node_of_then() -> None:
    old = node_row("gw", "lost", node="n-1", replaced_by="n-2", last_seen_ms=NOW_MS - 90 * S)
    new = node_row("gw", node="n-2", replaces="n-1", restarts=1, started_ms=NOW_MS - 80 * S)

    (node,) = fleet_of([old, new], spans_by_node([span("n-1", 200, 100)]), WINDOW)

    assert (node.row.node, node.state, node.restarts, node.row.replaced_by) == (
        "n-1",
        NodeState.LIVE,
        0,
        None,
    )


def test_two_days_ago_is_no_reason_to_leave_out_who_was_there_then() -> None:
    then = Window(WINDOW.from_ms - 2 * DAY_MS, WINDOW.to_ms - 2 * DAY_MS)
    row = node_row("gw", "unknown", last_seen_ms=then.to_ms - 10 * S)
    away = 2 * DAY_MS / S

    (node,) = fleet_of([row], spans_by_node([span("id-gw", away + 200, away + 100)]), then)

    assert (node.state, node.row.last_seen_ms) == (NodeState.LIVE, then.to_ms - 10 * S)


def test_who_had_been_gone_for_a_day_by_then_is_left_out() -> None:
    row = node_row("gw", "lost", last_seen_ms=WINDOW.to_ms - DAY_MS - S)

    assert fleet_of([row], spans_by_node([span("id-gw", 200, 100, "lost")]), WINDOW) == []


def test_the_worst_state_comes_first() -> None:
    rows = [node_row("a"), node_row("b"), node_row("c")]
    spans = spans_by_node(
        [span("id-a", 200, 100), span("id-b", 200, 100, "lost"), span("id-c", 200, 100, "unknown")]
    )

    assert [node.row.name for node in fleet_of(rows, spans, WINDOW)] == ["b", "c", "a"]
