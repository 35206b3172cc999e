"""A limit as a request to Kong's Admin API: a new value in a plugin that is there, or a new plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.admin_requests import AdminRequest, Plan, Refused, State, Step
from domain.changes import Names, place_of
from domain.kong_entities import NEVER_SENT, plain, reference
from domain.limits import WINDOWS_S
from domain.redaction import redact
from domain.rollback import merged

RATE_LIMITING = "rate-limiting"


class WantedLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many requests per window, counted for each of something, in one place."""

    window: str
    """Kong's name of it: `minute`."""
    value: int
    limit_by: str = "consumer"
    """Of a plugin that has to be made; one that is there keeps its own."""
    service_id: str | None = None
    route_id: str | None = None
    consumer_id: str | None = None

    def place(self) -> dict[str, Any]:
        """Where it applies, as Kong's references."""
        found = {"service": self.service_id, "route": self.route_id, "consumer": self.consumer_id}
        return {field: {"id": value} for field, value in found.items() if value is not None}


def plan_limit(
    wanted: WantedLimit, plugins: Sequence[Mapping[str, Any]], names: Names, new_id: str
) -> Plan | Refused:
    """The request that puts a limit in force.

    Args:
        wanted: The limit.
        plugins: All plugins as the Admin API shows them.
        names: For words.
        new_id: The id of the plugin to be made, where there is none in that place.
    """
    if wanted.window not in WINDOWS_S or wanted.value < 1:
        return Refused(why=f"{wanted.value} per {wanted.window} is no limit that Kong knows")
    there = next((p for p in plugins if p.get("name") == RATE_LIMITING and _is_at(p, wanted)), None)
    if there is None:
        return Plan(steps=(_made(wanted, names, new_id),))
    if there.get("enabled") is False:
        return Refused(
            why=f"{RATE_LIMITING} {place_of(there, names)} is there and switched off",
            instead="switch it on first, or look why it is off",
        )
    held = (there.get("config") or {}).get(wanted.window)
    if held == wanted.value:
        return Refused(
            why=f"the limit {place_of(there, names)} is {wanted.value} per {wanted.window} already"
        )
    path = f"/plugins/{there['id']}"
    before = redact({k: v for k, v in plain(there).items() if k not in NEVER_SENT and k != "created_at"})
    body = {"config": {wanted.window: wanted.value}}
    now = "not set" if held is None else f"{held:g}"
    step = Step(
        says=f"set the limit {place_of(there, names)} to {wanted.value} per {wanted.window}, now {now}",
        entity_type="plugins",
        request=AdminRequest(method="PATCH", path=path, body=body),
        before=State(path=path, entity=before),
        after=State(path=path, entity=merged(before, body)),
    )
    return Plan(steps=(step,))


def _is_at(plugin: Mapping[str, Any], wanted: WantedLimit) -> bool:
    return (
        reference(plugin, "service") == wanted.service_id
        and reference(plugin, "route") == wanted.route_id
        and reference(plugin, "consumer") == wanted.consumer_id
        and reference(plugin, "consumer_group") is None
    )


def _made(wanted: WantedLimit, names: Names, new_id: str) -> Step:
    config = {wanted.window: wanted.value, "limit_by": wanted.limit_by}
    body = {"name": RATE_LIMITING, "enabled": True, **wanted.place(), "config": config}
    path = f"/plugins/{new_id}"
    return Step(
        says=f"limit to {wanted.value} per {wanted.window} {place_of(body, names)}, by a new {RATE_LIMITING}",
        entity_type="plugins",
        request=AdminRequest(method="PUT", path=path, body=body),
        before=State(path=path, entity=None),
        after=State(path=path, entity={"id": new_id, **body}, is_whole=False),
    )
