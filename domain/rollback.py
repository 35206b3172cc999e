"""How to put an entity back as it was, through Kong's Admin API, as a new change.

| what was done | what undoes it |
|---|---|
| update | PUT the earlier entity whole; what it had not set is sent as null, since PUT fills in defaults |
| update of what holds a secret | PATCH the fields that differ: a PUT would have to send the secret |
| update of a target | PATCH: a PUT there does not replace (kong/api/routes/upstreams.lua, 3.9.3) |
| create | DELETE; what belongs to it goes too, and is named beforehand |
| delete | PUT it back under its id, what it belongs to first; a target by POST with its id |

Refused when the entity is not as the change left it: then somebody changed it since, and that would be lost.
PATCH merges records and replaces lists and maps (kong/db/schema/init.lua `merge_values`, 3.9.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.admin_requests import AdminRequest, Plan, Refused, State, Step
from domain.changes import Change, Operation
from domain.declarative import fragment_of
from domain.diff import differing_fields, is_same
from domain.kong_defaults import defaults_of
from domain.kong_entities import (
    NEVER_SENT,
    RUNTIME,
    collection_of,
    collection_path,
    entity_path,
    masked_paths,
    plain,
    reference,
)

MAPS = frozenset(["headers", "limits", "custom_fields_by_lua", "labels", "functions", "add", "append"])
"""Objects whose keys people choose, which Kong replaces whole (type `map` in its schemas)."""

_NOT_THERE = "it is not there any more"


def plan_rollback(
    change: Change, live: Mapping[str, Any] | None, dependents: Sequence[tuple[str, str]] = ()
) -> Plan | Refused:
    """The requests that undo a change.

    Args:
        change: What was done.
        live: The entity as the Admin API shows it now; None when it is not there.
        dependents: (collection, name) of what belongs to the entity now and would go with it.
    """
    if change.entity_id is None or change.entity_type in RUNTIME:
        return Refused(why="this entity is not configuration: Kong makes it while it runs")
    path = entity_path(change.entity_type, change.entity_id, change.entity)
    if path is None:
        return Refused(why="the change does not say to whom the entity belongs, so it cannot be found")
    if change.operation == Operation.CREATE:
        return _undo_create(change, path, live, dependents)
    if change.operation == Operation.DELETE:
        return _undo_delete(change, path, live)
    return _undo_update(change, path, live)


# ---- create -> DELETE


def _undo_create(
    change: Change, path: str, live: Mapping[str, Any] | None, dependents: Sequence[tuple[str, str]]
) -> Plan | Refused:
    if live is None:
        return Refused(why=f"{_what(change)} is gone already")
    if not is_same(change.after or {}, live):
        return _changed_since(change, change.after or {}, live)
    if change.entity_type == "services" and (routes := [n for c, n in dependents if c == "routes"]):
        return Refused(
            why=f"{len(routes)} {_plural('route', len(routes))} still use it: {_listed(routes)}",
            instead="delete or move them first; Kong refuses otherwise",
        )
    warnings = []
    if dependents:
        gone = _listed([f"{collection_of(c).noun} {n}" for c, n in dependents])
        warnings.append(f"what belongs to it is deleted with it, and keys cannot be brought back: {gone}")
    step = Step(
        says=f"delete {_what(change)}",
        entity_type=change.entity_type,
        request=AdminRequest(method="DELETE", path=path),
        before=State(path=path, entity=_kept(change.after or {})),
        after=State(path=path, entity=None),
    )
    return Plan(steps=(step,), warnings=tuple(warnings))


# ---- delete -> PUT, parents first


def _undo_delete(change: Change, path: str, live: Mapping[str, Any] | None) -> Plan | Refused:
    before = change.before
    if before is None:
        return Refused(why="the sender did not show what was deleted")
    if live is not None:
        if is_same(before, live):
            return Refused(why=f"{_what(change)} is there again, as it was")
        return Refused(
            why=f"{_what(change)} is there again, and is not as it was", instead="change it, not restore it"
        )
    refusal = _unrestorable(change, before)
    if refusal is not None:
        return refusal
    return Plan(steps=(_make(change.entity_type, change.entity_id or "", before, path),))


def _make(entity_type: str, entity_id: str, entity: Mapping[str, Any], path: str) -> Step:
    """Make an entity under its old id."""
    body = _sendable(entity, defaults_of(entity_type, entity))
    noun = collection_of(entity_type).noun
    if collection_of(entity_type).put_creates:
        request = AdminRequest(method="PUT", path=path, body=body)
    else:
        under = collection_path(entity_type, entity) or path.rpartition("/")[0]
        request = AdminRequest(method="POST", path=under, body={**body, "id": entity_id})
    return Step(
        says=f"make {noun} {_name(entity_type, entity) or entity_id} again under its old id",
        entity_type=entity_type,
        request=request,
        before=State(path=path, entity=None),
        after=State(path=path, entity=_kept(entity)),
    )


def _unrestorable(change: Change, entity: Mapping[str, Any]) -> Refused | None:
    """Why a deleted entity cannot be made again as it was; None when it can."""
    collection = collection_of(change.entity_type)
    hashed = [field for field in collection.hashed if entity.get(field) is not None]
    if hashed:
        why = f"Kong showed its {_listed(hashed)} hashed, and would hash that again"
        return Refused(why=why, instead=f"make a new {collection.noun} and give it to its owner")
    masked = masked_paths(entity)
    if masked:
        what = _listed([".".join(path) for path in masked])
        return Refused(
            why=f"it held a secret ({what}), and secrets are never kept here",
            instead=f"make a new {collection.noun} with a new secret and give it to its owner",
        )
    return None


# ---- update -> PUT or PATCH


def _undo_update(change: Change, path: str, live: Mapping[str, Any] | None) -> Plan | Refused:
    before, after = change.before, change.after
    if before is None or after is None:
        return Refused(why="the sender did not show what it was before")
    refusal = _not_as_left(change, before, after, live)
    if refusal is not None or live is None:
        return refusal or Refused(why=_NOT_THERE)
    if masked_paths(before) or masked_paths(after) or not collection_of(change.entity_type).put_creates:
        return _patched(change, path, before, after)
    step = Step(
        says=f"put {_what(change)} back as it was",
        entity_type=change.entity_type,
        request=AdminRequest(method="PUT", path=path, body=_replacement(before, live)),
        before=State(path=path, entity=_kept(after)),
        after=State(path=path, entity=_kept(before)),
    )
    return Plan(steps=(step,))


def _not_as_left(
    change: Change, before: Mapping[str, Any], after: Mapping[str, Any], live: Mapping[str, Any] | None
) -> Refused | None:
    """Why an update cannot or need not be undone; None when the entity is as the update left it."""
    if live is None:
        return Refused(why=f"{_what(change)} was deleted since", instead="restore it first")
    if not is_same(after, live):
        if is_same(before, live):
            return Refused(why=f"{_what(change)} is as it was already")
        return _changed_since(change, after, live)
    if is_same(before, after) and not _changed_masks(before, after):
        return Refused(why="nothing but timestamps changed")
    return None


def _patched(change: Change, path: str, before: dict[str, Any], after: dict[str, Any]) -> Plan | Refused:
    """Only what differs, so that secrets stay where they are."""
    lost = {".".join(p) for p in _changed_masks(before, after)}
    body = _patch(plain(before), plain(after), lost)
    for name in NEVER_SENT | {"id", "created_at"}:
        body.pop(name, None)
    if not body:
        what = _listed(sorted(lost))
        return Refused(why=f"what changed is a secret ({what}), and secrets are never kept here")
    step = Step(
        says=f"put {_what(change)} back as it was" + (", but for its secrets" if lost else ""),
        entity_type=change.entity_type,
        request=AdminRequest(method="PATCH", path=path, body=body),
        before=State(path=path, entity=_kept(after)),
        after=State(path=path, entity=merged(_kept(after), body)),
    )
    cannot = tuple(f"{field}: it held a secret before, which was never kept" for field in sorted(lost))
    return Plan(steps=(step,), cannot=cannot)


def _changed_masks(before: Any, after: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where a secret was changed, set or removed; masks with equal numbers are equal secrets."""
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        left = before if isinstance(before, Mapping) else {}
        right = after if isinstance(after, Mapping) else {}
        names = sorted(left.keys() | right.keys())
        return [p for n in names for p in _changed_masks(left.get(n), right.get(n), (*path, str(n)))]
    if before != after and (masked_paths(before) or masked_paths(after)):
        return [path] if masked_paths(before) else []
    return []


