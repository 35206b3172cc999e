from __future__ import annotations

from typing import Any

import pytest

from domain.events import NodeSeen
from domain.fleet import Fleet
from domain.node_states import EMPTY_HASH, NodeState
from domain.nodes import Node, Transition

T = 1_795_384_629_000
S = 1_000


def heartbeat(node: str, at_ms: int, **more: Any) -> NodeSeen:
    return NodeSeen(at_ms=at_ms, via="heartbeat", node=node, **more)


def answer(node: str, at_ms: int, address: str = "http://gw-1:8001", **more: Any) -> NodeSeen:
    return NodeSeen(at_ms=at_ms, via="admin-api", node=node, address=address, **more)


def no_answer(at_ms: int, address: str = "http://gw-1:8001", why: str = "connection refused") -> NodeSeen:
    return NodeSeen(at_ms=at_ms, via="admin-api", answered=False, address=address, why=why)


def row(node: str, last_ms: int, **more: Any) -> NodeSeen:
    return NodeSeen(at_ms=last_ms, via="data-planes", node=node, address="http://cp:8001", **more)


def heard(fleet: Fleet, *signs: NodeSeen, stream: str | None = None) -> Fleet:
    for sign in signs:
        fleet.hear(sign, sign.at_ms, stream)
    return fleet


