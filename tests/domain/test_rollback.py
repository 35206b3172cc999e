# ruff: noqa: E501 - one line a case reads as a table
from __future__ import annotations

from typing import Any

import pytest

from domain.admin_requests import Plan, Refused, plan_hash
from domain.changes import Change
from domain.rollback import fragment_for, merged, plan_rollback

PLUGIN = "bbddc4e6-b824-43df-a044-726c3dc17563"


def change(
    entity_type: str, before: dict[str, Any] | None, after: dict[str, Any] | None, **given: Any
) -> Change:
    operation = "update" if before and after else "create" if after else "delete"
    entity = after or before or {}
    more = {"seq": 1, "at_ms": 0, "entity_id": entity.get("id"), "entity_name": None, "operation": operation}
    return Change(entity_type=entity_type, before=before, after=after, **{**more, **given})


def plugin(config: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": PLUGIN, "name": "rate-limiting", "created_at": 1, "config": config, **more}


def planned(found: Plan | Refused) -> Plan:
    assert isinstance(found, Plan), found
    return found


def refused(found: Plan | Refused) -> Refused:
    assert isinstance(found, Refused), found
    return found


def test_an_update_is_undone_by_putting_the_earlier_entity_whole() -> None:
    done = change("plugins", plugin({"minute": 60}, updated_at=5), plugin({"minute": 5}, updated_at=9))
    live = {**plugin({"minute": 5, "hour": None}), "consumer": None, "updated_at": 9, "tags": None}

    [step] = planned(plan_rollback(done, live)).steps

    assert (step.request.method, step.request.path) == ("PUT", f"/plugins/{PLUGIN}")
    assert step.request.body == {
        **plugin({"minute": 60, "hour": None}), "consumer": None, "tags": None,
    }  # fmt: skip


def test_a_null_that_a_default_would_replace_is_sent_as_null() -> None:
    before, after = {"id": "s", "host": "a"}, {"id": "s", "host": "b", "retries": 3}

    [step] = planned(plan_rollback(change("services", before, after), {**after, "name": None})).steps

    assert step.request.body == {"id": "s", "host": "a", "retries": None, "name": None}


def test_old_names_of_redis_fields_are_not_sent() -> None:
    before = plugin({"minute": 60, "redis": {"port": 6379}})
    after = plugin({"minute": 5, "redis": {"port": 6379}, "redis_port": 6379})
    live = plugin(
        {"minute": 5, "redis": {"port": 6379, "host": None}, "redis_port": 6379, "redis_host": None}
    )

    [step] = planned(plan_rollback(change("plugins", before, after), live)).steps

    assert step.request.body == plugin({"minute": 60, "redis": {"port": 6379, "host": None}})


def test_keys_of_a_map_are_left_out_and_not_sent_as_null() -> None:
    before = {"id": "h", "name": "http-log", "config": {"headers": {"a": "1"}}}
    after = {"id": "h", "name": "http-log", "config": {"headers": {"a": "1", "b": "2"}}}

    [step] = planned(plan_rollback(change("plugins", before, after), after)).steps

    assert step.request.body == before


def test_what_holds_a_secret_is_patched_so_that_the_secret_stays() -> None:
    before = plugin({"minute": 60, "redis": {"password": "[redacted:1]", "host": "a"}})
    after = plugin({"minute": 5, "hour": 9, "redis": {"password": "[redacted:1]", "host": "b"}})
    live = plugin({"minute": 5, "hour": 9, "redis": {"password": "in clear", "host": "b"}})

    plan = planned(plan_rollback(change("plugins", before, after), live))

    assert plan.steps[0].request.method == "PATCH"
    assert plan.steps[0].request.body == {"config": {"minute": 60, "hour": None, "redis": {"host": "a"}}}
    assert plan.cannot == ()


def test_a_secret_that_changed_is_named_as_what_cannot_be_restored() -> None:
    before = plugin({"minute": 60, "redis": {"password": "[redacted:1]"}})
    after = plugin({"minute": 5, "redis": {"password": "[redacted:2]"}})
    live = plugin({"minute": 5, "redis": {"password": "new"}})

    plan = planned(plan_rollback(change("plugins", before, after), live))

    assert plan.steps[0].request.body == {"config": {"minute": 60}}
    assert plan.cannot == ("config.redis.password: it held a secret before, which was never kept",)


def test_a_map_with_a_secret_in_it_cannot_be_replaced_and_is_named() -> None:
    before = {"id": "h", "name": "http-log",
              "config": {"timeout": 1, "headers": {"authorization": "[redacted:1]", "x": "1"}}}  # fmt: skip
    after = {"id": "h", "name": "http-log",
             "config": {"timeout": 2, "headers": {"authorization": "[redacted:1]", "x": "2"}}}  # fmt: skip

    plan = planned(plan_rollback(change("plugins", before, after), after))

    assert plan.steps[0].request.body == {"config": {"timeout": 1}}
    assert plan.cannot == ("config.headers: it held a secret before, which was never kept",)


def test_only_a_secret_changed_so_nothing_can_be_restored() -> None:
    before, after = plugin({"key": "[redacted:1]"}), plugin({"key": "[redacted:2]"})

    answer = refused(plan_rollback(change("plugins", before, after), plugin({"key": "clear"})))

    assert "config.key" in answer.why


def test_a_target_is_patched_because_its_put_does_not_replace() -> None:
    before = {"id": "t", "upstream": {"id": "u"}, "target": "a:1", "weight": 100}
    after = {**before, "weight": 20, "tags": ["x"]}

    [step] = planned(plan_rollback(change("targets", before, after), after)).steps

    assert (step.request.method, step.request.path) == ("PATCH", "/upstreams/u/targets/t")
    assert step.request.body == {"weight": 100, "tags": None}


def test_a_deleted_target_is_posted_with_its_id() -> None:
    gone = {"id": "t", "upstream": {"id": "u"}, "target": "a:1", "weight": 1, "ws_id": "w", "created_at": 7.5}

    [step] = planned(plan_rollback(change("targets", gone, None), None)).steps

    assert (step.request.method, step.request.path) == ("POST", "/upstreams/u/targets")
    assert step.request.body == {
        "id": "t", "upstream": {"id": "u"}, "target": "a:1", "weight": 1, "created_at": 7.5
    }  # fmt: skip


def test_what_was_made_is_deleted_and_what_goes_with_it_is_named() -> None:
    made = {"id": "c", "username": "bob"}
    done = change("consumers", None, made, entity_name="bob")

    plan = planned(plan_rollback(done, made, [("keyauth_credentials", "k1"), ("plugins", "acl")]))

    assert (plan.steps[0].request.method, plan.steps[0].request.path) == ("DELETE", "/consumers/c")
    assert plan.steps[0].after is not None
    assert plan.steps[0].after.entity is None
    assert "API key k1, plugin acl" in plan.warnings[0]


REFUSALS: list[tuple[str, Change, dict[str, Any] | None, str]] = [
    ("changed since", change("plugins", plugin({"minute": 60}), plugin({"minute": 5})), plugin({"minute": 7}),
     "was changed since (config)"),
    ("as it was already", change("plugins", plugin({"minute": 60}), plugin({"minute": 5})),
     plugin({"minute": 60}), "is as it was already"),
    ("deleted since", change("plugins", plugin({"minute": 60}), plugin({"minute": 5})), None, "was deleted since"),
    ("before unknown", change("services", None, {"id": "s"}, operation="update"), {"id": "s"}, "did not show"),
    ("made and gone", change("consumers", None, {"id": "c"}), None, "is gone already"),
    ("made and changed", change("consumers", None, {"id": "c", "username": "a"}), {"id": "c", "username": "b"},
     "was changed since (username)"),
    ("deleted and back", change("consumers", {"id": "c", "username": "a"}, None), {"id": "c", "username": "a"},
     "is there again, as it was"),
    ("deleted and back different", change("consumers", {"id": "c", "username": "a"}, None),
     {"id": "c", "username": "z"}, "is not as it was"),
    ("a key", change("keyauth_credentials", {"id": "k", "key": "[redacted:1]", "consumer": {"id": "c"}}, None),
     None, "secrets are never kept here"),
    ("a hashed password", change("basicauth_credentials",
     {"id": "b", "username": "u", "password": "a1b2", "consumer": {"id": "c"}}, None), None, "hashed"),
    ("no owner", change("keyauth_credentials", {"id": "k"}, None), None, "does not say to whom"),
    ("runtime", change("oauth2_tokens", {"id": "t"}, None), None, "Kong makes it while it runs"),
    ("timestamps", change("services", {"id": "s", "updated_at": 1}, {"id": "s", "updated_at": 2}),
     {"id": "s", "updated_at": 2}, "nothing but timestamps"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "done", "live", "words"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_what_cannot_be_undone_is_refused_with_the_reason(
    label: str, done: Change, live: dict[str, Any] | None, words: str
) -> None:
    assert words in refused(plan_rollback(done, live)).why, label


def test_a_service_that_routes_use_is_not_deleted() -> None:
    made = {"id": "s", "host": "h"}

    answer = refused(plan_rollback(change("services", None, made), made, [("routes", "orders")]))

    assert answer.why == "1 route still use it: orders"


def test_without_a_database_the_answer_is_the_fragment() -> None:
    before = plugin({"minute": 60}, service={"id": "s1"}, updated_at=3)
    answer = fragment_for(change("plugins", before, plugin({"minute": 5})))

    assert '"service": "s1"' in answer.fragment
    assert '"minute": 60' in answer.fragment
    assert "updated_at" not in answer.fragment


def test_the_hash_is_over_everything_that_is_sent() -> None:
    done = change("consumers", None, {"id": "c", "username": "a"})
    plan = planned(plan_rollback(done, {"id": "c", "username": "a"}))
    other = planned(plan_rollback(change("consumers", None, {"id": "d"}), {"id": "d"}))

    hashes = {
        plan_hash(plan, "http://a"),
        plan_hash(plan, "http://b"),
        plan_hash(plan, "http://a", 5),
        plan_hash(other, "http://a"),
    }

    assert len(hashes) == 4
    assert plan_hash(plan, "http://a") == plan_hash(plan, "http://a")


def test_a_patch_merges_records_and_replaces_lists_and_maps() -> None:
    held = {"config": {"a": 1, "redis": {"x": 1, "y": 2}, "list": [1, 2], "limits": {"sms": {"minute": 1}}}}
    body = {"config": {"a": None, "redis": {"x": 9}, "list": [3], "limits": {"mms": {"minute": 2}}}}

    assert merged(held, body) == {
        "config": {"redis": {"x": 9, "y": 2}, "list": [3], "limits": {"mms": {"minute": 2}}}
    }
