"""Who made a change, and how we know: joined to what the Admin API's own records say.

Two kinds of record. Enterprise keeps `/audit/requests` (client, path, method, RBAC user, and a request id
that a plugin can forward with the event). Open-source Kong keeps nothing, but its Admin API can be put behind
Kong itself with key-auth and http-log: then the log entry has consumer, method, path and address. Neither
names the entity that a POST made, so such a join rests on kind and time, and says so.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from domain.changes import Change, Operation
from domain.kong_entities import COLLECTIONS, CREDENTIALS, collection_of, reference
from domain.redaction import REDACTED, redact_text


class How(StrEnum):
    """How an actor is known."""

    TOLD = "told by the sender"
    REQUEST_ID = "same request id"
    ENTITY_AND_TIME = "same entity, same moment"
    KIND_AND_TIME = "same kind of entity, same moment"
    OURS = "approved here"
    UNKNOWN = "unknown"


class AdminCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of an Admin API, from its audit log or from the log of the route in front of it."""

    call_id: str
    """Unique: the audit row's request id, or Kong's request id of the log entry."""
    at_ms: int
    source: str
    """`audit` or `loopback`."""
    actor: str | None
    """RBAC user or consumer; None when the call was anonymous."""
    method: str
    path: str
    """Of the Admin API, with any prefix of the route in front of it."""
    status: int | None
    client_ip: str | None = None
    request_id: str | None = None
    workspace: str | None = None


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who, and how sure. `name` is None when it is not known."""

    name: str | None
    how: How
    why: str
    """One sentence."""
    client_ip: str | None = None
    call_id: str | None = None


UNKNOWN = Actor(
    name=None,
    how=How.UNKNOWN,
    why="the event names nobody, and no Admin API record of this moment was found",
)

ADMIN_KIND, ADMIN_CALLED = "admin", "called"
"""Kind and name of the event that a call of the Admin API through Kong itself becomes."""

EARLIEST_MS = -1_500
LATEST_MS = 5_000
"""How far a call's time may lie before its event's. Audit times are whole seconds; an event is stamped when
it is posted, which a slow database may delay; a log entry carries the time the call began."""

_METHODS = {
    Operation.CREATE.value: frozenset(["POST", "PUT"]),
    Operation.UPDATE.value: frozenset(["PATCH", "PUT"]),
    Operation.DELETE.value: frozenset(["DELETE"]),
}
_FAILED = 400


def actor_of(change: Change, calls: Sequence[AdminCall]) -> Actor:
    """The likely actor of a change.

    Args:
        change: What was seen.
        calls: Admin API calls around its time, in any order.
    """
    if change.actor:
        return Actor(name=change.actor, how=How.TOLD, why="the event itself names the actor")
    if change.request_id:
        same = [c for c in calls if c.request_id == change.request_id]
        if same:
            return _actor(same[0], How.REQUEST_ID, "the event carries the request id of that Admin API call")
    near = [c for c in calls if _is_near(change, c)]
    exact = [c for c in near if _names_entity(change, c)]
    if exact:
        return _one_of(exact, How.ENTITY_AND_TIME, change)
    if change.operation == Operation.CREATE:
        alike = [c for c in near if c.method == "POST" and _makes_kind(change, c)]
        if alike:
            return _one_of(alike, How.KIND_AND_TIME, change)
    return UNKNOWN


def _is_near(change: Change, call: AdminCall) -> bool:
    delay_ms = change.at_ms - call.at_ms
    return (
        EARLIEST_MS <= delay_ms <= LATEST_MS
        and call.method in _METHODS.get(change.operation, ())
        and (call.status is None or call.status < _FAILED)
    )


def _names_entity(change: Change, call: AdminCall) -> bool:
    """Whether the call's path names the changed entity; for a deletion also what it went with."""
    parts = _parts(call.path)
    wanted = {change.entity_id, change.entity_name} - {None}
    if parts and parts[-1] in wanted:
        return True
    if change.operation != Operation.DELETE:
        return False
    owners = {reference(change.entity, field) for field, _ in collection_of(change.entity_type).parents}
    return bool(parts) and parts[-1] in owners - {None}


def _makes_kind(change: Change, call: AdminCall) -> bool:
    """Whether a POST to this path makes entities of the change's kind, under its owner if it names one."""
    parts = _parts(call.path)
    collection = collection_of(change.entity_type)
    if not parts or parts[-1] != collection.path:
        return False
    if len(parts) < 3:  # noqa: PLR2004 - owner's collection, owner, collection
        return True
    owners = {reference(change.entity, field) for field, _ in collection.parents} - {None}
    return parts[-2] in owners or not _looks_like_id(parts[-2])


def _looks_like_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4  # noqa: PLR2004 - a UUID


def _parts(path: str) -> list[str]:
    return [urllib.parse.unquote(p) for p in path.partition("?")[0].split("/") if p]


def _one_of(calls: Sequence[AdminCall], how: How, change: Change) -> Actor:
    names = {c.actor for c in calls}
    if len(names) > 1:
        listed = " or ".join(sorted(n or "an anonymous caller" for n in names))
        return Actor(name=None, how=How.UNKNOWN, why=f"{listed}: both called the Admin API at that moment")
    best = min(calls, key=lambda c: abs(change.at_ms - c.at_ms))
    where = "audit log" if best.source == "audit" else "log of the route in front of the Admin API"
    return _actor(best, how, f"{best.method} {_shown(best.path)} in the {where}, at the same moment")


def _actor(call: AdminCall, how: How, why: str) -> Actor:
    if call.actor is None:
        why += ", but that call was anonymous"
    return Actor(
        name=call.actor,
        how=how if call.actor else How.UNKNOWN,
        why=why,
        client_ip=call.client_ip,
        call_id=call.call_id,
    )


def _shown(path: str) -> str:
    return path if len(path) <= 80 else path[:79] + "\u2026"  # noqa: PLR2004 - fits a line


_SECRET_PLACES = frozenset(
    c.path for c in COLLECTIONS.values() if c.name in CREDENTIALS and c.name_field is None
) | {"oauth2", "key-auths", "jwts", "oauth2_tokens", "sessions"}
"""Collections whose entities can be called by the secret itself: `DELETE /consumers/bob/key-auth/<KEY>`."""


def safe_path(path: str) -> str:
    """A path without what may be a secret: the query, and keys that stand in place of an id."""
    parts = path.partition("?")[0].split("/")
    for place in range(1, len(parts)):
        if parts[place - 1] in _SECRET_PLACES and parts[place] and not _looks_like_id(parts[place]):
            parts[place] = REDACTED
    return redact_text("/".join(parts))


def callers(calls: Iterable[AdminCall]) -> frozenset[str]:
    """Addresses that the Admin API was called from: never to be blocked."""
    return frozenset(c.client_ip for c in calls if c.client_ip)
