"""A change of Kong's configuration: what it touched, what it may do to traffic, and one sentence for it.

A change is what a crud event showed, secrets masked. Who made it (`domain.change_actors`), what is risky
about it (`domain.change_risks`) and what followed (`domain.change_verdict`) are decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from domain.diff import FieldChange, quiet_diff
from domain.events import PluginSeen
from domain.kong_entities import CREDENTIALS, collection_of, reference
from domain.limits import Limit, limits_of

Names = Callable[[str, str], str | None]
"""(collection, id) -> what people call it, None when not known."""

AUTHENTICATION = frozenset(
    [
        "key-auth", "key-auth-enc", "basic-auth", "jwt", "jwt-signer", "oauth2", "oauth2-introspection",
        "hmac-auth", "ldap-auth", "ldap-auth-advanced", "openid-connect", "session", "mtls-auth", "saml",
        "header-cert-auth", "vault-auth",
    ]
)  # fmt: skip
"""Plugins that say who a consumer is."""
LIMITERS = frozenset(
    ["rate-limiting", "rate-limiting-advanced", "response-ratelimiting", "service-protection"]
)
RESTRICTIONS = frozenset(["ip-restriction", "acl", "bot-detection", "request-termination", "opa"])
"""Plugins that turn requests away by a list or a rule."""
LOGGERS = frozenset(
    ["http-log", "tcp-log", "udp-log", "file-log", "syslog", "loggly", "kafka-log", "statsd", "datadog",
     "opentelemetry", "gatewatch"]
)  # fmt: skip


class Operation(StrEnum):
    """What was done."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change as it was seen."""

    seq: int
    """Arrival number of its event."""
    at_ms: int
    entity_type: str
    """Kong's collection: `plugins`."""
    entity_id: str | None
    entity_name: str | None
    operation: str
    node: str | None = None
    source: str | None = None
    actor: str | None = None
    """Who, where the sender said so."""
    request_id: str | None = None
    """Of the Admin API call, where the sender said so (Enterprise)."""
    before: dict[str, Any] | None = None
    """None for an entity that was made, and where the sender did not show it."""
    after: dict[str, Any] | None = None

    @property
    def entity(self) -> dict[str, Any]:
        """The entity as it is now, or was last; empty when nothing was shown."""
        return self.after or self.before or {}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a change can touch: those that match every id given; all when none is."""

    service_id: str | None = None
    route_id: str | None = None
    consumer_id: str | None = None

    def overlaps(self, other: Scope) -> bool:
        """Whether a request can be in both."""
        pairs = (
            (self.service_id, other.service_id),
            (self.route_id, other.route_id),
            (self.consumer_id, other.consumer_id),
        )
        return all(a is None or b is None or a == b for a, b in pairs)


def scope_of(change: Change) -> Scope:
    """Which requests a change can touch."""
    entity = change.entity
    if change.entity_type == "services":
        return Scope(service_id=change.entity_id)
    if change.entity_type == "routes":
        return Scope(route_id=change.entity_id)
    if change.entity_type == "consumers":
        return Scope(consumer_id=change.entity_id)
    if change.entity_type in CREDENTIALS:
        return Scope(consumer_id=reference(entity, "consumer"))
    return Scope(
        service_id=reference(entity, "service"),
        route_id=reference(entity, "route"),
        consumer_id=reference(entity, "consumer"),
    )


def field_changes(change: Change) -> tuple[FieldChange, ...]:
    """What differs, quietly."""
    return quiet_diff(change.entity_type, change.before, change.after)


def plugin_name(change: Change) -> str | None:
    """Kong's name of the plugin that changed; None for other entities."""
    name = change.entity.get("name") if change.entity_type == "plugins" else None
    return name if isinstance(name, str) else None


def limits_before_and_after(change: Change) -> tuple[list[Limit], list[Limit]]:
    """The limits in force from a plugin before and after; none where it is absent or disabled."""
    return _limits(change.before), _limits(change.after)


def _limits(entity: Mapping[str, Any] | None) -> list[Limit]:
    if not entity or entity.get("enabled") is False:
        return []
    config = entity.get("config")
    seen = PluginSeen(
        plugin_id="",
        name=str(entity.get("name")),
        enabled=True,
        at_ms=0,
        config=dict(config) if isinstance(config, Mapping) else {},
    )
    return limits_of(seen)


def is_in_force(entity: Mapping[str, Any] | None) -> bool:
    """Whether a plugin ran in this state."""
    return entity is not None and entity.get("enabled") is not False


# ---- words


