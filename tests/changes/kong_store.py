"""What Kong's data layer does with entities: defaults, PUT and PATCH, uniqueness, references, cascades.

Follows kong/db/schema/init.lua (`process_auto_fields`, `merge_values`), kong/db/dao/init.lua and
kong/db/errors.lua of Kong 3.9.3. Errors carry Kong's code, name, message and fields.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.changes.kong_schemas import (
    AT_LEAST_ONE_OF,
    PLUGIN_CONFIGS,
    PROTOCOLS_OF,
    SCHEMAS,
    UNSET,
    Field,
    Schema,
)

Entity = dict[str, Any]


class KongError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Entity) -> None:
        self.status = status
        self.body = body
        super().__init__(str(body))


def violation(fields: Entity) -> KongError:
    """400, code 2."""
    parts = []
    for name in sorted(fields):
        value = fields[name]
        if name == "@entity":
            parts += value
        elif isinstance(value, dict):
            parts += [f"{name}.{sub}: {value[sub]}" for sub in sorted(value)]
        else:
            parts.append(f"{name}: {value}")
    joined = "; ".join(parts)
    message = (
        f"schema violation ({joined})" if len(parts) == 1 else f"{len(parts)} schema violations ({joined})"
    )
    return KongError(400, {"code": 2, "name": "schema violation", "message": message, "fields": fields})


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


class KongStore:
    """All entities of one Kong, as its database holds them (nulls included)."""

    def __init__(self, now_s: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._now_s = now_s
        self._new_id = new_id
        self.rows: dict[str, dict[str, Entity]] = {name: {} for name in SCHEMAS}
        self.events: list[Entity] = []
        """What `dao:crud` would have told: `{operation, schema, entity, old_entity?}`."""

    # ---- reading

    def find(self, name: str, key: str) -> Entity | None:
        """By id, or by what the collection's entities can be called."""
        schema = SCHEMAS[name]
        if is_uuid(key):
            return self.rows[name].get(key)
        if schema.endpoint_key is None:
            return None
        return next((r for r in self.rows[name].values() if r.get(schema.endpoint_key) == key), None)

    def shown(self, name: str, row: Entity) -> Entity:
        """As the Admin API answers: nulls, and Redis fields by their old names as well."""
        found = copy.deepcopy(row)
        redis = found["config"].get("redis") if name == "plugins" and found.get("config") else None
        if redis is not None:
            found["config"].update({f"redis_{k}": v for k, v in redis.items()})
        return found

    # ---- writing

    def insert(self, name: str, given: Entity) -> Entity:
        """POST: make one.

        Raises:
            KongError: As Kong would answer.
        """
        row = self._filled(name, given)
        if row["id"] in self.rows[name]:
            body = {"id": row["id"]}
            message = f"primary key violation on key '{_pretty(body)}'"
            raise KongError(
                400, {"code": 3, "name": "primary key violation", "message": message, "fields": body}
            )
        self._check(name, row)
        self._hash(name, row, given)
        self.rows[name][row["id"]] = row
        self._told("create", name, row)
        return row

    def upsert(self, name: str, key: str, given: Entity) -> Entity:
        """PUT: replace one whole, or make it.

        Raises:
            KongError: As Kong would answer.
        """
        schema = SCHEMAS[name]
        old = self.find(name, key)
        identity = {"id": key} if is_uuid(key) else {schema.endpoint_key or "id": key}
        if old is not None:
            identity["id"] = old["id"]
        row = self._filled(name, {**given, **identity})
        self._check(name, row)
        self._hash(name, row, given)
        self.rows[name][row["id"]] = row
        self._told("update" if old else "create", name, row, old)
        return row

    def update(self, name: str, row_id: str, given: Entity) -> Entity:
        """PATCH: merge into one.

        Raises:
            KongError: As Kong would answer.
        """
        old = self.rows[name][row_id]
        fields = self._fields(name, {**old, **given})
        given = self._old_names_moved(name, given)
        self._known(given, fields)
        row = _merge(fields, given, old)
        if "updated_at" in fields:
            row["updated_at"] = self._stamp(fields["updated_at"])
        self._check(name, row)
        self._hash(name, row, given)
        self.rows[name][row_id] = row
        self._told("update", name, row, old)
        return row

    def delete(self, name: str, row_id: str) -> None:
        """DELETE, with all that belongs to it.

        Raises:
            KongError: Something else needs it.
        """
        row = self.rows[name].get(row_id)
        if row is None:
            return
        gone: list[tuple[str, Entity]] = []
        self._cascade(name, row_id, gone)
        for child_name, child in gone:
            del self.rows[child_name][child["id"]]
        del self.rows[name][row_id]
        self._told("delete", name, row)
        for child_name, child in gone:
            self._told("delete", child_name, child)

    def seed(self, event: Entity) -> None:
        """Bring an entity to the state that a recorded event shows, without checks or events."""
        name, entity = event["schema"], event["entity"]
        if event["operation"] == "delete":
            self.rows[name].pop(entity["id"], None)
            return
        fields = self._fields(name, entity)
        moved = self._old_names_moved(name, entity)
        self.rows[name][entity["id"]] = {
            k: copy.deepcopy(_nulled(f, moved.get(k))) for k, f in fields.items()
        }

    # ---- inside

    def _cascade(self, name: str, row_id: str, gone: list[tuple[str, Entity]]) -> None:
        for child_name, schema in SCHEMAS.items():
            for field_name, field in schema.fields.items():
                if field.reference != name:
                    continue
                for child in list(self.rows[child_name].values()):
                    if (child.get(field_name) or {}).get("id") != row_id:
                        continue
                    if field.on_delete != "cascade":
                        message = f"an existing '{child_name}' entity references this '{name}' entity"
                        raise KongError(
                            400,
                            {
                                "code": 4,
                                "name": "foreign key violation",
                                "message": message,
                                "fields": {"@referenced_by": child_name},
                            },
                        )
                    gone.append((child_name, child))
                    self._cascade(child_name, child["id"], gone)

    def _fields(self, name: str, entity: Entity) -> dict[str, Field]:
        fields = dict(SCHEMAS[name].fields)
        if name == "plugins":
            plugin = entity.get("name")
            if plugin not in PLUGIN_CONFIGS:
                problem = f"plugin '{plugin}' not enabled; add it to the 'plugins' configuration property"
                raise violation({"name": problem if plugin else "required field missing"})
            fields["config"] = PLUGIN_CONFIGS[plugin]
            if plugin in PROTOCOLS_OF:
                fields["protocols"] = Field("set", default=PROTOCOLS_OF[plugin], required=True)
        return fields

    def _old_names_moved(self, name: str, given: Entity) -> Entity:
        """`config.redis_host` is taken as `config.redis.host`, which wins where both are sent."""
        config = given.get("config")
        if name != "plugins" or not isinstance(config, dict):
            return given
        old = {k[6:]: v for k, v in config.items() if k.startswith("redis_")}
        rest = {k: v for k, v in config.items() if not k.startswith("redis_")}
        if old:
            rest["redis"] = {**old, **(rest.get("redis") or {})}
        return {**given, "config": rest}

    def _filled(self, name: str, given: Entity) -> Entity:
        fields = self._fields(name, given)
        given = self._old_names_moved(name, given)
        self._known(given, fields)
        return {k: self._value(k, f, given.get(k, UNSET)) for k, f in fields.items()}

    def _value(self, name: str, field: Field, value: Any) -> Any:
        if field.auto in {"s", "ms"} and (value in (UNSET, None) or name == "updated_at"):
            return self._stamp(field)
        if value is UNSET and field.auto:
            new_id = self._new_id()
            return new_id if field.auto == "uuid" else hashlib.sha256(new_id.encode()).hexdigest()[:32]
        if field.kind == "record" and value is not None:
            given = {} if value is UNSET else value
            return {k: self._value(k, f, given.get(k, UNSET)) for k, f in (field.fields or {}).items()}
        if value is UNSET:
            value = None if field.default is UNSET else field.default
        return copy.deepcopy(value)

    def _known(self, given: Entity, fields: dict[str, Field]) -> None:
        problems: Entity = {}
        for name, value in given.items():
            field = fields.get(name)
            if field is None:
                problems[name] = "unknown field"
            elif value is not None and not _fits(field, value):
                problems[name] = f"expected {_article(field.kind)}"
            elif field.kind == "record" and isinstance(value, dict):
                inner = {k: "unknown field" for k in value if k not in (field.fields or {})}
                if inner:
                    problems[name] = inner
        if problems:
            raise violation(problems)

    def _check(self, name: str, row: Entity) -> None:
        fields = self._fields(name, row)
        problems: Entity = {}
        for key, field in fields.items():
            if field.required and row.get(key) is None:
                problems[key] = "required field missing"
            elif field.kind == "record" and row.get(key) is not None:
                inner = {
                    k: "required field missing"
                    for k, f in (field.fields or {}).items()
                    if f.required and row[key].get(k) is None
                }
                inner |= {
                    k: f"value must be greater than {f.minimum:g}"
                    for k, f in (field.fields or {}).items()
                    if f.minimum is not None and row[key].get(k) is not None and row[key][k] <= f.minimum
                }
                if inner:
                    problems[key] = inner
        one_of = AT_LEAST_ONE_OF.get(row.get("name", "")) if name == "plugins" else None
        if one_of and all(row["config"].get(k) in (None, []) for k in one_of):
            listed = ", ".join(f"'config.{k}'" for k in one_of)
            problems["@entity"] = [f"at least one of these fields must be non-empty: {listed}"]
        if problems:
            raise violation(problems)
        self._check_references(fields, row)
        self._check_unique(SCHEMAS[name], name, row)

    def _check_references(self, fields: dict[str, Field], row: Entity) -> None:
        for key, field in fields.items():
            if not field.reference or row.get(key) is None:
                continue
            if row[key]["id"] not in self.rows.get(field.reference, {}):
                message = (
                    f"the foreign key '{_pretty(row[key])}' does not reference an existing"
                    f" '{field.reference}' entity."
                )
                raise KongError(
                    400,
                    {
                        "code": 4,
                        "name": "foreign key violation",
                        "message": message,
                        "fields": {key: row[key]},
                    },
                )

    def _check_unique(self, schema: Schema, name: str, row: Entity) -> None:
        others = [r for r in self.rows[name].values() if r["id"] != row["id"]]
        for key, field in schema.fields.items():
            if field.unique and row.get(key) is not None and any(r.get(key) == row[key] for r in others):
                raise _unique({key: row[key]})
        wanted = {k: row.get(k) for k in schema.composite_unique}
        if wanted and any(all(r.get(k) == v for k, v in wanted.items()) for r in others):
            raise _unique(wanted)

    def _hash(self, name: str, row: Entity, given: Entity) -> None:
        for field in SCHEMAS[name].hashed:
            if given.get(field) is not None:
                salted = str(given[field]) + row["consumer"]["id"]
                row[field] = hashlib.sha1(salted.encode()).hexdigest()  # noqa: S324 - as Kong does

    def _stamp(self, field: Field) -> float:
        now = self._now_s()
        return round(now, 3) if field.auto == "ms" else int(now)

    def _told(self, operation: str, name: str, row: Entity, old: Entity | None = None) -> None:
        entity = _without_nulls(self.shown(name, row))
        event: Entity = {"operation": operation, "schema": name, "entity": entity}
        if operation == "delete":
            entity["ws_id"] = "308e2b57-a16d-4b45-b1f3-132a45df6517"
        if operation == "update" and old is not None:
            event["old_entity"] = _without_nulls(old)
        self.events.append(event)


