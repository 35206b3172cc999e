from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wire.changes import change_id, decode_change, entity_seen, name_of, plugin_seen
from domain.errors import DecodeError
from domain.events import Decoded
from domain.redaction import redact_change

AT_MS = 1_795_384_700_000
CANARY = "s3cr3t-cAnAry-9f2b"
SERVICE = {"id": "s1", "name": "orders", "host": "orders.internal", "port": 8080, "updated_at": 1_727_003_600}
PLUGIN = {
    "id": "p1",
    "name": "rate-limiting",
    "enabled": True,
    "route": {"id": "r1"},
    "config": {"minute": 5, "redis_password": CANARY, "hide_client_headers": True},
    "updated_at": 1_727_003_600,
}


def decoded(operation: str, collection: str = "services", **told: Any) -> Decoded:
    return decode_change({"operation": operation, **told}, "where", collection=collection, at_ms=AT_MS)


def test_an_update_has_both_states() -> None:
    old = {**SERVICE, "host": "old.internal", "updated_at": 1_727_000_000}

    [event] = decoded("update", entity=SERVICE, old_entity=old).events

    assert (event.kind, event.event, event.operation) == ("crud", "services.updated", "update")
    assert (event.entity_type, event.entity_id, event.entity_name) == ("services", "s1", "orders")
    assert (event.before, event.after) == (old, SERVICE)


def test_what_was_made_has_no_state_before() -> None:
    [event] = decoded("create", entity=SERVICE).events

    assert (event.event, event.before, event.after) == ("services.created", None, SERVICE)


def test_what_was_deleted_has_no_state_after() -> None:
    found = decoded("delete", entity=SERVICE)

    [event] = found.events
    assert (event.event, event.before, event.after) == ("services.deleted", SERVICE, None)
    assert [(e.name, e.deleted) for e in found.entities] == [("orders", True)]


@pytest.mark.parametrize(
    ("word", "operation"),
    [("created", "create"), ("updated", "update"), ("deleted", "delete"), ("upsert", "update")],
)
def test_publishers_other_words_for_an_operation_are_understood(word: str, operation: str) -> None:
    assert decoded(word, entity=SERVICE).events[0].operation == operation


def test_an_update_whose_old_state_is_not_told_has_none() -> None:
    [event] = decoded("update", entity=SERVICE).events

    assert (event.before, event.after) == (None, SERVICE)


def test_a_plugin_is_remembered_as_it_was_and_as_it_is() -> None:
    old = {**PLUGIN, "config": {"minute": 50}}

    found = decoded("update", "plugins", entity=PLUGIN, old_entity=old).plugins

    assert [(p.at_ms, p.config["minute"], p.route_id) for p in found] == [
        (AT_MS - 1, 50, "r1"),
        (AT_MS, 5, "r1"),
    ]


def test_a_deleted_plugin_was_there_until_then() -> None:
    found = decoded("delete", "plugins", entity=PLUGIN).plugins

    assert [(p.at_ms, p.deleted) for p in found] == [(AT_MS - 1, False), (AT_MS, True)]


def test_no_secret_is_kept_of_an_entity() -> None:
    rotated = {**PLUGIN, "config": {**PLUGIN["config"], "redis_password": CANARY + "2"}}  # type: ignore[dict-item]
    found = decoded("update", "plugins", entity=rotated, old_entity=PLUGIN)

    [event] = found.events
    assert CANARY not in str(event)
    assert CANARY not in str(found.plugins)
    assert event.before is not None
    assert event.after is not None
    assert event.before["config"]["redis_password"] != event.after["config"]["redis_password"]


def test_a_credential_keeps_whose_it_is_and_nothing_else() -> None:
    credential = {"id": "k1", "key": CANARY, "consumer": {"id": "c1"}, "created_at": 1}

    [event] = decoded("create", "keyauth_credentials", entity=credential).events

    assert event.after == {**credential, "key": "[redacted:1]"}
    assert event.entity_name is None


def test_the_same_change_told_twice_is_one_event() -> None:
    """Kong posts `dao:crud`, `crud services` and `crud services:update`; deletions name their workspace."""
    ids = {
        decode_change(
            {"operation": "update", "entity": entity, "old_entity": SERVICE},
            "where",
            collection="services",
            at_ms=at_ms,
        )
        .events[0]
        .id
        for entity, at_ms in (
            ({**SERVICE, "port": 1}, AT_MS),
            ({**SERVICE, "port": 1, "ws_id": "w"}, AT_MS + 400_000),
        )
    }

    assert len(ids) == 1