def subject_of(change: Change, names: Names) -> str:
    """The entity in words: `rate-limiting on service orders`, `API key of consumer acme`."""
    entity, noun = change.entity, collection_of(change.entity_type).noun
    if change.entity_type == "plugins":
        return f"{plugin_name(change) or 'plugin'} {place_of(entity, names)}"
    if change.entity_type in CREDENTIALS:
        consumer = reference(entity, "consumer")
        named = f" {change.entity_name}" if change.entity_name else ""
        return f"{noun}{named} of {_named('consumers', consumer, names)}" if consumer else f"{noun}{named}"
    if change.entity_type == "targets":
        upstream = reference(entity, "upstream")
        where = f" of {_named('upstreams', upstream, names)}" if upstream else ""
        return f"target {change.entity_name or change.entity_id}{where}"
    return f"{noun} {change.entity_name or change.entity_id or '(no id)'}"


def place_of(plugin: Mapping[str, Any], names: Names) -> str:
    """Where a plugin applies, in words: `on route a for consumer b`, `everywhere`."""
    parts = [
        f"{word} {_named(collection, found, names)}"
        for word, field, collection in (
            ("on", "route", "routes"),
            ("on", "service", "services"),
            ("for", "consumer", "consumers"),
            ("for", "consumer_group", "consumer_groups"),
        )
        if (found := reference(plugin, field))
    ]
    return " ".join(parts) or "everywhere"


def _named(collection: str, entity_id: str | None, names: Names) -> str:
    noun = collection_of(collection).noun
    if entity_id is None:
        return noun
    return f"{noun} {names(collection, entity_id) or entity_id}"


MAX_FIELDS = 3
"""More fields than this are counted instead of told."""
MAX_MEMBERS = 4
MAX_VALUE_CHARS = 40


def sentence(change: Change, names: Names) -> str:
    """The change in one sentence: `rate-limiting on service orders: config.minute 60 → 5`.

    Values come from Kong's configuration, and may hold anything: escape it where it is shown.
    """
    subject = subject_of(change, names)
    if change.operation == Operation.CREATE:
        limits = ", ".join(shown_limit(limit) for limit in _limits(change.after))
        return f"{subject} added" + (f": {limits}" if limits else "")
    if change.operation == Operation.DELETE:
        return f"{subject} deleted"
    if change.before is None or change.after is None:
        return f"{subject} changed; the sender did not show what it was before"
    fields = field_changes(change)
    if not fields:
        return f"{subject} saved without a change"
    if [f.path for f in fields] == ["enabled"]:
        return f"{subject} {'enabled' if fields[0].after else 'disabled'}"
    shown = "; ".join(shown_field(field) for field in fields[:MAX_FIELDS])
    more = f"; and {len(fields) - MAX_FIELDS} more fields" if len(fields) > MAX_FIELDS else ""
    return f"{subject}: {shown}{more}"


def shown_limit(limit: Limit) -> str:
    """`60 per minute`."""
    return f"{'?' if limit.value is None else limit.value} per {limit.name or 'window'}"


def shown_field(field: FieldChange) -> str:
    """One field in words: `config.minute 60 → 5`, `tags + deprecated`, `config.key changed (secret)`."""
    if field.is_secret:
        what = "set" if field.before is None else "removed" if field.after is None else "changed"
        return f"{field.path} {what} (secret)"
    if field.is_set:
        parts = [f"+ {shown_value(v)}" for v in field.added] + [f"- {shown_value(v)}" for v in field.removed]
        more = f" and {len(parts) - MAX_MEMBERS} more" if len(parts) > MAX_MEMBERS else ""
        return f"{field.path} {', '.join(parts[:MAX_MEMBERS])}{more}"
    return f"{field.path} {shown_value(field.before)} → {shown_value(field.after)}"


def shown_value(value: Any) -> str:
    """A value of a field as text, cut to 40 characters; `not set` for none."""
    if value is None:
        return "not set"
    text = (value or '""') if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "\u2026"


# ---- cascades


CASCADE_MS = 2_000
"""Kong posts one event for each child that goes with its parent, within milliseconds (kong/db/dao/init.lua
`propagate_cascade_delete_events`); two seconds allow for a slow database."""


def cascades(changes: Iterable[Change]) -> dict[int, int]:
    """Deletions that came with the deletion of what they belonged to: arrival number -> its parent's."""
    deletions = [c for c in changes if c.operation == Operation.DELETE]
    by_id: dict[tuple[str, str | None], Change] = {
        (c.entity_type, c.entity_id): c for c in deletions if c.entity_id
    }
    found: dict[int, int] = {}
    for child in deletions:
        for field, collection in collection_of(child.entity_type).parents:
            parent = by_id.get((collection, reference(child.entity, field)))
            if parent is not None and abs(child.at_ms - parent.at_ms) <= CASCADE_MS:
                found[child.seq] = parent.seq
    return found
