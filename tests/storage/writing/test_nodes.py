"""Nodes in the store: what arrives in any order becomes states, a history, and events that happen once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.events import Decoded, Event, NodeSeen, Traffic
from storage.batches import Batch, CollectorStatus, SourceBeat
from storage.sqlite_store import SqliteStore
from tests.storage.filling import NOW_MS, opened, row, rows

S = 1_000
STATUS = CollectorStatus(pid=1, version="0", started_ms=0, beat_ms=0, ws="w", http="h", state="ok", detail="")
STATES = "SELECT node, (at_ms - ?) / 1000, state FROM node_states ORDER BY at_ms, node"
EVENTS = (
    "SELECT (e.at_ms - ?) / 1000, t.event, k.value FROM events e JOIN event_types t USING (type_id)"
    " JOIN keys k ON k.key_id = e.node WHERE t.event LIKE 'node_%' ORDER BY e.at_ms, e.seq"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def beats(store: SqliteStore, *, until_s: int, from_s: int = 0) -> None:
    """The collector says that it lives, every two seconds."""
    for second in range(from_s, until_s + 1, 2):
        store.beat(NOW_MS + second * S, STATUS)


def sign(node: str | None = "n-1", at_s: float = 0, via: str = "heartbeat", **more: Any) -> NodeSeen:
    return NodeSeen(at_ms=NOW_MS + round(at_s * S), via=via, node=node, **more)


def batch(*signs: NodeSeen, at_s: float | None = None, way: str = "stream", **more: Any) -> Batch:
    received_ms = max((s.at_ms for s in signs), default=NOW_MS) if at_s is None else NOW_MS + round(at_s * S)
    decoded = Decoded(nodes=list(signs), **more)
    return Batch(source="gw-1/0", way=way, received_ms=received_ms, decoded=decoded)


def fail_after_hearing(store: SqliteStore, seen: NodeSeen) -> None:
    with store._one_transaction():
        store._books.nodes.take(batch(seen))
        store._books.nodes.hear()
        raise ZeroDivisionError


def test_a_killed_node_is_late_then_lost_while_the_collector_beats(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([batch(sign(at_s=1))])
        beats(store, from_s=2, until_s=120)

    assert rows(path, STATES, NOW_MS) == [("n-1", 1, "live"), ("n-1", 31, "late"), ("n-1", 91, "lost")]
    assert rows(path, EVENTS, NOW_MS) == [(91, "node_lost", "n-1")]


def test_the_view_holds_the_promised_columns(path: Path) -> None:
    with opened(path) as store:
        store.write([batch(sign(hostname="gw", version="3.9.3", config_hash="a" * 32), way="replay")])

    found = row(path, "SELECT node, hostname, version, state, last_seen_ms, config_hash FROM nodes")
    assert found == ("n-1", "gw", "3.9.3", "live", NOW_MS, "a" * 32)


def test_where_the_collector_is_gone_nobody_is_shown_live(path: Path) -> None:
    """The beat of the test is of 2027; one of 1970 is long ago."""
    with opened(path) as store:
        store.write([batch(sign(), way="replay")])
        assert row(path, "SELECT state FROM nodes") == ("live",)
        store._connection.execute("INSERT INTO collector_status VALUES (1, 0, '{}')")

    assert row(path, "SELECT state FROM nodes") == ("unknown",)


def test_a_recording_of_the_past_makes_nobody_live(path: Path) -> None:
    """No collector ever ran on the file, so the newest arrival is when somebody last listened."""
    address = "http://gw-2:8001"
    old = sign("n-1", at_s=-1_000_000_000, hostname="gw")
    nobody = sign(None, -1_000_000_000, via="admin-api", address=address, answered=False, why="refused")
    with opened(path) as store:
        store.write([batch(old, nobody, way="replay")])

    assert rows(path, "SELECT node, state FROM known_nodes ORDER BY node") == [
        (address, "never seen"), ("n-1", "live")
    ]  # fmt: skip
    assert rows(path, "SELECT node, state FROM nodes ORDER BY node") == [
        (address, "never seen"), ("n-1", "unknown")
    ]  # fmt: skip


def test_a_collector_that_beats_vouches_for_the_states(path: Path) -> None:
    with opened(path) as store:
        store.write([batch(sign(at_s=-1_000_000_000), way="replay")])
        store._connection.execute(
            "INSERT INTO collector_status VALUES (1, (SELECT strftime('%s', 'now') * 1000 - 20000), '{}')"
        )

    assert row(path, "SELECT state FROM nodes") == ("live",)


def test_several_ways_are_heard_in_order_of_time_within_a_transaction(path: Path) -> None:
    later = batch(sign(at_s=60), way="replay")
    earlier = batch(sign(at_s=0), sign(at_s=20), way="replay")
    with opened(path) as store:
        store.write([later, earlier])

    assert rows(path, STATES, NOW_MS) == [("n-1", 0, "live"), ("n-1", 50, "late"), ("n-1", 60, "live")]


def test_a_senders_clock_does_not_decide_who_is_there(path: Path) -> None:
    with opened(path) as store:
        store.write([batch(sign(at_s=-200), at_s=0)])
        store.beat(NOW_MS, STATUS)

    assert row(path, "SELECT state, last_seen_ms FROM known_nodes") == ("live", NOW_MS)


def test_an_old_event_that_is_sent_now_is_no_sign_of_now(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([batch(sign(at_s=-3_600), at_s=0)])
        beats(store, until_s=100)

    assert [state for _, _, state in rows(path, STATES, NOW_MS)] == ["unknown", "late", "lost"]


def test_how_far_a_heartbeat_lags_is_kept(path: Path) -> None:
    with opened(path) as store:
        store.write([batch(sign(at_s=-40), at_s=0)])

    assert '"lag_ms":40000' in row(path, "SELECT body FROM known_nodes")[0]


def test_a_start_that_is_told_twice_or_was_inferred_is_one_event(path: Path) -> None:
    def started(event_id: str, at_s: int) -> Batch:
        event = Event(id=event_id, kind="cluster", event="node_started", at_ms=NOW_MS + at_s * S, node="n-2")
        return batch(sign("n-2", at_s, via="started"), events=[event])

    address = {"via": "admin-api", "address": "http://gw:8001"}
    with opened(path) as store:
        store.write([batch(sign("n-1", 0, **address), way="admin-api")])
        store.write([batch(sign("n-2", 10, **address), way="admin-api")])
        written = store.write([started("plugin-1", 9), started("plugin-2", 9)])

    assert rows(path, EVENTS, NOW_MS) == [(10, "node_lost", "n-1"), (10, "node_started", "n-2")]
    assert [w.duplicates for w in written] == [1, 1]


def test_a_node_that_only_events_name_is_unknown(path: Path) -> None:
    event = Event(id="e", kind="plugin", event="x", at_ms=NOW_MS, node="n-9")
    traffic = Traffic(fingerprint=1, at_ms=NOW_MS + S, status=200, node="n-9")
    with opened(path) as store:
        store.write([batch(events=[event], traffic=[traffic], at_s=1)])

    assert row(path, "SELECT node, state, last_seen_ms FROM nodes") == ("n-9", "unknown", NOW_MS + S)


def test_names_made_up_by_events_do_not_fill_the_list(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.writing.nodes.MAX_NAMED_NODES", 3)
    named = [Event(id=f"e{i}", kind="plugin", event="x", at_ms=NOW_MS, node=f"n-{i}") for i in range(9)]
    with opened(path) as store:
        store.write([batch(events=named)])
        store.write([batch(sign("real"))])

    assert row(path, "SELECT count(*) FROM nodes") == (4,)


def test_a_sign_that_cannot_be_stored_spoils_nothing(path: Path) -> None:
    with opened(path) as store:
        written = store.write([batch(sign(hostname="\ud800")), batch(sign("n-2"))])

    assert [w.events for w in written] == [0, 0]
    assert rows(path, "SELECT node FROM nodes") == [("n-2",)]
    assert "a sign of life" in row(path, "SELECT why FROM quarantine")[0]


def test_a_stream_beat_is_a_sign_of_a_node_without_heartbeats(path: Path) -> None:
    beat = SourceBeat(source="s", way="stream", connected=True, at_ms=NOW_MS, node_id="n-1", hostname="gw")
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([], [beat])
        beats(store, from_s=2, until_s=70)

    assert rows(path, STATES, NOW_MS) == [("n-1", 0, "live"), ("n-1", 60, "late")]


def test_after_a_pause_the_time_of_the_pause_is_unknown(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([batch(sign(at_s=1))])
        beats(store, from_s=2, until_s=10)
    with opened(path) as store:
        beats(store, from_s=3_600, until_s=3_640)

    assert rows(path, STATES, NOW_MS) == [("n-1", 1, "live"), ("n-1", 10, "unknown"), ("n-1", 3_630, "late")]


def test_after_a_failed_transaction_nodes_are_as_they_were(path: Path) -> None:
    with opened(path) as store:
        store.beat(NOW_MS, STATUS)
        store.write([batch(sign(at_s=1))])
        with pytest.raises(ZeroDivisionError):
            fail_after_hearing(store, sign(at_s=25))

        beats(store, from_s=2, until_s=40)

    assert rows(path, STATES, NOW_MS) == [("n-1", 1, "live"), ("n-1", 31, "late")]


def test_a_resend_that_was_acknowledged_is_no_sign(path: Path) -> None:
    numbered = {"epoch": "e", "first": 1, "upto": 1}
    first = Batch(source="s", way="stream", received_ms=NOW_MS, decoded=Decoded(nodes=[sign()]), **numbered)
    again = Batch(source="s", way="stream", received_ms=NOW_MS + 99 * S, decoded=first.decoded, **numbered)
    with opened(path) as store:
        store.write([first])
        store.write([again])

    assert row(path, "SELECT last_seen_ms FROM nodes") == (NOW_MS,)


def test_an_address_stands_for_its_node_until_that_is_known(path: Path) -> None:
    nobody = sign(None, 0, via="admin-api", address="http://gw:8001", answered=False, why="refused")
    with opened(path) as store:
        store.write([batch(nobody, way="admin-api")])
        before = rows(path, "SELECT node, state FROM nodes")
        store.write([batch(sign("n-1", 5, via="admin-api", address="http://gw:8001"), way="admin-api")])

    assert before == [("http://gw:8001", "never seen")]
    assert rows(path, "SELECT node, state FROM nodes") == [("n-1", "live")]
    assert {node for node, _, _ in rows(path, STATES, NOW_MS)} == {"n-1"}


def test_old_states_are_cleared_away_but_the_last_one_of_each_node(path: Path) -> None:
    with opened(path) as store:
        for second in (0, 100, 200):
            store.write([batch(sign(at_s=second), way="replay")])
        gone = store.prune(NOW_MS + 91 * 86_400 * S, 1_000)

    assert gone > 0
    assert rows(path, STATES, NOW_MS) == [("n-1", 200, "live")]


@pytest.mark.parametrize("is_told_first", [False, True], ids=["by the beat", "by a sign"])
def test_a_clock_set_forward_by_an_hour_loses_no_node(path: Path, *, is_told_first: bool) -> None:
    """Nobody listened in an hour that did not pass: nodes are unknown in it, live with their next sign."""
    hour_s = 3_600
    with opened(path) as store:
        beats(store, until_s=10)
        store.write([batch(sign("n-1", 10), sign("n-2", 10))])
        if not is_told_first:
            beats(store, from_s=hour_s, until_s=hour_s + 2)
        store.write([batch(sign("n-1", hour_s + 3))])
        beats(store, from_s=hour_s + 4, until_s=hour_s + 20)
        store.write([batch(sign("n-2", hour_s + 20))])
        beats(store, from_s=hour_s + 22, until_s=hour_s + 30)

    assert rows(path, EVENTS, NOW_MS) == []
    assert {state for _, _, state in rows(path, STATES, NOW_MS)} == {"live", "unknown"}
    assert rows(path, "SELECT node, state FROM nodes ORDER BY node") == [("n-1", "live"), ("n-2", "live")]


def test_a_clock_set_back_by_an_hour_keeps_no_silent_node_alive(path: Path) -> None:
    """It was heard in what is the future now: its silence counts from the step, not from there."""
    hour_s = 3_600
    with opened(path) as store:
        beats(store, from_s=hour_s, until_s=hour_s + 10)
        store.write([batch(sign("n-1", hour_s + 10), sign("n-2", hour_s + 10))])
        beats(store, from_s=12, until_s=20)
        for second in range(20, 140, 10):
            store.write([batch(sign("n-2", second))])
            beats(store, from_s=second, until_s=second + 8)

    states = dict(rows(path, "SELECT node, state FROM nodes"))
    assert states == {"n-1": "lost", "n-2": "live"}
    assert row(path, "SELECT max(last_seen_ms) FROM nodes")[0] < NOW_MS + hour_s * S
