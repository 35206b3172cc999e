"""What really differs between two states of one of Kong's entities.

Quiet: timestamps, workspace ids and cache keys never show, and neither does a default that one side does not
have. Lists that Kong reads as sets are compared as sets. Secrets show as changed, and never as themselves.
The order is that of the paths, so that the same change always reads the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from domain.kong_defaults import defaults_of
from domain.kong_entities import BOOKKEEPING, is_mask, plain
from domain.redaction import redact_change

_SET_NAMES = """
    protocols methods tags snis sources destinations hosts paths ca_certificates
    allow deny whitelist blacklist groups http_statuses origins exposed_headers key_names
    """
SETS = frozenset(_SET_NAMES.split())
"""Lists whose order means nothing to Kong: sets in its schemas (kong/db/schema/typedefs.lua `protocols`,
`methods`, `tags`; kong/db/schema/entities/routes_subschemas.lua), alternatives that the router tries all of
(`hosts`, `paths`), and lists of addresses and groups that are only ever looked up."""

_ABSENT = object()


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field that differs. For sets `added` and `removed` hold members; else `before` and `after` do."""

    path: str
    """Dotted: `config.minute`."""
    before: Any = None
    """None when it was not set."""
    after: Any = None
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()
    is_secret: bool = False
    """Its values are masks; they differ, and that is all that may be said."""

    @property
    def is_set(self) -> bool:
        """True when members came or went."""
        return bool(self.added or self.removed)


def quiet_diff(
    entity_type: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[FieldChange, ...]:
    """What differs, by path.

    Args:
        entity_type: Kong's collection, such as `plugins`.
        before: None for an entity that was made.
        after: None for one that was deleted.
    """
    masked_before, masked_after = redact_change(before or {}, after or {}, collection=entity_type)
    old, new = plain(masked_before), plain(masked_after)
    changes = _compare(old, new, defaults_of(entity_type, new or old), (), BOOKKEEPING | {"id"})
    return tuple(sorted(changes, key=lambda change: change.path))


def is_same(stored: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether an entity as it was stored (secrets masked) is the one that is there now.

    A masked value cannot be compared, and counts as the same.
    """
    return not differing_fields(stored, live)


def differing_fields(stored: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
    """The top-level fields in which a stored entity is not the one that is there now, sorted."""
    left, right = plain(stored), plain(live)
    names = (left.keys() | right.keys()) - BOOKKEEPING
    return tuple(sorted(n for n in names if not _is_equal(left.get(n, _ABSENT), right.get(n, _ABSENT), n)))


def missing_fields(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[str, ...]:
    """The top-level fields of `wanted` that are not so in a live entity, whatever else it has; sorted."""
    left, right = plain(wanted), plain(live)
    return tuple(
        sorted(n for n in left.keys() - BOOKKEEPING if not _is_held(left[n], right.get(n, _ABSENT), n))
    )


def _is_held(wanted: Any, live: Any, name: str) -> bool:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(_is_held(value, live.get(key, _ABSENT), key) for key, value in wanted.items())
    return _is_equal(wanted, live, name)


def _is_equal(left: Any, right: Any, name: str, *, any_mask: bool = True) -> bool:
    """Whether two values mean the same to Kong.

    Args:
        left: JSON, or absent.
        right: The same.
        name: Of the field that holds them: it says whether a list is a set.
        any_mask: A mask equals whatever stands in its place; else masks are compared as text.
    """
    if any(v is _ABSENT or isinstance(v, bool) for v in (left, right)):
        return left is right
    if any_mask and (is_mask(left) or is_mask(right)):
        return True
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            _is_equal(left[k], right[k], k, any_mask=any_mask) for k in left
        )
    if isinstance(left, list) and isinstance(right, list):
        if name in SETS:
            return _members(left).keys() == _members(right).keys()
        return len(left) == len(right) and all(
            _is_equal(a, b, "", any_mask=any_mask) for a, b in zip(left, right, strict=True)
        )
    return bool(left == right)


def _compare(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    defaults: Mapping[str, Any],
    path: tuple[str, ...],
    skipped: frozenset[str],
) -> Iterator[FieldChange]:
    for name in sorted((old.keys() | new.keys()) - skipped):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        default = defaults.get(name, _ABSENT)
        if _holds_fields(before) and _holds_fields(after) and (_fields(before) or _fields(after)):
            inner = default if isinstance(default, Mapping) else {}
            yield from _compare(_fields(before), _fields(after), inner, (*path, name), frozenset())
        elif not _is_quiet(before, after, default, name):
            yield _field_change((*path, name), before, after)


def _holds_fields(value: Any) -> bool:
    """True for an object, and for what is absent or empty: then the other side's fields are told."""
    return value is _ABSENT or value == [] or isinstance(value, dict)


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_quiet(before: Any, after: Any, default: Any, name: str) -> bool:
    if before is not _ABSENT and after is not _ABSENT:
        return _is_equal(before, after, name, any_mask=False)
    return _is_equal(after if before is _ABSENT else before, default, name, any_mask=False)


def _field_change(path: tuple[str, ...], before: Any, after: Any) -> FieldChange:
    old = None if before is _ABSENT else before
    new = None if after is _ABSENT else after
    shown = ".".join(path)
    if path[-1] in SETS and not any(v is not None and not isinstance(v, list) for v in (old, new)):
        had, has = _members(old), _members(new)
        return FieldChange(
            path=shown,
            before=old,
            after=new,
            added=tuple(has[k] for k in has if k not in had),
            removed=tuple(had[k] for k in had if k not in has),
        )
    return FieldChange(path=shown, before=old, after=new, is_secret=is_mask(old) or is_mask(new))


def _members(values: Any) -> dict[str, Any]:
    """Members of a set by their canonical text, in order."""
    if not isinstance(values, list):
        return {}
    return {json.dumps(v, sort_keys=True): v for v in values}
