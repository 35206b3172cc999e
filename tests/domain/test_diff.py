from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.diff import differing_fields, is_same, missing_fields, quiet_diff

PLUGIN = {
    "id": "bbddc4e6-b824-43df-a044-726c3dc17563",
    "name": "rate-limiting",
    "enabled": True,
    "protocols": ["grpc", "grpcs", "http", "https"],
    "service": {"id": "9d7b69b8-8a46-4de1-8ce9-b71a4990177a"},
    "created_at": 1795384629,
    "updated_at": 1795384629,
    "config": {
        "minute": 60,
        "hour": 3000,
        "policy": "local",
        "redis": {"database": 0, "timeout": 2000, "ssl_verify": False, "ssl": False, "port": 6379},
    },
}
"""As Kong's `old_entity` shows it."""


def changed(**config: Any) -> dict[str, Any]:
    """As Kong's `entity` shows the same plugin afterwards: with the old names of its Redis fields."""
    old_names = {"redis_ssl": False, "redis_ssl_verify": False, "redis_timeout": 2000, "redis_port": 6379}
    settings = {**PLUGIN["config"], **old_names, "redis_database": 0, **config}  # type: ignore[dict-item]
    return {**PLUGIN, "updated_at": 1795384794, "config": settings}


def test_a_lowered_limit_is_the_only_thing_that_shows() -> None:
    """Kong adds five shorthand fields to `entity` and none to `old_entity` (seen live on 3.9.3)."""
    [field] = quiet_diff("plugins", PLUGIN, changed(minute=5))

    assert (field.path, field.before, field.after) == ("config.minute", 60, 5)


def test_timestamps_workspaces_and_nulls_do_not_show() -> None:
    after = {
        **PLUGIN,
        "updated_at": 1,
        "ws_id": "x",
        "cache_key": "y",
        "consumer": None,
        "instance_name": None,
    }

    assert quiet_diff("plugins", PLUGIN, after) == ()


def test_a_list_that_kong_reads_as_a_set_may_change_its_order() -> None:
    after = {**PLUGIN, "protocols": ["https", "http", "grpcs", "grpc"]}

    assert quiet_diff("plugins", PLUGIN, after) == ()


def test_members_that_came_and_went_show_by_themselves() -> None:
    [field] = quiet_diff("routes", {"paths": ["/a", "/b"]}, {"paths": ["/c", "/b"]})

    assert (field.added, field.removed) == (("/c",), ("/a",))


def test_an_ordered_list_shows_whole_when_its_order_changes() -> None:
    [field] = quiet_diff("plugins", {"config": {"limit": [1, 2]}}, {"config": {"limit": [2, 1]}})

    assert (field.before, field.after) == ([1, 2], [2, 1])


def test_a_secret_that_changed_shows_as_changed_and_never_as_itself() -> None:
    before = {**PLUGIN, "config": {"redis": {"password": "hunter2-old"}}}
    after = {**PLUGIN, "config": {"redis": {"password": "hunter2-new"}}}

    [field] = quiet_diff("plugins", before, after)

    assert field.path == "config.redis.password"
    assert field.is_secret
    assert "hunter2" not in repr(field)


def test_a_secret_that_stayed_does_not_show() -> None:
    before = {**PLUGIN, "config": {"redis": {"password": "[redacted:1]"}}}

    assert quiet_diff("plugins", before, {**before, "updated_at": 2}) == ()


def test_stored_masks_with_other_numbers_are_a_change() -> None:
    before = {"config": {"redis": {"password": "[redacted:1]"}}}
    after = {"config": {"redis": {"password": "[redacted:2]"}}}

    assert [f.path for f in quiet_diff("plugins", before, after)] == ["config.redis.password"]


def test_what_was_made_shows_without_its_defaults() -> None:
    service = {
        "id": "s", "name": "tmp-beta", "host": "127.0.0.1", "protocol": "http", "port": 19111, "retries": 5,
        "connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000, "enabled": True,
        "tags": ["temporary"], "created_at": 1, "updated_at": 1,
    }  # fmt: skip

    assert [f.path for f in quiet_diff("services", None, service)] == ["host", "name", "port", "tags"]


def test_a_change_away_from_a_default_shows() -> None:
    [field] = quiet_diff("services", {"retries": 5}, {"retries": 0})

    assert (field.before, field.after) == (5, 0)


def test_zero_false_and_absent_are_three_things() -> None:
    assert [f.path for f in quiet_diff("x", {"a": 0}, {"a": False})] == ["a"]
    assert [f.path for f in quiet_diff("x", {"a": 0}, {})] == ["a"]
    assert quiet_diff("x", {"a": 60}, {"a": 60.0}) == ()


def test_an_answer_with_nulls_and_old_names_is_what_the_event_showed() -> None:
    live = {**changed(minute=5), "consumer": None, "route": None, "tags": None, "updated_at": 99}

    assert is_same(changed(minute=5), live)
    assert is_same({**PLUGIN, "config": {**PLUGIN["config"], "minute": 5}}, live)  # type: ignore[dict-item]


def test_a_mask_is_the_same_as_whatever_stands_there() -> None:
    assert is_same({"config": {"key": "[redacted:1]"}}, {"config": {"key": "in clear"}})
    assert not is_same({"config": {"key": "[redacted:1]"}}, {"config": {}})


def test_what_differs_is_named_by_its_top_level_field() -> None:
    live = {**PLUGIN, "enabled": False, "config": {"minute": 7}}

    assert differing_fields(PLUGIN, live) == ("config", "enabled")


def test_what_was_asked_for_is_there_whatever_else_kong_filled_in() -> None:
    live = {**changed(minute=5), "tags": ["x"]}

    assert missing_fields({"name": "rate-limiting", "config": {"minute": 5}}, live) == ()
    assert missing_fields({"enabled": False, "config": {"minute": 6}}, live) == ("config", "enabled")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
entities = st.dictionaries(st.text(max_size=6), json_values, max_size=5)


@given(entities, entities)
def test_the_order_is_stable_and_two_equal_states_have_no_diff(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    paths = [f.path for f in quiet_diff("x", before, after)]

    assert paths == sorted(paths)
    assert quiet_diff("x", before, before) == ()
    assert is_same(before, before)


@given(entities, entities)
def test_no_difference_is_lost(before: dict[str, Any], after: dict[str, Any]) -> None:
    if not quiet_diff("x", before, after):
        assert is_same(before, after)


@pytest.mark.parametrize("operation", [(None, PLUGIN), (PLUGIN, None)])
def test_making_and_deleting_are_each_others_mirror(operation: tuple[Any, Any]) -> None:
    fields = quiet_diff("plugins", *operation)

    assert [f.path for f in fields] == ["config.hour", "config.minute", "name", "service.id"]
