"""The health of upstream targets, as each node sees it: what changed, once per node and change.

A change may be told several times: by every worker, by our plugin and by a poll, by an event hook of each
node. What says again what is known already is no news. A poll sees a change up to one round late; the event
of it, when that comes later still, tells of the same change.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec

from domain.events import Event, Kind
from domain.targets import TargetSeen
from storage.engine import Connection
from storage.writing.keys import check_text

_KEEP_TARGET = (
    "INSERT INTO known_targets VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (node, upstream, target) DO UPDATE"
    " SET health = excluded.health, since_ms = excluded.since_ms, first_ms = excluded.first_ms,"
    " confirmed_ms = excluded.confirmed_ms, is_polled = excluded.is_polled"
)
TARGET_EVENTS = ("target_healthy", "target_unhealthy")
SAME_CHANGE_MS = 15_000
"""Three rounds of polls: an event that is so much older than what a poll found is the same change."""
GONE_MS = 60_000
INFERRED_KEPT = 32
"""Changes per target that polls found, remembered for the events of them that come later."""
MAX_CACHED = 20_000
MAX_NAME_CHARS = 300
EVENT_OF = {"healthy": "target_healthy", "unhealthy": "target_unhealthy", "dns_error": "target_unhealthy"}
"""What a poll found -> the event. A target without checks has no health that could change."""
NO_NODE = ""
"""Event hooks do not say which node they come from."""

_Key = tuple[str, str, str]


class Known(NamedTuple):
    """What is known of a target on a node."""

    health: str
    since_ms: int
    first_ms: int
    confirmed_ms: int
    is_polled: int


class TargetBook:
    """The health that each node gave each target last."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[_Key, Known | None] = {}
        self._changed: set[_Key] = set()
        self._names: dict[str, str] = {}
        self._inferred: dict[_Key, deque[tuple[str, int]]] = {}
        self._gone: dict[tuple[str, str], int] = {}
        """(upstream, target) that were deleted, and when: what was asked before does not bring them back."""

    def forget(self) -> None:
        """Back to what is on disk."""
        self._known.clear()
        self._changed.clear()
        self._names.clear()
        self._inferred.clear()
        self._gone.clear()

    def look_again(self) -> None:
        """Another writer changed what is stored; what was heard here stays known."""
        self._known.clear()
        self._names.clear()

    def named(self, event: Event) -> Event:
        """The event, its upstream by name where it came by id and the name is known."""
        if event.event not in TARGET_EVENTS or event.upstream is None:
            return event
        name = self._name_of(event.upstream)
        return event if name == event.upstream else msgspec.structs.replace(event, upstream=name)

    def is_news(self, event: Event) -> bool:
        """Whether an event tells something new; events of other kinds always do."""
        if event.kind == Kind.CRUD and event.operation == "delete":
            self._forget_deleted(event)
        if event.kind != Kind.CLUSTER or event.event not in TARGET_EVENTS:
            return True
        if event.target is None or event.upstream is None or event.health is None:
            return True
        key = self._key(event.node, event.upstream, event.target)
        known = self._find(key)
        if known is None or event.at_ms >= known.since_ms:
            is_same = known is not None and known.health == event.health
            since_ms = known.since_ms if is_same and known is not None else event.at_ms
            first_ms = event.at_ms if known is None else known.first_ms
            self._keep(key, Known(event.health, since_ms, first_ms, event.at_ms, 0))
            return not is_same
        return not any(
            health == event.health and 0 <= since_ms - event.at_ms <= SAME_CHANGE_MS
            for health, since_ms in self._inferred.get(key, ())
        )

    def saw(self, seen: TargetSeen) -> Event | None:
        """Take in what a poll found; returns the event that it is.

        A target that is seen for the first time is an event only if something is wrong with it.

        Raises:
            ValueError: A text that cannot be stored.
        """
        for text in (seen.upstream, seen.target, seen.health, seen.node or ""):
            check_text(text, MAX_NAME_CHARS)
        key = self._key(seen.node, seen.upstream, seen.target)
        if seen.at_ms <= self._gone.get(key[1:], -1):
            return None
        known = self._find(key)
        if known is not None and seen.at_ms <= known.confirmed_ms:
            return None
        if known is not None and known.health == seen.health:
            self._keep(key, known._replace(confirmed_ms=seen.at_ms))
            return None
        first_ms = seen.at_ms if known is None else known.first_ms
        self._keep(key, Known(seen.health, seen.at_ms, first_ms, seen.at_ms, 1))
        self._infer(key, seen.health, seen.at_ms)
        name = EVENT_OF.get(seen.health)
        if name is None or (known is None and seen.health == "healthy"):
            return None
        return Event(
            id=f"{name}:{key[0]}:{key[1]}:{key[2]}:{seen.at_ms}",
            kind=Kind.CLUSTER.value,
            event=name,
            at_ms=seen.at_ms,
            node=seen.node,
            entity_type="upstreams",
            upstream=key[1],
            target=key[2],
            health=seen.health,
            evidence="the node's Admin API said so when it was asked",
        )

    def saw_all(self, node: str | None, upstream: str, at_ms: int) -> None:
        """An upstream's targets were read: those that were not among them for a minute are no more."""
        name = self._name_of(upstream)
        condition = "node = ? AND upstream = ? AND confirmed_ms < ?"
        self._remove(condition, (node or NO_NODE, name, at_ms - GONE_MS))

    def flush(self) -> None:
        """Write what changed into the transaction."""
        self._connection.executemany(
            _KEEP_TARGET,
            [(*key, *known) for key in sorted(self._changed) if (known := self._known[key]) is not None],
        )
        self._changed.clear()

    # ---- inside

    def _forget_deleted(self, event: Event) -> None:
        """A target, or an upstream with all its targets, is no more."""
        if event.entity_type == "upstreams" and event.entity_name is not None:
            self._remove("upstream = ?", (event.entity_name,))
        elif event.entity_type == "targets" and event.before is not None:
            upstream, target = event.before.get("upstream"), event.before.get("target")
            upstream_id = upstream.get("id") if isinstance(upstream, dict) else None
            if isinstance(upstream_id, str) and isinstance(target, str):
                name = self._name_of(upstream_id)
                if len(self._gone) >= MAX_CACHED:
                    self._gone.clear()
                self._gone[name, target] = event.at_ms
                self._remove("upstream = ? AND target = ?", (name, target))

    def _remove(self, condition: str, values: tuple[str | int, ...]) -> None:
        self.flush()
        if self._connection.execute(f"DELETE FROM known_targets WHERE {condition}", values).rowcount:
            self._known.clear()

    def _key(self, node: str | None, upstream: str, target: str) -> _Key:
        return node or NO_NODE, self._name_of(upstream), target

    def _name_of(self, upstream: str) -> str:
        """The name of an upstream: some tell its id."""
        name = self._names.get(upstream)
        if name is None:
            row = self._connection.execute(
                "SELECT name FROM entities WHERE entity_type = 'upstreams' AND entity_id = ?", (upstream,)
            ).fetchone()
            if row is None or row[0] is None:
                return upstream
            name = self._names[upstream] = row[0]
        return name

    def _find(self, key: _Key) -> Known | None:
        if key not in self._known:
            row = self._connection.execute(
                "SELECT health, since_ms, first_ms, confirmed_ms, is_polled FROM known_targets"
                " WHERE node = ? AND upstream = ? AND target = ?",
                key,
            ).fetchone()
            if len(self._known) >= MAX_CACHED:
                self.flush()
                self._known.clear()
            known = self._known[key] = None if row is None else Known(*row)
            if known is not None and known.is_polled:
                self._infer(key, known.health, known.since_ms)
        return self._known[key]

    def _infer(self, key: _Key, health: str, at_ms: int) -> None:
        if key not in self._inferred and len(self._inferred) >= MAX_CACHED:
            self._inferred.clear()
        found = self._inferred.setdefault(key, deque(maxlen=INFERRED_KEPT))
        if (health, at_ms) not in found:
            found.append((health, at_ms))

    def _keep(self, key: _Key, known: Known) -> None:
        self._known[key] = known
        self._changed.add(key)