def test_a_change_back_and_forth_is_three_changes() -> None:
    there = {**SERVICE, "port": 1, "updated_at": 1_727_003_700}
    back = {**SERVICE, "updated_at": 1_727_003_800}
    again = {**there, "updated_at": 1_727_003_900}

    pairs = [(SERVICE, there), (there, back), (back, again)]

    assert len({change_id("services", "update", *pair, AT_MS) for pair in pairs}) == 3


def test_entities_without_updated_at_are_told_apart_by_when_they_changed() -> None:
    acl = {"id": "a1", "group": "gold"}

    ids = [change_id("acls", "delete", acl, None, at_ms) for at_ms in (AT_MS, AT_MS + 3, AT_MS + 60_000)]

    assert ids[0] == ids[1] != ids[2]


def test_a_change_of_a_secret_has_one_identity_however_its_masks_are_numbered() -> None:
    """The plugin masks inside the node, in Lua's order of keys."""
    before = {"z_secret": "a", "a_secret": "b", "updated_at": 1}
    after = {"z_secret": "a", "a_secret": "c", "updated_at": 2}
    turned = [dict(reversed(list(state.items()))) for state in (before, after)]

    ids = {change_id("x", "update", *redact_change(*pair), AT_MS) for pair in ((before, after), turned)}
    unchanged = change_id("x", "update", *redact_change(before, {**before, "updated_at": 2}), AT_MS)

    assert len(ids) == 1
    assert unchanged not in ids


def test_a_repeated_run_of_a_recording_makes_new_events() -> None:
    told = {"operation": "create", "entity": SERVICE}
    ids = [
        decode_change(told, "w", collection="services", at_ms=AT_MS, run=run).events[0].id
        for run in ("", "-18f")
    ]

    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"entity": SERVICE}, "operation is missing, expected create, update or delete"),
        ({"operation": "drop", "entity": SERVICE}, "operation is 'drop', expected create, update or delete"),
        (
            {"operation": [1], "entity": SERVICE},
            "operation is a list of 1, expected create, update or delete",
        ),
        ({"operation": "create"}, "entity is missing, expected an object with the entity's fields"),
        (
            {"operation": "create", "entity": {}},
            "entity is empty, expected an object with the entity's fields",
        ),
        (
            {"operation": "create", "entity": "x"},
            "entity is 'x', expected an object with the entity's fields",
        ),
        (
            {"operation": "create", "entity": {"a": 2**64 - 1}},
            "whole number 18446744073709551615, expected at most 64 bits",
        ),
    ],
)
def test_what_is_no_change_is_refused(told: dict[str, Any], problem: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_change(told, "where", collection="services", at_ms=AT_MS)

    assert str(refused.value) == f"where: {problem}"


@pytest.mark.parametrize(
    ("entity", "name"),
    [
        ({"name": "orders"}, "orders"),
        ({"username": "acme", "custom_id": "c"}, "acme"),
        ({"custom_id": "c"}, "c"),
        ({"target": "10.0.0.1:80"}, "10.0.0.1:80"),
        ({"prefix": "aws"}, "aws"),
        ({"group": "gold"}, "gold"),
        ({"name": "", "username": 5}, None),
    ],
)
def test_people_call_an_entity_by_the_first_name_it_has(entity: dict[str, Any], name: str | None) -> None:
    assert name_of(entity) == name


def test_what_has_no_id_is_not_remembered() -> None:
    assert entity_seen("services", {"name": "x"}, AT_MS) == []
    assert plugin_seen({"id": "p"}, AT_MS) == []
    assert plugin_seen({"name": "key-auth"}, AT_MS) == []


ENTITIES = st.dictionaries(
    st.sampled_from(["id", "name", "username", "config", "enabled", "route", "tags", "updated_at", "apikey"]),
    st.none()
    | st.booleans()
    | st.integers(0, 2**40)
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3))
    | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


@given(
    st.sampled_from(["services", "plugins", "consumers", "odd"]),
    st.sampled_from(["create", "update", "delete"]),
    ENTITIES,
    st.none() | ENTITIES,
)
def test_no_entity_raises_anything_but_a_decode_error(
    collection: str, operation: str, entity: dict[str, Any], old: dict[str, Any] | None
) -> None:
    try:
        found = decoded(operation, collection, entity=entity, old_entity=old)
    except DecodeError:
        assert entity == {}
        return
    assert len(found.events) == 1
