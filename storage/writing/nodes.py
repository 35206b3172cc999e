"""Nodes: signs of life in, states and their history out, in the transaction that stores the rest.

`domain.fleet` decides; this reads what it knew, hands it what arrived in order of time, and writes down what
changed. Every change of state that is an event (`node_lost`, ...) is stored as one, with an id made from the
node and the moment, so that it is stored once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import orjson

from domain.errors import excerpt
from domain.events import Event, Kind, NodeSeen
from domain.fleet import Fleet
from domain.node_states import Feed
from domain.nodes import Node, Transition
from domain.windows import DAY_MS
from storage.batches import Batch, SourceBeat
from storage.engine import Connection
from storage.writing.keys import check_text

OWN_SOURCE = "gatewatch"
"""Who tells of changes that nobody told us of."""
OWN_CLOCK_WAYS = ("replay", "admin-api")
"""Ways whose times are the collector's own, or those of a recording: they are taken as they are."""
BELIEVED_LAG_MS = 300_000
"""A sign that is this late is a sign of the moment it arrived: a sender's clock may be off by so much. What
is later was stored somewhere in between, or played back, and tells of the past."""
UNWATCHED_MS = 30_000
"""The collector says every two seconds that it is alive. Where its clock shows more between two such moments,
or less than nothing, it was set, or we did not run: silence in between says nothing about a node."""
SET_BACK_MS = 1_000
"""Clocks that are kept right go back by less."""
MAX_NAMED_NODES = 2_000
MAX_NODES = 10_000
"""Nodes beyond so many are not kept; of those that only events name, fewer: anybody may make up names."""
MAX_NODE_CHARS = 300


class Sign(NamedTuple):
    """A sign, and when it was heard."""

    now_ms: int
    seen: NodeSeen
    stream: str | None = None
    told_ms: int | None = None
    """The moment by the sender's clock, where `seen.at_ms` is by ours."""


class NodeBook:
    """What is known of nodes.

    Args:
        connection: The writer's.
        keep_days: How long past states are kept.
    """

    def __init__(self, connection: Connection, keep_days: int) -> None:
        self._connection = connection
        self._keep_ms = keep_days * DAY_MS
        self._watched_since_ms: int | None = None
        self._watched_ms: int | None = None
        self._signs: list[Sign] = []
        self._held: Fleet | None = None

    def forget(self) -> None:
        """Back to what is on disk, which is read when it is needed."""
        self._signs.clear()
        self._held = None

    @property
    def _fleet(self) -> Fleet:
        if self._held is None:
            clock = self._connection.execute("SELECT beat_ms FROM collector_status").fetchone()
            bodies = self._connection.execute("SELECT body FROM known_nodes").fetchall()
            nodes = [msgspec.json.decode(body, type=Node) for (body,) in bodies]
            self._held = Fleet(nodes, clock[0] if clock else None, self._watched_since_ms)
        return self._held

    # ---- what arrives

    def take(self, batch: Batch) -> None:
        """Note the signs in a batch; `hear` acts on them."""
        if batch.way not in OWN_CLOCK_WAYS:
            self._notice(batch.received_ms)
        for seen in (*batch.decoded.nodes, *_named_in(batch)):
            _check(seen)
            self._signs.append(_sign_of(seen, batch))

    def take_beat(self, beat: SourceBeat) -> None:
        """Note that a stream is open, or was closed."""
        self._notice(beat.at_ms)
        if beat.node_id is None:
            return
        seen = NodeSeen(
            at_ms=beat.at_ms,
            via=Feed.STREAM,
            node=beat.node_id,
            answered=beat.connected,
            why=None if beat.connected else "its stream is closed",
            hostname=beat.hostname,
            version=beat.version,
        )
        _check(seen)
        self._signs.append(Sign(beat.at_ms, seen, beat.source))

    def hear(self) -> list[Event]:
        """Act on what was taken, in order of time; returns the events that follow."""
        if not self._signs:
            return []
        self._fleet.starts.clear()
        for sign in sorted(self._signs, key=lambda sign: sign.now_ms):
            most = MAX_NAMED_NODES if sign.seen.via == Feed.EVENTS else MAX_NODES
            if not self._has_room(sign.seen.node or sign.seen.address, most):
                continue
            self._fleet.hear(sign.seen, sign.now_ms, sign.stream, sign.told_ms)
        self._signs.clear()
        return self._write_down()

    def watch(self, now_ms: int) -> list[Event]:
        """The collector is alive, and time has passed; returns the events that follow.

        Call it before the new status is written: the old one says until when the nodes were watched.
        """
        if self._watched_since_ms is None:
            self._resume(now_ms)
        self._notice(now_ms)
        self._fleet.advance(now_ms)
        self._watched_ms = now_ms
        return self._write_down()

    def _notice(self, now_ms: int) -> None:
        """See whether the clock was set since the last look; not where a recording is played."""
        if self._watched_ms is not None and not (-SET_BACK_MS <= now_ms - self._watched_ms <= UNWATCHED_MS):
            self._resume(now_ms)

    def _resume(self, now_ms: int) -> None:
        self._fleet.resume(now_ms)
        self._watched_since_ms = self._watched_ms = now_ms

    def is_news(self, event: Event) -> bool:
        """Whether an event tells something new: a start that was told or inferred before does not."""
        if event.event != "node_started" or event.kind != Kind.CLUSTER or event.node is None:
            return True
        return self._fleet.starts.get((event.node, event.at_ms), True)

    def prune(self, now_ms: int, most: int) -> int:
        """Remove states that ended too long ago; returns how many went."""
        before_ms = now_ms - self._keep_ms
        if most <= 0:
            return 0
        return self._connection.execute(
            "DELETE FROM node_states WHERE (node, at_ms, state) IN (SELECT s.node, s.at_ms, s.state"
            " FROM node_states s WHERE s.at_ms < ? AND EXISTS (SELECT 1 FROM node_states n"
            " WHERE n.node = s.node AND n.at_ms > s.at_ms AND n.at_ms < ?) LIMIT ?)",
            (before_ms, before_ms, most),
        ).rowcount

    # ---- inside

    def _has_room(self, node: str | None, most: int) -> bool:
        return node in self._fleet.nodes or len(self._fleet.nodes) < most

    def _write_down(self) -> list[Event]:
        fleet = self._fleet
        transitions = fleet.drain()
        self._connection.executemany(
            "INSERT INTO node_states VALUES (?, ?, ?, ?)"
            " ON CONFLICT (node, at_ms, state) DO UPDATE SET reason = excluded.reason",
            [(t.node, t.at_ms, t.after, t.reason) for t in transitions if t.before is not t.after],
        )
        for place in fleet.removed:
            for table in ("known_nodes", "node_states"):
                self._connection.execute(f"DELETE FROM {table} WHERE node = ?", (place,))
        self._connection.executemany(
            "INSERT INTO known_nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (node) DO UPDATE SET"
            " hostname = excluded.hostname, version = excluded.version, state = excluded.state,"
            " since_ms = excluded.since_ms, last_seen_ms = excluded.last_seen_ms,"
            " config_hash = excluded.config_hash, body = excluded.body",
            [_row(fleet.nodes[name]) for name in sorted(fleet.changed) if name in fleet.nodes],
        )
        fleet.changed.clear()
        fleet.removed.clear()
        return [_event_of(transition) for transition in transitions if transition.event is not None]