def _patch(
    wanted: Mapping[str, Any], held: Mapping[str, Any], lost: set[str], above: str = ""
) -> dict[str, Any]:
    """The fields to send so that `held` becomes `wanted`: records merge, lists and maps replace.

    Args:
        wanted: How it shall be.
        held: How it is.
        lost: Takes the paths that cannot be sent, because a secret is within.
        above: The path so far, with a dot at its end.
    """
    body: dict[str, Any] = {}
    for name in sorted(wanted.keys() | held.keys()):
        if name not in wanted:
            body[name] = None
        elif wanted[name] == held.get(name):
            continue
        elif _is_record(name, wanted[name]) and isinstance(held.get(name), Mapping):
            inner = _patch(wanted[name], held[name], lost, f"{above}{name}.")
            if inner:
                body[name] = inner
        elif masked_paths(wanted[name]):
            lost.add(f"{above}{name}")
        else:
            body[name] = wanted[name]
    return body


def _is_record(name: str, value: Any) -> bool:
    return isinstance(value, Mapping) and name not in MAPS


def merged(held: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """What Kong makes of an entity and a PATCH: records merge, lists and maps are replaced, null unsets."""
    found = dict(held)
    for name, value in body.items():
        if value is None:
            found.pop(name, None)
        elif _is_record(name, value) and isinstance(found.get(name), Mapping):
            found[name] = merged(found[name], value)
        else:
            found[name] = value
    return found


def _replacement(before: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a PUT: the earlier entity, and null for all it had not set that a default would fill."""
    body = {k: v for k, v in plain(before).items() if k not in NEVER_SENT}
    return _with_nulls(body, _without_old_names(live), "", top=True)


def _with_nulls(
    wanted: dict[str, Any], live: Mapping[str, Any], name: str, *, top: bool = False
) -> dict[str, Any]:
    """Fields that the live entity has (nulls included) and the wanted one has not are sent as null.

    Not within maps: a key that is not sent is not there. The Admin API shows all fields of a record, unset
    ones as null, and never a null within a map; so an object with a null in it is a record.
    """
    is_record = top or name == "config" or (name not in MAPS and None in live.values())
    found = dict(wanted)
    for key, value in live.items():
        if top and key in NEVER_SENT | {"id", "created_at"}:
            continue
        if key not in found:
            if is_record:
                found[key] = None
        elif isinstance(value, Mapping) and isinstance(found[key], dict):
            found[key] = _with_nulls(found[key], value, key)
    return found


def _without_old_names(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Without `redis_host` beside `redis.host`: the same field by its old name, nulls kept."""
    found: dict[str, Any] = {}
    records = {k: v for k, v in entity.items() if isinstance(v, Mapping)}
    for key, value in entity.items():
        is_old = any(key.startswith(f"{r}_") and key[len(r) + 1 :] in fields for r, fields in records.items())
        if not is_old:
            found[key] = _without_old_names(value) if isinstance(value, Mapping) else value
    return found


def _sendable(entity: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """An entity to be made: without what Kong makes itself, and with null where it had unset a default."""
    body = {k: v for k, v in plain(entity).items() if k not in NEVER_SENT}
    return _unset_defaults(body, defaults)


def _unset_defaults(body: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(body)
    for name, default in defaults.items():
        if isinstance(default, Mapping):
            if isinstance(found.get(name), dict):
                found[name] = _unset_defaults(found[name], default)
        elif name not in found and name != "type":
            found[name] = None
    return found


def _kept(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity as it is compared: masks stay, and stand for anything."""
    return {k: v for k, v in plain(entity).items() if k not in NEVER_SENT}


def _changed_since(change: Change, left: Mapping[str, Any], live: Mapping[str, Any]) -> Refused:
    fields = _listed(list(differing_fields(left, live)))
    return Refused(
        why=f"{_what(change)} was changed since ({fields}): undoing this would lose that",
        instead="undo the later change first",
    )


# ---- without a database


def fragment_for(change: Change) -> Refused:
    """The answer where the Admin API cannot write: what to put into the declarative configuration."""
    wanted = change.before
    if change.operation == Operation.CREATE or wanted is None:
        return Refused(
            why="this Kong runs without a database: its Admin API cannot delete entities",
            instead=f"remove {_what(change)} (id {change.entity_id}) from the declarative configuration",
        )
    masked = masked_paths(wanted)
    note = f"; fill in {_listed(['.'.join(p) for p in masked])} yourself" if masked else ""
    return Refused(
        why="this Kong runs without a database: its Admin API cannot write entities",
        instead=f"put this into the declarative configuration and apply it{note}",
        fragment=fragment_of(change.entity_type, wanted),
    )


# ---- words


def _what(change: Change) -> str:
    name = change.entity_name or change.entity_id or ""
    return f"{collection_of(change.entity_type).noun} {name}"


def _name(entity_type: str, entity: Mapping[str, Any]) -> str | None:
    field = collection_of(entity_type).name_field
    value = entity.get(field) if field else None
    return value if isinstance(value, str) else None


def _listed(values: Sequence[str], most: int = 5) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def _plural(noun: str, n: int) -> str:
    return noun if n == 1 else f"{noun}s"


def parents_of(entity_type: str, entity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(collection, id) of everything an entity points to: without them it cannot be made."""
    return [
        (collection, found)
        for field, collection in collection_of(entity_type).parents
        if (found := reference(entity, field)) is not None
    ]
