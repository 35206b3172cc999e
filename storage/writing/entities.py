"""Names over time: who was called what, and when.

A run is (entity, valid from, last seen, name). Sightings may come in any order. A sighting inside a run of
another name splits that run; one within two seconds after a change, with the name from before it, is the
gateway's other node being late, not a second change.
"""

from __future__ import annotations

import json
from typing import Any

from domain.events import EntitySeen
from storage.codes import DIM_OF_ENTITY_TYPE, ENTITY_TYPE_OF, NONE_KEY, Dim
from storage.engine import Connection
from storage.writing.keys import KeyBook, check_instant, check_text

SEEN_EVERY_MS = 600_000
"""`seen_ms` is written at most every ten minutes, so that an unchanged name costs nothing."""
LATE_MS = 2_000
"""A recorded cluster showed the old name up to 0.8 s after a change."""
REVIVE_AFTER_MS = 60_000
"""Sightings of a deleted entity count as its return only this much later: requests in flight do not."""
MAX_CACHED = 20_000
"""Of each kind, about 20 MB in all."""

_Run = tuple[int, int, str | None]
"""valid from, last seen, name"""


class EntityBook:
    """What is known of entities, and the keys of those that events are told apart by."""

    def __init__(self, connection: Connection, keys: KeyBook) -> None:
        self._connection = connection
        self._keys = keys
        self._latest: dict[tuple[str, str], _Run] = {}
        self._deleted: dict[tuple[str, str], int] = {}
        self._attributes: dict[tuple[str, str], tuple[str, int]] = {}
        self._bare: dict[tuple[int, str], int] = {}
        self._who: dict[tuple[int, str, str | None], tuple[int, int | None]] = {}
        self._nodes: dict[str, int] = {}
        self._first_seen: dict[tuple[str, str], int] = {}
        """Of each entity that is stored, a moment at or after which it was first seen."""
        self.names_version = 0
        """Changes whenever a name, or which key an entity has, may have changed."""

    def forget(self) -> None:
        """Drop everything remembered: it may have been rolled back."""
        self.names_version += 1
        self._first_seen.clear()
        caches = (self._latest, self._deleted, self._attributes, self._bare, self._who, self._nodes)
        for cache in caches:
            cache.clear()

    def who(
        self, dim: Dim, entity_id: str | None, name: str | None, at_ms: int
    ) -> tuple[int, int | None, bool]:
        """The key of a consumer, service or route, of its name at that time, and whether it had no id.

        The name's key is None where it is the key's first name.

        Raises:
            ValueError: A text cannot be stored.
        """
        if entity_id is None:
            return (NONE_KEY, None, False) if name is None else (self._bare_key(dim, name), None, True)
        if name is not None:
            self._saw_name(ENTITY_TYPE_OF[dim], entity_id, name, at_ms)
        else:
            name = self._name_at(ENTITY_TYPE_OF[dim], entity_id, at_ms)
        found = self._who.get((dim, entity_id, name))
        if found is None:
            if len(self._who) >= MAX_CACHED:
                self._who.clear()
            found = self._who[dim, entity_id, name] = self._identify(dim, entity_id, name)
        return (*found, False)

    def find(self, dim: Dim, entity_id: str | None, name: str | None) -> int | None:
        """The key of a consumer, service or route; None when it has none yet, or could not be stored.

        Unlike `who` it makes and notes nothing.
        """
        if entity_id is not None:
            return self._keys.find(dim, entity_id)
        if name is None:
            return NONE_KEY
        found = self._bare.get((dim, name))
        if found is None:
            known_id = self._id_of_name(ENTITY_TYPE_OF[dim], name)
            found = self._keys.find(dim, name if known_id is None else known_id)
        return found

    def node(self, node_id: str | None) -> int:
        """The key of a node, `NONE_KEY` for None.

        Raises:
            ValueError: The id cannot be stored.
        """
        if node_id is None:
            return NONE_KEY
        key = self._nodes.get(node_id)
        if key is None:
            if len(self._nodes) >= MAX_CACHED:
                self._nodes.clear()
            key = self._nodes[node_id] = self._key_of(Dim.NODE, node_id, None)
        return key

    def is_deleted(self, dim: Dim, entity_id: str | None) -> bool:
        """Whether an entity is known as deleted, so that each sighting may be its return."""
        return entity_id is not None and (ENTITY_TYPE_OF[dim], entity_id) in self._deleted

    def saw(self, seen: EntitySeen) -> None:
        """Take in one sighting.

        Raises:
            ValueError: A text cannot be stored.
        """
        check_instant(seen.at_ms, "at_ms")
        if seen.name is not None:
            self._saw_name(seen.entity_type, seen.entity_id, seen.name, seen.at_ms)
        elif (seen.entity_type, seen.entity_id) not in self._deleted:
            self._ensure(seen.entity_type, seen.entity_id, seen.at_ms)
        if seen.attributes:
            self._saw_attributes(seen)
        if seen.deleted:
            self._saw_deletion(seen.entity_type, seen.entity_id, seen.at_ms)
        else:
            self._saw_alive(seen.entity_type, seen.entity_id, seen.at_ms)

    # ---- keys

    def _identify(self, dim: Dim, entity_id: str, name: str | None) -> tuple[int, int | None]:
        key = self._key_of(dim, entity_id, name)
        if name is None:
            return key, None
        (first,) = self._connection.execute("SELECT first_name FROM keys WHERE key_id = ?", (key,)).fetchone()
        if first is None:
            self._connection.execute("UPDATE keys SET first_name = ? WHERE key_id = ?", (name, key))
        return key, None if first in (None, name) else self._keys.key(Dim.TEXT, name)

    def _key_of(self, dim: Dim, entity_id: str, name: str | None) -> int:
        key = self._keys.find(dim, entity_id)
        if key is not None:
            return key
        check_text(entity_id)
        key = self._keys.add(dim, entity_id, name=name)
        self._refresh(ENTITY_TYPE_OF[dim], entity_id)
        return key

    def _bare_key(self, dim: Dim, name: str) -> int:
        """The key of an entity of which only a name is known: of the one that is, or was, called so."""
        key = self._bare.get((dim, name))
        if key is None:
            check_text(name)
            if len(self._bare) >= MAX_CACHED:
                self._bare.clear()
            entity_id = self._id_of_name(ENTITY_TYPE_OF[dim], name)
            if entity_id is not None:
                key = self._key_of(dim, entity_id, name)
            else:
                found = self._keys.find(dim, name)
                key = self._keys.add(dim, name, name=name, is_name=True) if found is None else found
            self._bare[dim, name] = key
        return key

    def _id_of_name(self, entity_type: str, name: str) -> str | None:
        ever = self._connection.execute(
            "SELECT DISTINCT entity_id FROM entity_names WHERE entity_type = ? AND name = ? LIMIT 2",
            (entity_type, name),
        ).fetchall()
        if not ever:
            return None
        current = self._connection.execute(
            "SELECT DISTINCT e.entity_id FROM entity_names n JOIN entities e USING (entity_type, entity_id)"
            " WHERE n.entity_type = ? AND n.name = ? AND e.name = n.name LIMIT 2",
            (entity_type, name),
        ).fetchall()
        found = current or ever
        return found[0][0] if len(found) == 1 else None

    # ---- names

    def _saw_name(self, entity_type: str, entity_id: str, name: str, at_ms: int) -> None:
        latest = self._latest.get((entity_type, entity_id))
        if (
            latest is not None
            and latest[2] == name
            and latest[0] <= at_ms <= latest[1] + SEEN_EVERY_MS
            and (entity_type, entity_id) not in self._deleted
        ):
            return
        check_text(entity_id)
        check_text(name)
        self._ensure(entity_type, entity_id, at_ms)
        if self._place(entity_type, entity_id, name, at_ms):
            self._refresh(entity_type, entity_id)
        self._saw_alive(entity_type, entity_id, at_ms)
        if len(self._latest) >= MAX_CACHED:
            self._latest.clear()
        self._latest[entity_type, entity_id] = self._runs(entity_type, entity_id)[-1]

    def _place(self, entity_type: str, entity_id: str, name: str, at_ms: int) -> bool:
        """Put a sighting into the runs of an entity; True when a run began, ended or moved."""
        runs = self._runs(entity_type, entity_id)
        before = [run for run in runs if run[0] <= at_ms]
        after = [run for run in runs if run[0] > at_ms]
        if before and before[-1][2] == name:
            if at_ms > before[-1][1] + SEEN_EVERY_MS:
                self._keep(entity_type, entity_id, (before[-1][0], at_ms, name))
            return False
        if before and before[-1][0] == at_ms:
            return False  # two names at one moment: the first that was told
        if len(before) > 1 and at_ms - before[-1][0] <= LATE_MS and before[-2][2] == name:
            return False
        if after and after[0][2] == name and not (before and before[-1][1] > at_ms):
            self._drop(entity_type, entity_id, after[0][0])
            self._keep(entity_type, entity_id, (at_ms, after[0][1], name))
            return True
        if before and before[-1][1] > at_ms:
            self._split(entity_type, entity_id, before[-1], at_ms, after[0][0] if after else None)
        self._keep(entity_type, entity_id, (at_ms, at_ms, name))
        return True

    def _split(self, entity_type: str, entity_id: str, run: _Run, at_ms: int, next_ms: int | None) -> None:
        from_ms, seen_ms, name = run
        self._connection.execute(
            "UPDATE entity_names SET seen_ms = ?"
            " WHERE entity_type = ? AND entity_id = ? AND valid_from_ms = ?",
            (at_ms, entity_type, entity_id, from_ms),
        )
        if seen_ms != next_ms:
            self._keep(entity_type, entity_id, (seen_ms, seen_ms, name))

    def _name_at(self, entity_type: str, entity_id: str, at_ms: int) -> str | None:
        latest = self._latest.get((entity_type, entity_id))
        if latest is not None and latest[0] <= at_ms:
            return latest[2]
        runs = self._runs(entity_type, entity_id)
        before = [run for run in runs if run[0] <= at_ms]
        if not runs:
            return None
        return before[-1][2] if before else runs[0][2]

    def _runs(self, entity_type: str, entity_id: str) -> list[_Run]:
        return self._connection.execute(
            "SELECT valid_from_ms, seen_ms, name FROM entity_names WHERE entity_type = ? AND entity_id = ?"
            " ORDER BY valid_from_ms",
            (entity_type, entity_id),
        ).fetchall()

    def _keep(self, entity_type: str, entity_id: str, run: _Run) -> None:
        self._connection.execute(
            "INSERT INTO entity_names VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (entity_type, entity_id, valid_from_ms) DO UPDATE SET"
            " seen_ms = max(entity_names.seen_ms, excluded.seen_ms), name = excluded.name",
            (entity_type, entity_id, *run),
        )

    def _drop(self, entity_type: str, entity_id: str, from_ms: int) -> None:
        self._connection.execute(
            "DELETE FROM entity_names WHERE entity_type = ? AND entity_id = ? AND valid_from_ms = ?",
            (entity_type, entity_id, from_ms),
        )

    # ---- the entity itself

    def _ensure(self, entity_type: str, entity_id: str, at_ms: int) -> None:
        known_ms = self._first_seen.get((entity_type, entity_id))
        if known_ms is not None and known_ms <= at_ms:
            return
        check_text(entity_type)
        check_text(entity_id)
        if len(self._first_seen) >= MAX_CACHED:
            self._first_seen.clear()
        self._first_seen[entity_type, entity_id] = at_ms
        self._connection.execute(
            "INSERT INTO entities (entity_type, entity_id, first_seen_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (entity_type, entity_id) DO UPDATE SET first_seen_ms = excluded.first_seen_ms"
            " WHERE entities.first_seen_ms > excluded.first_seen_ms",
            (entity_type, entity_id, at_ms),
        )

    def _refresh(self, entity_type: str, entity_id: str) -> None:
        """Write the latest name where readers look for it, and join it with what came without an id."""
        self.names_version += 1
        self._bare.clear()
        runs = self._runs(entity_type, entity_id)
        if not runs:
            return
        from_ms, _, name = runs[-1]
        self._connection.execute(
            "UPDATE entities SET name = ? WHERE entity_type = ? AND entity_id = ?",
            (name, entity_type, entity_id),
        )
        dim = DIM_OF_ENTITY_TYPE.get(entity_type)
        key = None if dim is None else self._keys.find(dim, entity_id)
        if dim is None or key is None:
            return
        self._connection.execute(
            "UPDATE keys SET name = ?, name_at_ms = ? WHERE key_id = ?", (name, from_ms, key)
        )
        for (known,) in {(run[2],) for run in runs if run[2] is not None}:
            bare = self._keys.find(dim, known)
            if bare is not None and bare != key and self._id_of_name(entity_type, known) == entity_id:
                self._connection.execute(
                    "UPDATE keys SET same_as = ? WHERE key_id = ? AND is_name = 1", (key, bare)
                )

    def _saw_deletion(self, entity_type: str, entity_id: str, at_ms: int) -> None:
        (last,) = self._connection.execute(
            "SELECT max(seen_ms) FROM entity_names WHERE entity_type = ? AND entity_id = ?",
            (entity_type, entity_id),
        ).fetchone()
        if last is None or last <= at_ms + REVIVE_AFTER_MS:
            self._mark(entity_type, entity_id, at_ms)
            self._deleted[entity_type, entity_id] = at_ms

    def _saw_alive(self, entity_type: str, entity_id: str, at_ms: int) -> None:
        found = self._deleted.get((entity_type, entity_id))
        if found is None and (entity_type, entity_id) not in self._latest:
            row = self._connection.execute(
                "SELECT deleted_ms FROM entities WHERE entity_type = ? AND entity_id = ?",
                (entity_type, entity_id),
            ).fetchone()
            found = row[0] if row else None
        if found is None:
            return
        if at_ms > found + REVIVE_AFTER_MS:
            self._mark(entity_type, entity_id, None)
            self._deleted.pop((entity_type, entity_id), None)
        else:
            self._deleted[entity_type, entity_id] = found

    def _mark(self, entity_type: str, entity_id: str, deleted_ms: int | None) -> None:
        self.names_version += 1
        self._connection.execute(
            "UPDATE entities SET deleted_ms = ? WHERE entity_type = ? AND entity_id = ?",
            (deleted_ms, entity_type, entity_id),
        )
        dim = DIM_OF_ENTITY_TYPE.get(entity_type)
        if dim is not None:
            self._connection.execute(
                "UPDATE keys SET deleted_ms = ? WHERE dim = ? AND value = ?", (deleted_ms, dim, entity_id)
            )

    def _saw_attributes(self, seen: EntitySeen) -> None:
        text = _as_json(seen.attributes)
        held = self._attributes.get((seen.entity_type, seen.entity_id))
        if held is not None and (held[0] == text or held[1] > seen.at_ms):
            return
        if len(self._attributes) >= MAX_CACHED:
            self._attributes.clear()
        self._attributes[seen.entity_type, seen.entity_id] = (text, seen.at_ms)
        self._ensure(seen.entity_type, seen.entity_id, seen.at_ms)
        self._connection.execute(
            "UPDATE entities SET attributes = ?, attributes_at_ms = ? WHERE entity_type = ? AND entity_id = ?"
            " AND coalesce(attributes_at_ms, 0) <= ?",
            (text, seen.at_ms, seen.entity_type, seen.entity_id, seen.at_ms),
        )


def _as_json(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes, sort_keys=True, ensure_ascii=True, default=str)[:65_536]
