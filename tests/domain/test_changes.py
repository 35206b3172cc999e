from __future__ import annotations

from typing import Any

import pytest

from domain.changes import Change, Scope, cascades, scope_of, sentence

NAMES = {("services", "s1"): "orders", ("consumers", "c1"): "acme", ("routes", "r1"): "orders-list"}


def names(collection: str, entity_id: str) -> str | None:
    return NAMES.get((collection, entity_id))


def change(
    entity_type: str = "plugins",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **more: Any,
) -> Change:
    operation = "update" if before and after else "create" if after else "delete"
    given = {"seq": 1, "at_ms": 0, "entity_id": "p1", "entity_name": None, "operation": operation, **more}
    return Change(entity_type=entity_type, before=before, after=after, **given)


def limiter(minute: int | None, **more: Any) -> dict[str, Any]:
    config = {} if minute is None else {"minute": minute}
    return {"id": "p1", "name": "rate-limiting", "service": {"id": "s1"}, "config": config, **more}


SENTENCES = [
    ("a limit", change("plugins", limiter(60), limiter(5)),
     "rate-limiting on service orders: config.minute 60 → 5"),
    ("made", change("plugins", None, limiter(60)), "rate-limiting on service orders added: 60 per minute"),
    ("deleted", change("plugins", limiter(60), None), "rate-limiting on service orders deleted"),
    ("disabled", change("plugins", limiter(60, enabled=True), limiter(60, enabled=False)),
     "rate-limiting on service orders disabled"),
    ("global", change("plugins", None, {"name": "http-log", "config": {}}), "http-log everywhere added"),
    ("one consumer on a route",
     change("plugins", {"name": "acl", "route": {"id": "r1"}, "consumer": {"id": "c1"}}, None),
     "acl on route orders-list for consumer acme deleted"),
    ("key", change("keyauth_credentials", None, {"id": "k", "key": "[redacted:1]", "consumer": {"id": "c1"}}),
     "API key of consumer acme added"),
    ("renamed", change("consumers", {"username": "a"}, {"username": "b"}, entity_name="b"),
     "consumer b: username a → b"),
    ("tags", change("routes", {"tags": ["x"]}, {"tags": ["y"]}, entity_name="r"), "route r: tags + y, - x"),
    ("nothing", change("routes", {"a": 1, "updated_at": 1}, {"a": 1, "updated_at": 2}, entity_name="r"),
     "route r saved without a change"),
    ("no name for an id", change("plugins", None, {"name": "acl", "service": {"id": "s9"}}),
     "acl on service s9 added"),
    ("secret", change("plugins", {"name": "x", "config": {"password": "[redacted:1]"}},
                      {"name": "x", "config": {"password": "[redacted:2]"}}),
     "x everywhere: config.password changed (secret)"),
    ("many", change("services", {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1},
                    {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2}, entity_name="s"),
     "service s: a 1 → 2; b 1 → 2; c 1 → 2; and 2 more fields"),
    ("before not shown", change("services", None, {"host": "h"}, entity_name="s", operation="update"),
     "service s changed; the sender did not show what it was before"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "given", "expected"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_a_change_reads_as_one_sentence(label: str, given: Change, expected: str) -> None:
    assert sentence(given, names) == expected, label


def test_a_long_value_is_cut() -> None:
    told = sentence(change("services", {"host": "a"}, {"host": "b" * 500}, entity_name="s"), names)

    assert len(told) < 80


def test_the_scope_is_where_a_plugin_applies() -> None:
    assert scope_of(change("plugins", None, limiter(1))) == Scope(service_id="s1")
    assert scope_of(change("services", None, {"id": "p1"})) == Scope(service_id="p1")
    assert scope_of(change("keyauth_credentials", {"consumer": {"id": "c1"}}, None)) == Scope(
        consumer_id="c1"
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Scope(), Scope(service_id="a"), True),
        (Scope(service_id="a"), Scope(service_id="b"), False),
        (Scope(service_id="a"), Scope(consumer_id="c"), True),
        (Scope(service_id="a", consumer_id="c"), Scope(consumer_id="d"), False),
    ],
)
def test_scopes_overlap_when_a_request_can_be_in_both(one: Scope, other: Scope, expected: bool) -> None:  # noqa: FBT001 - a table
    assert one.overlaps(other) is expected
    assert other.overlaps(one) is expected


def test_children_that_go_with_their_parent_are_told_as_one() -> None:
    consumer = change("consumers", {"username": "a"}, None, seq=1, entity_id="c1")
    key = change("keyauth_credentials", {"consumer": {"id": "c1"}}, None, seq=2, entity_id="k", at_ms=5)
    later = change("keyauth_credentials", {"consumer": {"id": "c1"}}, None, seq=3, entity_id="j", at_ms=9_000)
    other = change("keyauth_credentials", {"consumer": {"id": "c2"}}, None, seq=4, entity_id="l", at_ms=5)

    assert cascades([key, consumer, later, other]) == {2: 1}
