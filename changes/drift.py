"""How Kong is, against what events told of it: what was changed, came or went without anybody telling.

Kong's configuration is read from time to time. What differs from the last known state, and from every event
since, is a drift once a second look has found it so: an event may only be late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from changes.admin_api import AdminApi
from domain.changes import Change
from domain.diff import is_same
from domain.kong_entities import COLLECTIONS, NEVER_SENT, name_of, plain
from domain.redaction import redact_change
from domain.windows import MINUTE_MS, SECOND_MS, Window
from storage.change_book import ChangeBook
from storage.change_facts import known_states, record_states
from storage.changes_reader import ChangesReader

READ = {
    "services": "/services",
    "routes": "/routes",
    "consumers": "/consumers",
    "plugins": "/plugins",
    "upstreams": "/upstreams",
    "certificates": "/certificates",
    "keyauth_credentials": "/key-auths",
    "basicauth_credentials": "/basic-auths",
    "acls": "/acls",
}
"""Collection -> where all of its entities are listed. Those that a Kong does not have are left out."""
AGAIN_MS = 15 * SECOND_MS
"""When what was found is looked at again: events take seconds, not longer, to arrive."""
LATE_MS = 10 * MINUTE_MS
"""An event of a change before the last look may come only now, and explains it all the same."""
MAX_DRIFTS = 500
MAX_CHANGES = 20_000

Key = tuple[str, str]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference."""

    key: Key
    direction: str
    """`changed`, `appeared` or `vanished`."""
    known_ms: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Drift:
    """Compares, a round at a time.

    Args:
        api: Where Kong is read.
        reader: What events told.
        every_ms: Between two looks.
        now_ms: The time.
    """

    def __init__(
        self, api: AdminApi, reader: ChangesReader, every_ms: int, now_ms: Callable[[], int]
    ) -> None:
        self._api = api
        self._reader = reader
        self._every_ms = every_ms
        self._now_ms = now_ms
        self._next_ms = 0
        self._suspected: dict[Key, Finding] = {}

    async def round(self, book: ChangeBook) -> int:
        """Look if it is time; returns how many drifts were found.

        Raises:
            Unreachable: Kong does not answer.
        """
        at_ms = self._now_ms()
        if at_ms < self._next_ms:
            return 0
        self._next_ms = at_ms + self._every_ms
        live = await self._read()
        known, looked_ms = known_states(book)
        findings = [] if looked_ms is None else compare(live, known, self._told(looked_ms), looked_ms, at_ms)
        sure = [again for f in findings if (again := self._confirmed(f))][:MAX_DRIFTS]
        told = {f.key for f in sure}
        self._suspected = {f.key: f for f in findings if f.key not in told}
        if self._suspected:
            self._next_ms = min(self._next_ms, at_ms + AGAIN_MS)
        news: dict[Key, dict[str, Any] | None] = {k: s for k, s in live.items() if known.get(k) != s}
        news |= dict.fromkeys(k for k, s in known.items() if s is not None and k not in live)
        record_states(
            book,
            news | {f.key: f.before for f in self._suspected.values()},
            at_ms,
            [(*f.key, _name(f), f.direction, f.known_ms, f.before, f.after) for f in sure],
        )
        return len(sure)

    async def _read(self) -> dict[Key, dict[str, Any]]:
        found: dict[Key, dict[str, Any]] = {}
        for name, path in READ.items():
            for row in await self._api.entities(path) or []:
                entity_id = row.get("id")
                if isinstance(entity_id, str):
                    found[name, entity_id] = masked(name, row)
        for name, upstream_id in [key for key in found if key[0] == "upstreams"]:
            for row in await self._api.entities(f"/{name}/{upstream_id}/targets") or []:
                if isinstance(row.get("id"), str):
                    found["targets", row["id"]] = masked("targets", row)
        return found

    def _told(self, looked_ms: int) -> dict[Key, list[Change]]:
        """Changes of each entity since a while before the last look, newest first."""
        found: dict[Key, list[Change]] = {}
        window = Window(looked_ms - LATE_MS, self._now_ms() + MINUTE_MS)
        for row in self._reader.changes(window, MAX_CHANGES):
            if row.change.entity_id is not None and row.change.entity_type in COLLECTIONS:
                found.setdefault((row.change.entity_type, row.change.entity_id), []).append(row.change)
        return found

    def _confirmed(self, finding: Finding) -> Finding | None:
        """What was found before as well, with when it was last known to be otherwise; None at first sight."""
        before = self._suspected.get(finding.key)
        if before is None or before.direction != finding.direction:
            return None
        return msgspec.structs.replace(finding, known_ms=before.known_ms)


def masked(entity_type: str, entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as it is kept: secrets masked, without what Kong only shows sometimes."""
    kept, _ = redact_change(dict(entity), None, collection=entity_type)
    return {k: v for k, v in plain(kept).items() if k not in NEVER_SENT}


def compare(
    live: Mapping[Key, dict[str, Any]],
    known: Mapping[Key, dict[str, Any] | None],
    told: Mapping[Key, list[Change]],
    looked_ms: int,
    at_ms: int,
) -> list[Finding]:
    """What is not as it was known and told.

    Args:
        live: As read now, secrets masked.
        known: As it was at the last look (None: gone).
        told: Changes of each entity since a while before that, newest first.
        looked_ms: When that look was.
        at_ms: When `live` was read.
    """
    found = []
    for key in sorted(live.keys() | known.keys() | told.keys()):
        changes, now = told.get(key, []), live.get(key)
        if any(_shows(change, now) for change in changes):
            continue
        if changes and changes[0].at_ms > at_ms - AGAIN_MS:
            continue  # it is being changed right now
        is_newer = bool(changes) and changes[0].at_ms >= looked_ms - SECOND_MS
        expected = changes[0].after if is_newer else known.get(key)
        direction = _direction(expected, now)
        if direction:
            known_ms = changes[0].at_ms if is_newer else looked_ms
            found.append(
                Finding(key=key, direction=direction, known_ms=known_ms, before=_kept(expected), after=now)
            )
    return found


def _kept(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if state is None else dict(state)


def _name(finding: Finding) -> str | None:
    return name_of(finding.key[0], finding.after or finding.before)


def _shows(change: Change, now: Mapping[str, Any] | None) -> bool:
    """Whether an entity is as a change left it."""
    if change.after is None or now is None:
        return change.after is None and now is None and change.operation == "delete"
    return is_same(change.after, now)


def _direction(expected: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if expected is None:
        return "" if now is None else "appeared"
    if now is None:
        return "vanished"
    return "" if is_same(expected, now) else "changed"
