"""A pasted fragment of declarative configuration as requests: what is there is changed, the rest is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from changes.admin_api import AdminApi
from domain.admin_requests import AdminRequest, Plan, Refused, State, Step
from domain.declarative import entities_in
from domain.kong_entities import NEVER_SENT, collection_of, collection_path, name_of, plain, reference
from domain.redaction import redact
from domain.rollback import merged

MAX_ENTITIES = 50
MAX_FRAGMENT_CHARS = 65_536
VAULT = "{vault://"


class _Plain(yaml.SafeLoader):
    """YAML without aliases, which can make a small text grow without bounds, and without dates."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


_Plain.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_fragment(text: str) -> Any:
    """The JSON value that a fragment in YAML or JSON holds.

    Raises:
        ValueError: It cannot be read, is too long, or is nested too deeply.
    """
    if len(text) > MAX_FRAGMENT_CHARS:
        raise ValueError(f"the fragment is longer than {MAX_FRAGMENT_CHARS:,} characters")
    try:
        return yaml.load(text, Loader=_Plain)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"the fragment is no YAML: {str(error)[:200]}") from error


async def fragment_plan(api: AdminApi, text: str, new_id: Callable[[], str]) -> Plan | Refused:
    """The requests that make Kong hold what a fragment says, and leave the rest as it is.

    An entity is found by its id or its name; a plugin without an id by its name and place.

    Raises:
        Unreachable: Kong does not answer.
    """
    try:
        entities = entities_in(read_fragment(text))
    except ValueError as error:
        return Refused(why=str(error))
    if len(entities) > MAX_ENTITIES:
        return Refused(
            why=f"{len(entities)} entities at once: more than {MAX_ENTITIES} are too much to be read"
        )
    steps: list[Step] = []
    for entity_type, entity in entities:
        secret = _first_secret(entity_type, entity)
        if secret:
            return Refused(
                why=f"{entity_type}: {secret} is a secret, and secrets are never stored here",
                instead="name it by a reference such as {vault://env/my-secret}, or set it in Kong yourself",
            )
        path = await _path_of(api, entity_type, entity, new_id)
        if path is None:
            return Refused(why=f"{entity_type}: one of them has neither id nor name, or no owner")
        live = await api.entity(path)
        step = _changed(entity_type, entity, path, live) if live else _made(entity_type, entity, path)
        if step is not None:
            steps.append(step)
    if not steps:
        return Refused(why="Kong is already as the fragment says")
    return Plan(steps=tuple(steps))


async def _path_of(
    api: AdminApi, entity_type: str, entity: Mapping[str, Any], new_id: Callable[[], str]
) -> str | None:
    under = collection_path(entity_type, entity)
    if under is None:
        return None
    key = entity.get("id")
    if key is None and entity_type == "plugins":
        found = await _plugin_at(api, entity)
        key = found or new_id()
    if key is None:
        field = collection_of(entity_type).name_field
        key = entity.get(field) if field else None
    return f"{under}/{key}" if isinstance(key, str) and key else None


async def _plugin_at(api: AdminApi, entity: Mapping[str, Any]) -> str | None:
    """The id of the plugin of this name in this place; None when there is none."""
    fields = [field for field, _ in collection_of("plugins").parents]
    wanted = (entity.get("name"), *(reference(entity, field) for field in fields))
    for plugin in await api.entities("/plugins") or []:
        if (plugin.get("name"), *(reference(plugin, field) for field in fields)) == wanted:
            return str(plugin["id"])
    return None


def _changed(entity_type: str, entity: Mapping[str, Any], path: str, live: Mapping[str, Any]) -> Step | None:
    body = {k: v for k, v in entity.items() if k not in NEVER_SENT | {"id", "created_at"}}
    before = redact({k: v for k, v in plain(live).items() if k not in NEVER_SENT})
    after = State(path=path, entity=body, is_whole=False)
    if not after.differing(live):
        return None
    return Step(
        says=f"change {_what(entity_type, entity)}",
        entity_type=entity_type,
        request=AdminRequest(method="PATCH", path=path, body=body),
        before=State(path=path, entity=before),
        after=State(path=path, entity=merged(before, body)),
    )


def _made(entity_type: str, entity: Mapping[str, Any], path: str) -> Step:
    body = {k: v for k, v in entity.items() if k not in NEVER_SENT}
    request = AdminRequest(method="PUT", path=path, body=body)
    if not collection_of(entity_type).put_creates:
        request = AdminRequest(method="POST", path=path.rpartition("/")[0], body=body)
    return Step(
        says=f"make {_what(entity_type, entity)}",
        entity_type=entity_type,
        request=request,
        before=State(path=path, entity=None),
        after=State(path=path, entity=body, is_whole=False),
    )


def _what(entity_type: str, entity: Mapping[str, Any]) -> str:
    return (
        f"{collection_of(entity_type).noun} {name_of(entity_type, entity) or entity.get('id') or ''}".strip()
    )


def _first_secret(entity_type: str, entity: Mapping[str, Any]) -> str | None:
    """The path of the first secret in clear; None when there is none. References to a vault are none."""
    return _secret_in(entity, redact(entity), (entity_type,))


def _secret_in(value: Any, masked: Any, path: tuple[str, ...]) -> str | None:
    if isinstance(value, Mapping) and isinstance(masked, Mapping):
        for key, inner in value.items():
            found = _secret_in(inner, masked.get(key), (*path, str(key)))
            if found:
                return found
        return None
    if isinstance(value, list) and isinstance(masked, list):
        for number, (one, other) in enumerate(zip(value, masked, strict=False)):
            found = _secret_in(one, other, (*path, str(number)))
            if found:
                return found
        return None
    if value == masked or (isinstance(value, str) and value.startswith(VAULT)):
        return None
    return ".".join(path[1:])