def _merge(fields: dict[str, Field], top: Entity, bottom: Entity) -> Entity:
    found = copy.deepcopy(bottom)
    for key, value in top.items():
        field = fields[key]
        if field.kind == "record" and isinstance(value, dict):
            found[key] = _merge(field.fields or {}, value, bottom.get(key) or {})
        else:
            found[key] = copy.deepcopy(value)
    return found


def _nulled(field: Field, value: Any) -> Any:
    if field.kind == "record" and isinstance(value, dict):
        return {k: _nulled(f, value.get(k)) for k, f in (field.fields or {}).items()}
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def _fits(field: Field, value: Any) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,),
        "array": (list,), "set": (list,), "map": (dict,), "record": (dict,), "foreign": (dict,),
    }  # fmt: skip
    if isinstance(value, bool) and field.kind != "boolean":
        return False
    return isinstance(value, kinds[field.kind])


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _unique(fields: Entity) -> KongError:
    message = f"UNIQUE violation detected on '{_pretty(fields)}'"
    return KongError(
        409, {"code": 5, "name": "unique constraint violation", "message": message, "fields": fields}
    )


def _pretty(value: Any) -> str:
    """As Penlight writes a table on one line: `{consumer=null,name="ip-restriction"}`."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}={_pretty(value[k])}" for k in sorted(value)) + "}"
    return "null" if value is None else json.dumps(value)