def states(fleet: Fleet, node: str) -> list[tuple[str, int]]:
    """The moves of one node: (state, seconds after T)."""
    return [(t.after.value, (t.at_ms - T) // S) for t in fleet.drain() if t.node == node and _is_move(t)]


def _is_move(transition: Transition) -> bool:
    return transition.before is not transition.after


def events(fleet: Fleet) -> list[tuple[str, str]]:
    return [(t.node, t.event) for t in fleet.drain() if t.event is not None]


def test_a_killed_node_is_late_then_lost_at_the_documented_seconds() -> None:
    fleet = heard(Fleet(), heartbeat("n", T), heartbeat("n", T + 10 * S))

    fleet.advance(T + 1_000 * S)

    assert states(fleet, "n") == [("live", 0), ("late", 40), ("lost", 100)]


def test_a_clock_that_jumps_shows_the_same_moments_as_one_that_ticks() -> None:
    jumping, ticking = (heard(Fleet(), heartbeat("n", T)) for _ in range(2))

    jumping.advance(T + 200 * S)
    for second in range(201):
        ticking.advance(T + second * S)

    assert states(jumping, "n") == states(ticking, "n")


def test_nothing_makes_a_silent_node_live_again_but_a_sign() -> None:
    fleet = heard(Fleet(), heartbeat("n", T))
    fleet.advance(T + 95 * S)

    for second in range(100, 4_000, 100):
        fleet.advance(T + second * S)
        heard(fleet, no_answer(T + second * S), NodeSeen(at_ms=T + second * S, via="events", node="n"))
        assert fleet.nodes["n"].state is NodeState.LOST


def test_losing_and_finding_a_node_are_one_event_each() -> None:
    fleet = heard(Fleet(), heartbeat("n", T))
    fleet.advance(T + 100 * S)
    fleet.advance(T + 200 * S)

    heard(fleet, heartbeat("n", T + 300 * S), heartbeat("n", T + 310 * S))

    assert events(fleet) == [("n", "node_lost"), ("n", "node_recovered")]


def test_being_late_for_a_moment_is_history_but_no_event() -> None:
    fleet = heard(Fleet(), heartbeat("n", T), heartbeat("n", T + 35 * S))

    transitions = fleet.drain()

    assert [t.after for t in transitions] == [NodeState.LIVE, NodeState.LATE, NodeState.LIVE]
    assert not [t for t in transitions if t.event]


def test_a_node_without_a_feed_is_unknown() -> None:
    fleet = heard(Fleet(), NodeSeen(at_ms=T, via="events", node="n"))

    fleet.advance(T + 10_000 * S)

    assert states(fleet, "n") == [("unknown", 0)]
    assert fleet.nodes["n"].reason == "no heartbeat and no Admin API poll tells whether it runs"


def test_an_address_that_never_answered_is_never_seen_until_it_does() -> None:
    fleet = heard(Fleet(), no_answer(T), no_answer(T + 5 * S))
    assert [n.state for n in fleet.nodes.values()] == [NodeState.NEVER_SEEN]
    assert fleet.nodes["http://gw-1:8001"].is_place_only

    heard(fleet, answer("n", T + 10 * S))

    assert {n.node: n.state for n in fleet.nodes.values()} == {"n": NodeState.LIVE}
    assert fleet.removed == {"http://gw-1:8001"}


def test_a_failed_poll_is_silence_until_the_silence_is_long_enough() -> None:
    fleet = heard(Fleet(), answer("n", T))
    found = []

    for second in range(5, 60, 5):
        heard(fleet, no_answer(T + second * S))
        found.append(fleet.nodes["n"].state.value)

    assert found == ["live"] * 2 + ["late"] * 6 + ["lost"] * 3
    assert states(fleet, "n") == [("live", 0), ("late", 15), ("lost", 45)]


def test_a_poll_that_is_not_allowed_makes_the_node_unknown_at_once() -> None:
    fleet = heard(Fleet(), answer("n", T))
    barred = NodeSeen(
        at_ms=T + 5 * S,
        via="admin-api",
        answered=False,
        address="http://gw-1:8001",
        why="it answers 403",
        is_telling=False,
    )

    heard(fleet, barred)

    assert fleet.nodes["n"].state is NodeState.UNKNOWN
    assert fleet.nodes["n"].reason == "it cannot be asked: it answers 403"


def test_a_new_id_at_the_same_address_is_a_restart() -> None:
    fleet = heard(Fleet(), answer("old", T, hostname="gw"), answer("new", T + 5 * S, hostname="gw"))

    old, new = fleet.nodes["old"], fleet.nodes["new"]

    assert (old.state, old.replaced_by) == (NodeState.LOST, "new")
    assert (new.state, new.replaces, new.restarts) == (NodeState.LIVE, "old", 1)
    assert events(fleet) == [("old", "node_lost"), ("new", "node_started")]


def test_a_new_id_on_the_same_stream_is_a_restart_whichever_worker_speaks() -> None:
    fleet = heard(Fleet(), heartbeat("old", T), stream="gw-1/0")

    heard(fleet, heartbeat("new", T + 5 * S), stream="gw-1/1")

    assert fleet.nodes["old"].replaced_by == "new"


def test_two_nodes_of_one_host_with_addresses_of_their_own_are_two_nodes() -> None:
    fleet = heard(
        Fleet(),
        answer("a", T, "http://h:8001", hostname="h"),
        answer("b", T, "http://h:8101", hostname="h"),
    )

    heard(fleet, *[no_answer(T + s * S, "http://h:8101") for s in range(5, 50, 5)])
    heard(fleet, answer("b2", T + 50 * S, "http://h:8101", hostname="h"))

    assert fleet.nodes["a"].replaced_by is None
    assert fleet.nodes["b"].replaced_by == "b2"
    assert fleet.nodes["b2"].restarts == 1


def test_by_host_name_alone_only_a_silent_node_is_taken_for_restarted() -> None:
    fleet = heard(Fleet(), row("old", T, hostname="h"))
    fleet.hear(row("new", T + 20 * S, hostname="h"), T + 20 * S)
    assert fleet.nodes["old"].replaced_by is None

    for second in (30, 46):
        fleet.hear(row("new", T + second * S, hostname="h"), T + second * S)
        fleet.hear(row("old", T, hostname="h"), T + second * S)

    assert fleet.nodes["old"].replaced_by == "new"


def test_a_host_name_that_two_silent_nodes_share_decides_nothing() -> None:
    fleet = heard(Fleet(), row("one", T, hostname="h"), row("two", T, hostname="h"))

    fleet.hear(row("new", T + 100 * S, hostname="h"), T + 100 * S)

    assert {n.replaced_by for n in fleet.nodes.values()} == {None}


def test_an_address_where_several_nodes_answer_by_turns_restarts_nobody() -> None:
    fleet = Fleet()
    for second in range(0, 600, 5):
        heard(fleet, answer("a" if second % 10 else "b", T + second * S, "http://balancer:8001"))
    started = [e for e in events(fleet) if e[1] == "node_started"]

    assert {n.state for n in fleet.nodes.values()} == {NodeState.LIVE}
    assert {n.replaced_by for n in fleet.nodes.values()} == {None}
    assert sum(n.restarts for n in fleet.nodes.values()) == 0
    assert len(started) <= 1


def test_a_start_is_told_once_by_the_node_or_inferred_once() -> None:
    def started(node: str, second: int) -> NodeSeen:
        return NodeSeen(at_ms=T + second * S, via="started", node=node)

    inferred = heard(Fleet(), answer("old", T), answer("new", T + 5 * S), started("new", 4))
    told = heard(Fleet(), started("n", 0), started("n", 1), started("n", 60))  # the last is a reload

    assert inferred.starts == {("new", T + 4 * S): False}
    assert told.starts == {("n", T): True, ("n", T + S): False, ("n", T + 60 * S): False}


def test_a_data_plane_that_keeps_its_id_counts_its_restarts() -> None:
    fleet = Fleet()

    for second in (0, 1, 600, 1_200):
        heard(fleet, NodeSeen(at_ms=T + second * S, via="started", node="dp", role="data_plane"))

    assert fleet.nodes["dp"].restarts == 2


def test_a_dead_row_is_lost_from_the_start_and_no_event() -> None:
    fleet = Fleet()

    fleet.hear(row("dp", T - 32 * 3_600 * S, sync_status="normal"), T)

    assert fleet.nodes["dp"].state is NodeState.LOST
    assert events(fleet) == []


def test_sync_status_normal_keeps_nobody_alive() -> None:
    fleet = Fleet()
    fleet.hear(row("dp", T, sync_status="normal"), T)

    for second in range(5, 200, 5):
        fleet.hear(row("dp", T, sync_status="normal"), T + second * S)

    assert states(fleet, "dp") == [("live", 0), ("late", 45), ("lost", 90)]


def test_silence_of_a_control_plane_is_not_silence_of_its_data_planes() -> None:
    """Their rows cannot be read, so nothing is known of them: not late, not lost."""
    fleet = Fleet()
    fleet.hear(row("dp", T), T)

    fleet.advance(T + 1_000 * S)

    assert states(fleet, "dp") == [("live", 0), ("unknown", 45)]


def test_what_a_control_plane_refuses_is_incompatible_while_it_is_heard() -> None:
    fleet = Fleet()
    fleet.hear(row("dp", T, sync_status="plugin_set_incompatible"), T)
    assert fleet.nodes["dp"].state is NodeState.INCOMPATIBLE

    fleet.hear(row("dp", T, sync_status="plugin_set_incompatible"), T + 50 * S)

    assert fleet.nodes["dp"].state is NodeState.LATE


def test_a_data_plane_newer_than_its_control_plane_is_incompatible() -> None:
    fleet = heard(Fleet(), answer("cp", T, "http://cp:8001", version="3.8.0"))

    fleet.hear(row("dp", T, version="3.9.0", sync_status="normal"), T)

    assert fleet.nodes["dp"].reason == "version 3.9.0 does not fit its control plane, which runs 3.8.0"


def test_a_node_without_a_plugin_that_is_in_use_is_incompatible() -> None:
    fleet = heard(Fleet(), answer("n", T, facts={"plugins_missing": ["mine"]}))

    assert fleet.nodes["n"].state is NodeState.INCOMPATIBLE


@pytest.mark.parametrize("odd", ["0ld", EMPTY_HASH])
def test_a_configuration_that_differs_for_a_minute_is_drift_and_agreeing_ends_it(odd: str) -> None:
    fleet = Fleet()
    for second in range(0, 100, 10):
        at_ms = T + second * S
        heard(fleet, *[heartbeat(n, at_ms, config_hash="new") for n in ("a", "b")])
        heard(fleet, heartbeat("c", at_ms, config_hash=odd))

    heard(fleet, heartbeat("c", T + 100 * S, config_hash="new"))

    assert states(fleet, "c") == [("live", 0), ("drifted", 60), ("live", 100)]


def test_a_push_on_its_way_is_no_drift() -> None:
    fleet = Fleet()
    for second in range(0, 200, 10):
        for place, node in enumerate("abc"):
            found = "new" if second >= 60 + 20 * place else "old"
            heard(fleet, heartbeat(node, T + second * S, config_hash=found))

    assert [t for t in fleet.drain() if t.after is NodeState.DRIFTED] == []


def test_roles_and_control_planes_are_fleets_of_their_own() -> None:
    fleet = Fleet()
    for second in range(0, 200, 10):
        heard(fleet, *[heartbeat(n, T + second * S, config_hash="x", role="dbless") for n in "abc"])
        heard(fleet, heartbeat("dp", T + second * S, config_hash="y", role="data_plane"))

    assert {n.state for n in fleet.nodes.values()} == {NodeState.LIVE}


def test_after_a_pause_nobody_is_late_before_we_have_listened_long_enough() -> None:
    fleet = heard(Fleet(), heartbeat("n", T))
    again = Fleet(fleet.nodes.values(), clock_ms=T + 5 * S)
    again.resume(T + 7_200 * S)

    again.advance(T + 7_400 * S)

    assert states(again, "n") == [("unknown", 5), ("late", 7_230), ("lost", 7_290)]


def test_a_short_pause_leaves_a_live_node_live() -> None:
    fleet = heard(Fleet(), heartbeat("n", T))
    again = Fleet(fleet.nodes.values(), clock_ms=T + 2 * S)

    again.resume(T + 6 * S)

    assert states(again, "n") == []
    assert again.nodes["n"].state is NodeState.LIVE


def test_a_lost_node_stays_lost_through_a_pause_and_is_not_lost_twice() -> None:
    fleet = heard(Fleet(), heartbeat("n", T))
    fleet.advance(T + 100 * S)
    again = Fleet(fleet.nodes.values(), clock_ms=T + 100 * S)
    again.resume(T + 3_600 * S)

    again.advance(T + 7_200 * S)

    assert again.drain() == []


def test_an_address_that_is_not_configured_any_more_is_forgotten_after_a_pause() -> None:
    fleet = heard(Fleet(), no_answer(T))
    again = Fleet(fleet.nodes.values(), clock_ms=T)

    again.resume(T + 60 * S)

    assert again.nodes == {}
    assert again.removed == {"http://gw-1:8001"}


def test_a_sign_from_the_past_changes_neither_state_nor_facts() -> None:
    fleet = heard(Fleet(), heartbeat("n", T, version="3.9.3"))
    fleet.advance(T + 100 * S)
    fleet.drain()

    fleet.hear(heartbeat("n", T - 50 * S, version="3.8.0"), T + 101 * S)

    assert (fleet.nodes["n"].state, fleet.nodes["n"].version) == (NodeState.LOST, "3.9.3")
    assert fleet.drain() == []


def test_a_closed_stream_is_told_of_the_node_and_changes_nothing_before_its_time() -> None:
    fleet = heard(Fleet(), NodeSeen(at_ms=T, via="stream", node="n"))
    closed = NodeSeen(at_ms=T + S, via="stream", node="n", answered=False, why="its stream is closed")

    heard(fleet, closed)
    fleet.advance(T + 70 * S)

    assert states(fleet, "n") == [("live", 0), ("late", 60)]
    assert fleet.nodes["n"].reason == "last answer on its stream 60 s ago; its stream is closed"


def test_an_answer_without_a_name_is_of_the_node_at_that_address() -> None:
    fleet = heard(Fleet(), answer("n", T))
    status = NodeSeen(at_ms=T + S, via="admin-api", address="http://gw-1:8001", database_reachable=False)

    heard(fleet, status, NodeSeen(at_ms=T + S, via="admin-api", address="http://nobody:8001"))

    assert fleet.nodes["n"].facts == {"database_reachable": False}
    assert set(fleet.nodes) == {"n"}


def test_facts_are_kept_from_whoever_tells_them() -> None:
    fleet = heard(
        Fleet(),
        heartbeat("n", T, workers=4, facts={"queue_events": 7}),
        answer("n", T + S, database_reachable=True),
    )

    assert fleet.nodes["n"].facts == {"workers": 4, "queue_events": 7, "database_reachable": True}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ({"queue_events": "7"}, {}),
        ({"queue_events": True}, {}),
        ({"queue_events": 2**60}, {}),
        ({"dropped": [1, 2]}, {}),
        ({"dropped": {"cache": 3, "crud": "many"}}, {"dropped": {"cache": 3}}),
        ({"plugins_missing": "mine"}, {}),
        ({"plugins_missing": ["mine", 7]}, {"plugins_missing": ["mine"]}),
        ({"database_reachable": "no"}, {}),
        ({"certificate_expires_ms": {}}, {}),
        ({"plugin_version": "x" * 301}, {}),
        ({"made_up": 1}, {}),
        ({"dropped": {str(i): 1 for i in range(99)}}, {"dropped": {str(i): 1 for i in range(32)}}),
    ],
)
def test_facts_of_another_type_or_size_than_pages_expect_are_left_out(
    told: dict[str, Any], kept: dict[str, Any]
) -> None:
    """Any sender with a token may tell them."""
    fleet = heard(Fleet(), heartbeat("n", T, facts=told))

    assert fleet.nodes["n"].facts == kept


