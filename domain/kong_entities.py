"""Kong's collections in its Admin API: where an entity lives, what it belongs to, what is bookkeeping.

Sources, Kong 3.9.3: kong/api/endpoints.lua (paths are made from each schema's names), kong/plugins/*/daos.lua
(`admin_api_nested_name`), kong/api/routes/upstreams.lua (targets have rules of their own),
kong/db/schema/entities/*.lua (foreign keys), kong/plugins/basic-auth/daos.lua (passwords are hashed).
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec

BOOKKEEPING = frozenset({"created_at", "updated_at", "ws_id", "cache_key", "$refs", "ttl"})
"""Fields that say nothing about what an entity does."""
NEVER_SENT = frozenset({"updated_at", "ws_id", "cache_key", "$refs", "ttl"})
"""Fields that Kong makes itself: refused as unknown, or always rewritten."""
MASK_PREFIX = "[redacted"


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of entity."""

    name: str
    """Kong's name of it, as in crud events: `keyauth_credentials`."""
    noun: str
    """What people call one of them: `key`."""
    path: str
    """The last part of its path: `key-auth`."""
    owner: str | None = None
    """The collection whose path it is nested under; None where it has a path of its own."""
    owner_field: str | None = None
    """The field that names the owner."""
    name_field: str | None = "name"
    parents: tuple[tuple[str, str], ...] = ()
    """(field, collection) of what it points to; it goes when a parent goes, and cannot be made before it."""
    hashed: tuple[str, ...] = ()
    """Fields that Kong hashes when they are written, so that what it shows cannot be written back."""
    put_creates: bool = True
    """Whether PUT makes an entity that does not exist, and replaces one whole."""


def _credential(name: str, noun: str, path: str, name_field: str | None, *hashed: str) -> Collection:
    return Collection(
        name=name,
        noun=noun,
        path=path,
        owner="consumers",
        owner_field="consumer",
        name_field=name_field,
        parents=(("consumer", "consumers"),),
        hashed=hashed,
    )


_CERTIFICATE = (("client_certificate", "certificates"),)

COLLECTIONS: dict[str, Collection] = {
    c.name: c
    for c in (
        Collection(name="services", noun="service", path="services", parents=_CERTIFICATE),
        Collection(name="routes", noun="route", path="routes", parents=(("service", "services"),)),
        Collection(name="consumers", noun="consumer", path="consumers", name_field="username"),
        Collection(
            name="plugins",
            noun="plugin",
            path="plugins",
            parents=(
                ("route", "routes"),
                ("service", "services"),
                ("consumer", "consumers"),
                ("consumer_group", "consumer_groups"),
            ),
        ),
        Collection(name="upstreams", noun="upstream", path="upstreams", parents=_CERTIFICATE),
        Collection(
            name="targets",
            noun="target",
            path="targets",
            owner="upstreams",
            owner_field="upstream",
            name_field="target",
            parents=(("upstream", "upstreams"),),
            put_creates=False,
        ),
        _credential("keyauth_credentials", "API key", "key-auth", None),
        _credential("basicauth_credentials", "basic-auth login", "basic-auth", "username", "password"),
        _credential("hmacauth_credentials", "HMAC credential", "hmac-auth", "username"),
        _credential("jwt_secrets", "JWT credential", "jwt", None),
        _credential("oauth2_credentials", "OAuth 2 application", "oauth2", "name", "client_secret"),
        _credential("acls", "group membership", "acls", "group"),
        Collection(name="certificates", noun="certificate", path="certificates", name_field=None),
        Collection(name="ca_certificates", noun="CA certificate", path="ca_certificates", name_field=None),
        Collection(name="snis", noun="SNI", path="snis", parents=(("certificate", "certificates"),)),
        Collection(name="vaults", noun="vault", path="vaults", name_field="prefix"),
        Collection(name="key_sets", noun="key set", path="key-sets"),
        Collection(name="keys", noun="key", path="keys", parents=(("set", "key_sets"),)),
        Collection(name="consumer_groups", noun="consumer group", path="consumer_groups"),
    )
}

RUNTIME = frozenset({"oauth2_tokens", "oauth2_authorization_codes", "sessions", "acme_storage"})
"""What Kong and its plugins write by themselves while they run; nobody configured it."""
CREDENTIALS = frozenset(name for name, c in COLLECTIONS.items() if c.owner == "consumers")


def collection_of(entity_type: str) -> Collection:
    """What is known of a kind of entity; of an unknown kind, what Kong's rule for paths gives."""
    found = COLLECTIONS.get(entity_type)
    return found or Collection(name=entity_type, noun=entity_type.rstrip("s"), path=entity_type)


def reference(entity: Mapping[str, Any] | None, field: str) -> str | None:
    """The id that a foreign field points to; None when it points nowhere."""
    value = (entity or {}).get(field)
    found = value.get("id") if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def collection_path(entity_type: str, entity: Mapping[str, Any]) -> str | None:
    """Where entities of this kind are made: `/plugins`, `/consumers/<id>/key-auth`.

    None when it belongs to an owner that the entity does not name.
    """
    collection = collection_of(entity_type)
    if collection.owner is None:
        return f"/{_quoted(collection.path)}"
    owner = reference(entity, collection.owner_field or "")
    if owner is None:
        return None
    return f"/{collection_of(collection.owner).path}/{_quoted(owner)}/{_quoted(collection.path)}"


def entity_path(entity_type: str, entity_id: str, entity: Mapping[str, Any]) -> str | None:
    """Where one entity is: `/plugins/<id>`; None when it belongs to an owner that `entity` does not name."""
    under = collection_path(entity_type, entity)
    return None if under is None else f"{under}/{_quoted(entity_id)}"


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def name_of(entity_type: str, entity: Mapping[str, Any] | None) -> str | None:
    """What people call an entity; for a plugin its kind, and its own name where it has one."""
    if not entity:
        return None
    if entity_type == "plugins":
        name, instance = entity.get("name"), entity.get("instance_name")
        return f"{name} ({instance})" if name and instance else _text(name)
    field = collection_of(entity_type).name_field
    return _text(entity.get(field)) if field else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def plain(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity with everything left out that Kong shows in some answers and not in others.

    Nulls are absent keys (events drop them, the Admin API shows them); `redis_host` beside `redis.host` is
    the same value by its old name (shorthand_fields of kong/plugins/rate-limiting/schema.lua), shown since
    3.6 in answers though not in an event's `old_entity`; an empty object may be an empty list, since Lua
    cannot tell them apart.
    """
    found = _plain(entity)
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {str(k): _plain(v) for k, v in value.items() if v is not None}
        for record in [k for k, v in kept.items() if isinstance(v, dict)]:
            prefix = f"{record}_"
            for key in [k for k in kept if k.startswith(prefix) and k[len(prefix) :] in kept[record]]:
                del kept[key]
        return kept or []
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def is_mask(value: Any) -> bool:
    """True for what stands in place of a secret."""
    return isinstance(value, str) and MASK_PREFIX in value


def masked_paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where secrets were masked in an entity; places in lists are numbers as text."""
    if isinstance(value, Mapping):
        return [found for k, v in value.items() for found in masked_paths(v, (*path, str(k)))]
    if isinstance(value, list):
        return [found for n, v in enumerate(value) for found in masked_paths(v, (*path, str(n)))]
    return [path] if is_mask(value) else []
