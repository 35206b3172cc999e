"""What must hold whatever happens: never applied twice, never unapproved, always recorded."""

from __future__ import annotations

import httpx
import pytest

from domain.admin_requests import AdminRequest, Plan
from domain.proposals import OPEN_MS, Answer
from storage.change_book import ChangeBook
from tests.changes.conftest import PLUGIN, Killed, World


def lowered(world: World) -> int:
    return world.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})


def minute(world: World) -> int:
    found: int = world.kong.store.rows["plugins"][PLUGIN]["config"]["minute"]
    return found


async def test_a_rollback_is_proposed_approved_applied_verified_and_recorded(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})

    await limited.service.turn()
    shown = limited.proposal("p1")
    assert shown.state == "proposed"
    assert shown.shown[0]["fields"][0] | {"added": [], "removed": []} == {
        "path": "config.minute", "before": 5, "after": 60, "added": [], "removed": [], "is_secret": False,
    }  # fmt: skip
    assert limited.kong.writes == []

    assert limited.approve("p1") is Answer.GIVEN
    await limited.service.turn()

    assert minute(limited) == 60
    assert limited.proposal("p1").state == "applied"
    assert limited.log("p1") == ["asked", "planned", "approved", "began", "sending", "sent", "applied"]
    assert len(limited.kong.writes) == 1


async def test_nothing_is_sent_without_an_approval(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})

    for _ in range(5):
        await limited.service.turn()

    assert limited.kong.writes == []


