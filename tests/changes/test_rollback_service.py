"""Rollbacks through the whole service: parents and children, conflicts, what cannot be restored."""

from __future__ import annotations

from tests.changes.conftest import CONSUMER, PLUGIN, SERVICE, World

KEY = "1d939e48-b39e-4b5e-9807-d6b0cd860232"
ACL = "2d939e48-b39e-4b5e-9807-d6b0cd860232"


async def test_what_went_with_a_consumer_comes_back_with_it_but_for_its_secrets(limited: World) -> None:
    limited.kong.store.upsert("acls", ACL, {"consumer": {"id": CONSUMER}, "group": "gold"})
    limited.kong.store.upsert("keyauth_credentials", KEY, {"consumer": {"id": CONSUMER}, "key": "alpha-1"})
    seq = limited.change("DELETE", "consumers", CONSUMER)
    limited.ask("p1", "rollback", {"change": seq})

    found = await limited.applied("p1")

    assert found.state == "applied"
    assert found.plan is not None
    assert CONSUMER in limited.kong.store.rows["consumers"]
    assert limited.kong.store.rows["acls"][ACL]["group"] == "gold"
    assert limited.kong.store.rows["keyauth_credentials"] == {}
    assert "secrets are never kept here" in found.plan.cannot[0]


async def test_a_child_whose_parent_is_gone_says_what_to_restore_first(limited: World) -> None:
    limited.kong.store.upsert("acls", ACL, {"consumer": {"id": CONSUMER}, "group": "gold"})
    parent = limited.change("DELETE", "consumers", CONSUMER)
    limited.ask("p1", "rollback", {"change": parent + 1})

    await limited.service.turn()

    assert limited.proposal("p1").state == "refused"
    assert "consumer acme, which is gone as well" in (limited.proposal("p1").outcome or "")


async def test_deleting_what_was_made_names_what_goes_with_it(limited: World) -> None:
    limited.kong.store.upsert("acls", ACL, {"consumer": {"id": CONSUMER}, "group": "gold"})
    limited.ask("p1", "rollback", {"change": 3})  # the consumer was made by the third change

    await limited.service.turn()

    found = limited.proposal("p1")
    assert found.plan is not None, found.outcome
    assert "group membership gold" in found.plan.warnings[0]


async def test_a_service_that_is_in_use_is_not_deleted(limited: World) -> None:
    limited.kong.store.insert("routes", {"name": "r", "paths": ["/r"], "service": {"id": SERVICE}})
    limited.ask("p1", "rollback", {"change": 1})

    await limited.service.turn()

    assert "1 route still use it" in (limited.proposal("p1").outcome or "")


async def test_a_change_that_is_not_stored_is_refused(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": 999})

    await limited.service.turn()

    assert limited.proposal("p1").state == "refused"


async def test_a_limit_is_set_in_the_plugin_that_is_there(limited: World) -> None:
    limited.ask("p1", "limit", {"limit": {"window": "minute", "value": 90, "service_id": SERVICE}})

    found = await limited.applied("p1")

    assert found.state == "applied"
    config = limited.kong.store.rows["plugins"][PLUGIN]["config"]
    assert (config["minute"], config["hour"]) == (90, None)


async def test_a_limit_where_there_is_none_makes_a_plugin(limited: World) -> None:
    limited.ask("p1", "limit", {"limit": {"window": "hour", "value": 500, "consumer_id": CONSUMER}})

    await limited.applied("p1")

    [made] = [p for p in limited.kong.store.rows["plugins"].values() if p["consumer"] == {"id": CONSUMER}]
    assert (made["name"], made["config"]["hour"]) == ("rate-limiting", 500)


async def test_a_limit_that_kong_refuses_is_told_with_kongs_words(limited: World) -> None:
    limited.ask("p1", "limit", {"limit": {"window": "fortnight", "value": 5}})

    await limited.service.turn()

    assert "no limit that Kong knows" in (limited.proposal("p1").outcome or "")


FRAGMENT = """
_format_version: "3.0"
services:
- name: orders
  read_timeout: 30000
plugins:
- name: rate-limiting
  service: 9d7b69b8-8a46-4de1-8ce9-b71a4990177a
  config: {minute: 120}
consumers:
- username: newcomer
  tags: [trial]
"""


async def test_a_pasted_fragment_changes_what_is_there_and_makes_what_is_not(limited: World) -> None:
    limited.ask("p1", "fragment", {"fragment": FRAGMENT})

    found = await limited.applied("p1")

    assert found.state == "applied", found.outcome
    store = limited.kong.store
    assert store.rows["services"][SERVICE]["read_timeout"] == 30000
    assert store.rows["plugins"][PLUGIN]["config"]["minute"] == 120
    assert store.find("consumers", "newcomer") is not None


async def test_a_fragment_that_changes_nothing_is_no_proposal(limited: World) -> None:
    limited.ask("p1", "fragment", {"fragment": "services:\n- {name: orders, host: orders.internal}"})

    await limited.service.turn()

    assert limited.proposal("p1").outcome == "Kong is already as the fragment says"


async def test_fragments_that_cannot_be_taken_are_refused_in_words(limited: World) -> None:
    bad = {
        "secret": "keyauth_credentials:\n- {consumer: fc965c03-89a5-4da5-9d6d-a9afe5b2c134, key: s3cr3t-key}",
        "no YAML": "services: [",
        "aliases": "a: &a [1]\nservices: [*a]",
        "collection": "nonsense:\n- {a: 1}",
        "list": "services: {a: 1}",
        "object": "- 1",
        "longer": "#" * 70_000,
        "neither id nor name": "services:\n- {host: a}",
    }
    for number, text in enumerate(bad.values()):
        limited.ask(f"p{number}", "fragment", {"fragment": text})

    await limited.service.turn()

    for number, words in enumerate(bad):
        found = limited.proposal(f"p{number}")
        assert found.state == "refused", words
        assert words in (found.outcome or ""), found.outcome


async def test_a_vault_reference_is_no_secret(limited: World) -> None:
    text = f"""
plugins:
- name: rate-limiting
  service: {SERVICE}
  config: {{minute: 60, redis: {{password: "{{vault://env/redis-password}}"}}}}
"""
    limited.ask("p1", "fragment", {"fragment": text})

    found = await limited.applied("p1")

    assert found.state == "applied", found.outcome
    redis = limited.kong.store.rows["plugins"][PLUGIN]["config"]["redis"]
    assert redis["password"] == "{vault://env/redis-password}"  # noqa: S105 - a reference