def _row(node: Node) -> tuple[object, ...]:
    body = msgspec.json.encode(node).decode("utf-8")
    return (
        node.node,
        node.hostname,
        node.version,
        node.state.value,
        node.since_ms,
        node.last_seen_ms,
        node.config_hash,
        body,
    )


def _check(seen: NodeSeen) -> None:
    """Refuse what could not be written down later.

    Raises:
        ValueError: A text that cannot be stored.
    """
    for value in (
        seen.node,
        seen.address,
        seen.hostname,
        seen.version,
        seen.role,
        seen.config_hash,
        seen.why,
    ):
        if value is not None:
            check_text(value, MAX_NODE_CHARS)
    msgspec.json.encode((seen.facts, seen.labels))


def _is_storable(node: str) -> bool:
    try:
        check_text(node, MAX_NODE_CHARS)
    except ValueError:
        return False
    return True


def _sign_of(seen: NodeSeen, batch: Batch) -> Sign:
    if batch.way in OWN_CLOCK_WAYS:
        return Sign(seen.asked_ms or seen.at_ms, seen)
    if seen.via == Feed.DATA_PLANES:  # what was told is how long ago the control plane heard of it
        age_ms = max(0, (seen.asked_ms or batch.received_ms) - seen.at_ms)
        told = msgspec.structs.replace(seen, at_ms=batch.received_ms - age_ms)
        return Sign(batch.received_ms, told)
    lag_ms = batch.received_ms - seen.at_ms
    if lag_ms > BELIEVED_LAG_MS:
        return Sign(batch.received_ms, seen)
    facts = {**seen.facts, "lag_ms": lag_ms} if seen.via == Feed.HEARTBEAT else seen.facts
    by_our_clock = msgspec.structs.replace(seen, at_ms=batch.received_ms, facts=facts)
    return Sign(batch.received_ms, by_our_clock, told_ms=seen.at_ms)


def _named_in(batch: Batch) -> Iterator[NodeSeen]:
    """One sign per node that something in a batch names; what cannot be stored is refused elsewhere."""
    newest: dict[str, int] = {}
    events = ((event.node, event.at_ms) for event in batch.decoded.events)
    traffic = ((item.node, item.at_ms) for item in batch.decoded.traffic)
    for node, at_ms in (*events, *traffic):
        if node is not None and isinstance(at_ms, int) and at_ms >= newest.get(node, 0):
            newest[node] = at_ms
    for node, at_ms in newest.items():
        if not _is_storable(node):
            continue
        yield NodeSeen(at_ms=at_ms, via=Feed.EVENTS, node=node)


def _event_of(transition: Transition) -> Event:
    told = {
        "kind": Kind.CLUSTER.value,
        "event": transition.event,
        "node": transition.node,
        "hostname": transition.hostname,
        "state": transition.after.value,
        "before": transition.before.value if transition.before else None,
        "reason": transition.reason,
        "last_seen_ms": transition.last_seen_ms,
    }
    return Event(
        id=f"{transition.event}:{transition.node}:{transition.at_ms}",
        kind=Kind.CLUSTER.value,
        event=transition.event or "",
        at_ms=transition.at_ms,
        node=transition.node,
        entity_type="nodes",
        entity_id=transition.node,
        entity_name=transition.hostname,
        evidence=excerpt(transition.reason),
        payload=orjson.dumps({name: value for name, value in told.items() if value is not None}),
    )