async def test_approver_and_proposer_are_never_the_same_person(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()

    assert limited.approve("p1", "ANA") is Answer.OWN
    await limited.service.turn()

    assert limited.kong.writes == []


async def test_an_own_approval_that_got_into_the_database_is_not_acted_on(limited: World) -> None:
    """The collector looks for itself: the dashboard's word alone is not enough."""
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    with limited.book as book:
        found = book.get("p1")
        book.approve("p1", "ana", found.plan_hash or "", limited.now, own_allowed=True)

    await limited.service.turn()

    assert limited.kong.writes == []
    assert limited.proposal("p1").outcome == "it was approved by the one who proposed it"


async def test_where_one_person_works_alone_the_operator_can_allow_it(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.restarted(approve_own_changes=True).turn()
    with limited.book as book:
        book.approve("p1", "ana", book.get("p1").plan_hash or "", limited.now, own_allowed=True)

    await limited.service.turn()

    assert minute(limited) == 60


async def test_two_approvers_race_and_it_is_applied_once(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()

    answers = [limited.approve("p1", "bob"), limited.approve("p1", "carl")]
    await limited.service.turn()
    await limited.service.turn()

    assert answers == [Answer.GIVEN, Answer.NOT_OPEN]
    assert len(limited.kong.writes) == 1


async def test_an_approval_after_fifteen_minutes_is_too_late(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.now += OPEN_MS

    assert limited.approve("p1") is Answer.EXPIRED
    await limited.service.turn()

    assert limited.proposal("p1").state == "expired"
    assert limited.kong.writes == []


async def test_an_approved_plan_that_waited_too_long_is_not_sent(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.now += OPEN_MS

    await limited.restarted().turn()

    assert limited.kong.writes == []
    assert limited.proposal("p1").state == "expired"


async def test_a_payload_that_was_changed_after_its_approval_is_not_sent(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    with limited.book as book:
        plan = book.get("p1").plan
        assert plan is not None
        text = book.connection.execute("SELECT plan FROM change_proposals").fetchone()[0]
        book.connection.execute("UPDATE change_proposals SET plan = ?", (text.replace("60", "6000"),))

    await limited.service.turn()

    assert limited.kong.writes == []
    assert limited.proposal("p1").outcome == "the plan is not the one that was approved"


async def test_a_plan_for_another_kong_is_not_sent_to_this_one(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    with limited.book as book:
        book.connection.execute("UPDATE change_proposals SET target = 'http://other:8001'")

    await limited.service.turn()

    assert limited.kong.writes == []


async def test_a_replayed_approval_does_nothing(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.applied("p1")
    limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 7}})

    assert limited.approve("p1", "carl") is Answer.NOT_OPEN
    await limited.service.turn()

    assert minute(limited) == 7
    assert len(limited.kong.writes) == 1


async def test_somebody_who_changed_it_between_approval_and_sending_is_not_overwritten(
    limited: World,
) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 7}})

    await limited.service.turn()

    found = limited.proposal("p1")
    assert (minute(limited), found.state) == (7, "failed")
    assert "somebody changed it since (config)" in (found.outcome or "")


async def test_kong_refusing_is_told_with_its_own_words(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.kong.fail_with["PUT"] = 500

    await limited.service.turn()

    found = limited.proposal("p1")
    assert found.state == "failed"
    assert "Kong refused" in (found.outcome or "")
    assert "HTTP 500" in (found.outcome or "")


async def test_kong_down_before_anything_was_sent_changes_nothing_and_says_so(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.transport.refuse = lambda _: True

    await limited.service.turn()

    found = limited.proposal("p1")
    assert found.state == "failed"
    assert "no connection to Kong's Admin API" in (found.outcome or "")
    assert limited.log("p1")[-1] == "failed"


async def test_an_answer_that_was_lost_is_found_out_by_looking_and_nothing_is_sent_again(
    limited: World,
) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.transport.lose = lambda request: request.method == "PUT"

    await limited.service.turn()

    assert limited.proposal("p1").state == "applied"
    assert len(limited.kong.writes) == 1


async def test_a_request_that_never_arrived_is_not_taken_for_applied(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")

    def drop(request: httpx.Request) -> None:
        if request.method == "PUT":
            raise httpx.WriteError("broken pipe", request=request)

    limited.transport.before = drop
    await limited.service.turn()

    found = limited.proposal("p1")
    assert (found.state, minute(limited)) == ("failed", 5)
    assert "did not arrive" in (found.outcome or "")


async def test_kong_down_in_the_middle_leaves_a_doubt_that_is_told(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    limited.transport.lose = lambda request: request.method == "PUT"
    down = [False]

    def note(request: httpx.Request) -> None:
        down[0] = down[0] or request.method == "PUT"

    limited.transport.before = note
    limited.transport.refuse = lambda request: down[0] and request.method == "GET"
    await limited.service.turn()

    found = limited.proposal("p1")
    assert found.state == "in doubt"
    assert "Kong cannot be asked" in (found.outcome or "")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_kill_9_around_a_request_leaves_an_intent_and_the_next_process_finds_out(
    limited: World, when: str
) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")
    if when == "before":

        def die(request: httpx.Request) -> None:
            if request.method == "PUT":
                raise Killed

        limited.transport.before = die
    else:

        def lost(request: httpx.Request) -> bool:
            if request.method == "PUT":
                raise Killed
            return False

        limited.transport.lose = lost
    with pytest.raises(Killed):
        await limited.service.turn()
    assert limited.proposal("p1").state == "applying"
    limited.transport.before, limited.transport.lose = (lambda _: None), (lambda _: False)

    await limited.restarted().turn()
    assert limited.proposal("p1").state == "applying"  # too early: the request may still run
    limited.now += 25_000
    await limited.service.turn()

    found = limited.proposal("p1")
    if when == "before":
        assert (found.state, minute(limited), len(limited.kong.writes)) == ("failed", 5, 0)
        assert "did not arrive: propose it again" in (found.outcome or "")
    else:
        assert (found.state, minute(limited), len(limited.kong.writes)) == ("applied", 60, 1)
    assert limited.approve("p1", "carl") is Answer.NOT_OPEN


async def test_kill_9_between_an_answer_and_its_record_is_found_out_too(
    limited: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})
    await limited.service.turn()
    limited.approve("p1")

    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(ChangeBook, "sent", die)
    with pytest.raises(Killed):
        await limited.service.turn()
    monkeypatch.undo()
    limited.now += 25_000
    await limited.restarted().turn()

    assert (limited.proposal("p1").state, len(limited.kong.writes)) == ("applied", 1)


async def test_a_plan_of_several_requests_goes_on_where_it_stopped(world: World) -> None:
    gone = world.kong.store
    world.change("PUT", "consumers", (c := "fc965c03-89a5-4da5-9d6d-a9afe5b2c134"), {"username": "acme"})
    plugin = "aacdac23-007c-4b85-b24c-cbbb2e727a6c"
    world.change("PUT", "plugins", plugin, {"name": "acl", "consumer": {"id": c}, "config": {"allow": ["a"]}})
    seq = world.change("DELETE", "consumers", c)
    world.ask("p1", "rollback", {"change": seq})
    await world.service.turn()
    assert [s["path"] for s in world.proposal("p1").shown] == [f"/consumers/{c}", f"/plugins/{plugin}"]
    world.approve("p1")

    def lost(request: httpx.Request) -> bool:
        if request.method == "PUT" and "consumers" in request.url.path:
            raise Killed
        return False

    world.transport.lose = lost
    with pytest.raises(Killed):
        await world.service.turn()
    world.transport.lose = lambda _: False
    world.now += 25_000
    await world.restarted().turn()

    assert world.proposal("p1").state == "applied"
    assert (c in gone.rows["consumers"], plugin in gone.rows["plugins"]) == (True, True)
    assert len(world.kong.writes) == 2


async def test_without_a_change_url_everything_is_refused_in_words(limited: World) -> None:
    limited.ask("p1", "rollback", {"change": lowered(limited)})

    await limited.restarted(change_url="").turn()

    assert limited.proposal("p1").state == "refused"
    assert "no change_url is set" in (limited.proposal("p1").outcome or "")


async def test_without_a_database_the_answer_is_the_fragment_to_apply(limited: World) -> None:
    seq = lowered(limited)
    limited.kong.dbless = True
    limited.ask("p1", "rollback", {"change": seq})

    await limited.service.turn()

    found = limited.proposal("p1")
    assert found.state == "refused"
    assert "without a database" in (found.outcome or "")
    assert '"minute": 60' in found.shown[0]["fragment"]


async def test_a_secret_never_gets_into_a_plan(limited: World) -> None:
    """The Redis password is in the live entity, and stays in Kong."""
    secret = "hunter2"  # noqa: S105 - made up
    limited.change("PATCH", "plugins", PLUGIN, {"config": {"redis": {"password": secret, "host": "r"}}})
    limited.ask("p1", "rollback", {"change": lowered(limited)})

    found = await limited.applied("p1")

    assert found.state == "applied"
    assert limited.kong.store.rows["plugins"][PLUGIN]["config"]["redis"]["password"] == secret
    files = [limited.path, limited.path.with_name("g.db-wal")]
    assert not any(secret.encode() in file.read_bytes() for file in files if file.exists())


def test_a_plan_cannot_leave_the_admin_api() -> None:
    for path in ("//evil.example/x", "/plugins/../../etc", "/plugins/a?b", "http://evil/", "/a b", "/a\r\nb"):
        with pytest.raises(ValueError, match="path"):
            AdminRequest(method="DELETE", path=path)
    assert Plan(steps=()).steps == ()
