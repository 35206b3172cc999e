from __future__ import annotations

from typing import Any

import pytest

from domain.change_actors import AdminCall, How, actor_of, callers, safe_path
from domain.changes import Change

NOW = 1_795_384_794_100
PLUGIN = "bbddc4e6-b824-43df-a044-726c3dc17563"


def change(**given: Any) -> Change:
    defaults: dict[str, Any] = {
        "seq": 1, "at_ms": NOW, "entity_type": "plugins", "entity_id": PLUGIN,
        "entity_name": "rate-limiting", "operation": "update",
    }  # fmt: skip
    return Change(**{**defaults, **given})


def call(actor: str | None, method: str, path: str, at_ms: int = NOW, **given: Any) -> AdminCall:
    defaults: dict[str, Any] = {"call_id": f"{actor}{path}{at_ms}", "source": "audit", "status": 200}
    return AdminCall(actor=actor, method=method, path=path, at_ms=at_ms, **{**defaults, **given})


def test_what_the_event_says_itself_is_believed_first() -> None:
    actor = actor_of(change(actor="ana"), [call("bob", "PATCH", f"/plugins/{PLUGIN}")])

    assert (actor.name, actor.how) == ("ana", How.TOLD)


def test_a_request_id_joins_at_any_distance() -> None:
    far = call("ana", "PATCH", "/x", NOW - 60_000, request_id="req-1", client_ip="10.1.2.3")

    actor = actor_of(change(request_id="req-1"), [far])

    assert (actor.name, actor.how, actor.client_ip) == ("ana", How.REQUEST_ID, "10.1.2.3")


@pytest.mark.parametrize(
    ("label", "given", "made", "expected"),
    [
        ("by id", {}, call("ana", "PATCH", f"/plugins/{PLUGIN}"), "ana"),
        ("behind a route with a prefix", {}, call("ana", "PUT", f"/admin/ws/plugins/{PLUGIN}?x=1"), "ana"),
        ("by name", {"entity_type": "consumers", "entity_id": "c", "entity_name": "bob"},
         call("ana", "PATCH", "/consumers/bob"), "ana"),
        ("made by PUT", {"operation": "create"}, call("ana", "PUT", f"/plugins/{PLUGIN}"), "ana"),
        ("whole seconds", {}, call("ana", "PATCH", f"/plugins/{PLUGIN}", NOW // 1000 * 1000), "ana"),
        ("another method", {}, call("ana", "DELETE", f"/plugins/{PLUGIN}"), None),
        ("a read", {}, call("ana", "GET", f"/plugins/{PLUGIN}"), None),
        ("another entity", {}, call("ana", "PATCH", "/plugins/other"), None),
        ("refused by Kong", {}, call("ana", "PATCH", f"/plugins/{PLUGIN}", status=400), None),
        ("too early", {}, call("ana", "PATCH", f"/plugins/{PLUGIN}", NOW - 9_000), None),
        ("afterwards", {}, call("ana", "PATCH", f"/plugins/{PLUGIN}", NOW + 3_000), None),
    ],
)  # fmt: skip
def test_a_call_joins_by_its_entity_and_moment(
    label: str, given: dict[str, Any], made: AdminCall, expected: str | None
) -> None:
    actor = actor_of(change(**given), [made])

    assert actor.name == expected, label
    assert (actor.how is How.UNKNOWN) is (expected is None)


def test_something_made_by_a_post_joins_by_its_kind_and_says_so() -> None:
    made = change(operation="create", after={"service": {"id": "s1"}})

    actor = actor_of(made, [call("ana", "POST", "/services/orders/plugins")])

    assert (actor.name, actor.how) == ("ana", How.KIND_AND_TIME)


def test_a_post_under_another_owner_made_something_else() -> None:
    made = change(operation="create", after={"service": {"id": "s1"}})
    elsewhere = call("ana", "POST", "/services/9d7b69b8-8a46-4de1-8ce9-b71a4990177a/plugins")

    assert actor_of(made, [elsewhere]).name is None


def test_two_who_called_at_that_moment_leave_it_unknown_and_are_both_named() -> None:
    made = change(operation="create")

    actor = actor_of(made, [call("bob", "POST", "/plugins"), call("ana", "POST", "/plugins")])

    assert (actor.name, actor.how) == (None, How.UNKNOWN)
    assert actor.why.startswith("ana or bob")


def test_what_goes_with_its_owner_goes_by_the_owners_caller() -> None:
    gone = change(operation="delete", entity_type="keyauth_credentials", before={"consumer": {"id": "c1"}})

    assert actor_of(gone, [call("ana", "DELETE", "/consumers/c1")]).name == "ana"


def test_an_anonymous_call_leaves_the_actor_unknown_but_gives_the_address() -> None:
    actor = actor_of(change(), [call(None, "PATCH", f"/plugins/{PLUGIN}", client_ip="10.0.0.9")])

    assert (actor.name, actor.how, actor.client_ip) == (None, How.UNKNOWN, "10.0.0.9")


def test_without_a_record_the_actor_is_unknown() -> None:
    assert actor_of(change(), []).how is How.UNKNOWN


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/consumers/bob/key-auth/S3CR3T-KEY", "/consumers/bob/key-auth/[redacted]"),
        ("/consumers/bob/jwt/S3CR3T-KEY", "/consumers/bob/jwt/[redacted]"),
        (f"/consumers/bob/key-auth/{PLUGIN}", f"/consumers/bob/key-auth/{PLUGIN}"),
        ("/key-auths/S3CR3T-KEY/consumer", "/key-auths/[redacted]/consumer"),
        ("/plugins?apikey=S3CR3T-KEY", "/plugins"),
    ],
)
def test_a_path_is_kept_without_the_keys_in_it(path: str, expected: str) -> None:
    assert safe_path(path) == expected


def test_callers_are_the_known_addresses() -> None:
    calls = [call("a", "GET", "/", client_ip="10.0.0.9"), call("a", "GET", "/")]

    assert callers(calls) == {"10.0.0.9"}