@pytest.mark.parametrize("every_s", [0, -1.0, 1e308, 86_401.0])
def test_an_interval_that_cannot_be_is_not_believed(every_s: float) -> None:
    fleet = heard(Fleet(), heartbeat("n", T, every_s=every_s))

    fleet.advance(T + 31 * S)

    assert fleet.nodes["n"].state is NodeState.LATE


def test_a_sign_costs_the_same_in_a_large_fleet_as_in_a_small_one() -> None:
    """Looks at nodes are counted, not seconds: every look reads `due_ms`, or the fleet that a node is of."""
    looks = [_looks_per_sign(size) for size in (50, 400)]

    assert looks[1] < 2 * looks[0] + 10


def _looks_per_sign(size: int) -> float:
    looks = 0

    class Watched(Node):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looks
            looks += name in {"due_ms", "control_plane"}
            return super().__getattribute__(name)

    names = [str(i) for i in range(size)]
    fleet = Fleet([Watched(node=name, first_seen_ms=T, since_ms=T, hostname=name) for name in names])
    signs = 0
    for second in range(0, 40, 10):
        for place, name in enumerate(names):
            at_ms = T + second * S + place
            heard(fleet, heartbeat(name, at_ms, config_hash="a" * 32, hostname=name))
            signs += second > 0
        if second == 0:
            looks = 0
    return looks / signs
