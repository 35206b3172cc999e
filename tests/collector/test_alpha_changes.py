"""Every change that was made to a recorded cluster is there once, with its states before and after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.storage.filling import rows

pytestmark = pytest.mark.e2e

COLLECTION_OF = {"key-auth": "keyauth_credentials"}
OPERATION_OF = {"POST": "create", "PATCH": "update", "DELETE": "delete"}
NO_CHANGE = ("/cache", "/healthy", "/unhealthy")
"""Parts of paths of Admin API calls that change no configuration."""
SOON_MS = 500


class Change(NamedTuple):
    """A row of the view `config_changes`."""

    at_ms: int
    collection: str
    entity_id: str
    name: str | None
    operation: str
    node: str
    before: Any
    after: Any


@pytest.fixture(scope="module")
def changes(alpha: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Change]:
    """What a replay of the events that were captured inside Kong puts into the view, oldest first."""
    path = tmp_path_factory.mktemp("alpha") / "g.db"
    command = [sys.executable, "-m", "collector", "replay", "--database", str(path)]
    subprocess.run([*command, str(alpha / "kong-events.jsonl.gz")], check=True, capture_output=True)
    found = rows(
        path,
        "SELECT at_ms, entity_type, entity_id, entity_name, operation, node, before, after"
        " FROM config_changes ORDER BY at_ms",
    )
    return [Change(*row[:6], *(json.loads(state) if state else None for state in row[6:])) for row in found]


@pytest.fixture(scope="module")
def truth(alpha: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    return found


def calls(truth: dict[str, Any]) -> list[dict[str, Any]]:
    """The Admin API calls that changed the configuration."""
    return [
        call
        for call in truth["admin_timeline"]
        if call["method"] in OPERATION_OF
        and 200 <= call["status"] < 300
        and not any(part in call["path"] for part in NO_CHANGE)
    ]


def told_by(call: dict[str, Any], changes: list[Change], truth: dict[str, Any]) -> list[Change]:
    """The changes that one call made itself: right entity, operation and node, at the right moment."""
    parts = call["path"].strip("/").split("/")
    by_collection = call["method"] == "POST"
    collection = parts[-1] if by_collection else parts[-2]
    who = {call.get("entity_id")} if by_collection else {parts[-1], call.get("entity_id")}
    nodes = truth["nodes"][call["node"]]["node_ids"]
    from_ms, to_ms = call["ts"] * 1000 - 5, call["done_ts"] * 1000 + SOON_MS
    return [
        change
        for change in changes
        if change.collection == COLLECTION_OF.get(collection, collection)
        and change.operation == OPERATION_OF[call["method"]]
        and {change.entity_id, change.name} & (who - {None})
        and change.node in nodes
        and from_ms <= change.at_ms <= to_ms
    ]


def test_every_call_made_one_change(changes: list[Change], truth: dict[str, Any]) -> None:
    found = [(call["method"], call["path"], len(told_by(call, changes, truth))) for call in calls(truth)]
    print(f"\n{len(found)} calls that change something, {len(changes)} changes")  # noqa: T201 - asked for
    for method, path, n in found:
        print(f"  {n}  {method:6} {path}")  # noqa: T201

    assert len(found) > 100
    assert [row for row in found if row[2] != 1] == []


def test_what_no_call_asked_for_went_with_its_parent(changes: list[Change], truth: dict[str, Any]) -> None:
    """Kong deletes an entity's children with it, and tells of each (kong/db/dao/init.lua, 3.9)."""
    asked = {change[:6] for call in calls(truth) for change in told_by(call, changes, truth)}
    others = [change for change in changes if change[:6] not in asked]
    gone = {change.entity_id for change in changes if change.operation == "delete" and change[:6] in asked}

    assert {change.operation for change in others} == {"delete"}
    for change in others:
        parents = {part["id"] for part in change.before.values() if isinstance(part, dict) and "id" in part}
        assert parents & gone, change


def test_a_change_has_the_states_that_its_operation_leaves(changes: list[Change]) -> None:
    for change in changes:
        has = (change.before is not None, change.after is not None)
        assert (
            has
            == {"create": (False, True), "update": (True, True), "delete": (True, False)}[change.operation]
        )


def test_what_a_call_asked_for_is_in_the_state_after_it(changes: list[Change], truth: dict[str, Any]) -> None:
    checked = 0
    for call in calls(truth):
        [change] = told_by(call, changes, truth)
        if not call["body"]:
            continue
        assert holds(change.after, {key: v for key, v in call["body"].items() if key not in ("url", "key")})
        if change.operation == "update":
            assert not holds(change.before, call["body"])
        checked += 1

    assert checked >= 18


def holds(state: Any, wanted: Any) -> bool:
    """Whether every field that is wanted is in a state; lists come in any order."""
    if isinstance(wanted, dict):
        return isinstance(state, dict) and all(holds(state.get(key), part) for key, part in wanted.items())
    if isinstance(wanted, list):
        return isinstance(state, list) and sorted(state) == sorted(wanted)
    return bool(state == wanted)


def test_no_credential_is_in_any_state(changes: list[Change]) -> None:
    credentials = [change for change in changes if change.collection == "keyauth_credentials"]

    assert len(credentials) > 40
    assert all((change.after or change.before)["key"] == "[redacted:1]" for change in credentials)
    assert "alpha-rotated" not in str(changes)
