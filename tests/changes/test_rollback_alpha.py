"""Every change of the recorded trace rolled back against the Admin API stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.admin_requests import Plan, Refused
from domain.changes import cascades
from domain.kong_entities import entity_path
from domain.rollback import parents_of, plan_rollback
from tests.changes.kong_admin import KongAdmin
from tests.changes.recorded import change_of, crud_events

SHORTHANDS = ("redis_database", "redis_port", "redis_ssl", "redis_ssl_verify", "redis_timeout")


States = list[dict[str, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def events(alpha: Path) -> list[dict[str, Any]]:
    return crud_events(alpha)


@pytest.fixture(scope="module")
def states(events: list[dict[str, Any]]) -> States:
    """What Kong held right after each recorded event; rows are replaced, never altered."""
    kong, found = KongAdmin(), []
    for event in events:
        kong.store.seed(event)
        found.append({name: dict(rows) for name, rows in kong.store.rows.items()})
    return found


def kong_after(states: States, last: int) -> KongAdmin:
    """A Kong in the state right after one recorded event, and its siblings of the same call."""
    kong = KongAdmin()
    kong.store.rows = {name: dict(rows) for name, rows in states[last].items()}
    return kong


def exact(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity without what Kong rewrites by itself, and without nulls and second names."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if v is not None and k not in SHORTHANDS}
        return value

    return {k: v for k, v in clean(entity).items() if k not in {"updated_at", "ws_id"}}


async def send(client: httpx.AsyncClient, plan: Plan) -> None:
    for step in plan.steps:
        answer = await client.request(step.request.method, step.request.path, json=step.request.body)
        assert answer.status_code in {200, 201, 204}, answer.text


def client_of(kong: KongAdmin) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(kong), base_url="http://kong:8001")


async def live_of(client: httpx.AsyncClient, path: str) -> dict[str, Any] | None:
    answer = await client.get(path)
    return None if answer.status_code == 404 else answer.json()


async def test_each_change_in_clear_is_undone_exactly(events: list[dict[str, Any]], states: States) -> None:
    """With the secrets at hand all 151 can be undone; a child that went with its parent comes with it."""
    changes = [change_of(event, seq) for seq, event in enumerate(events)]
    parent_of = cascades(changes)
    undone = 0
    for number, change in enumerate(changes):
        siblings = [c for c in changes if parent_of.get(c.seq) == change.seq]
        last = max([number, *(c.seq for c in siblings)])
        if change.seq in parent_of:
            continue
        async with client_of(kong_after(states, last)) as client:
            for one in (change, *siblings):
                path = entity_path(one.entity_type, one.entity_id or "", one.entity)
                assert path is not None
                plan = plan_rollback(one, await live_of(client, path))
                assert isinstance(plan, Plan), (one, plan)
                assert plan.cannot == ()
                await send(client, plan)
                found = await live_of(client, path)
                if one.operation == "create":
                    assert found is None
                else:
                    assert exact(found or {}) == exact(one.before or {})
                undone += 1

    assert undone == len(events) == 151


async def test_each_change_as_stored_is_undone_exactly_but_for_its_secrets(
    events: list[dict[str, Any]], states: States
) -> None:
    """Secrets are never stored: of 151 changes only the three deleted keys cannot be put back, and say so."""
    refused = []
    for number, event in enumerate(events):
        change = change_of(event, number, masked=True)
        kong = kong_after(states, number)
        async with client_of(kong) as client:
            path = entity_path(change.entity_type, change.entity_id or "", change.entity)
            assert path is not None
            missing = [
                p for p in parents_of(change.entity_type, change.entity) if p[1] not in kong.store.rows[p[0]]
            ]
            plan = plan_rollback(change, await live_of(client, path))
            if isinstance(plan, Refused):
                refused.append((change.entity_type, change.operation))
                assert "secret" in plan.why
                continue
            if missing:
                continue  # it went with its parent, which is undone first
            await send(client, plan)
            found = await live_of(client, path)
            if change.operation == "create":
                assert found is None
            else:
                clear = event["entity"] if change.operation == "delete" else event["old_entity"]
                assert exact(found or {}) == exact(clear)

    assert refused == [("keyauth_credentials", "delete")] * 3


async def test_the_rollback_is_itself_a_change_that_kong_tells(
    events: list[dict[str, Any]], states: States
) -> None:
    lowered = next(n for n, e in enumerate(events) if e["entity"].get("config", {}).get("minute") == 5)
    kong = kong_after(states, lowered)
    change = change_of(events[lowered], lowered)
    async with client_of(kong) as client:
        plan = plan_rollback(change, await live_of(client, f"/plugins/{change.entity_id}"))
        assert isinstance(plan, Plan)
        await send(client, plan)

    [told] = kong.store.events
    assert told["operation"] == "update"
    assert (told["old_entity"]["config"]["minute"], told["entity"]["config"]["minute"]) == (5, 60)
