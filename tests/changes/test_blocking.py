"""Blocks on a Kong stand-in, from the request to the undoing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from domain.blocks import BlockScope, Protected, SubjectType
from domain.change_actors import AdminCall
from domain.proposals import Answer
from domain.windows import HOUR_MS
from storage.block_book import add_protected, ask_lift
from storage.change_facts import record_calls
from tests.changes.conftest import CONSUMER, SERVICE, Killed, World

BAD = "203.0.113.7"


def restrictions(world: World) -> list[dict[str, Any]]:
    return [p for p in world.kong.store.rows["plugins"].values() if p["name"] == "ip-restriction"]


def deny(world: World) -> list[list[str] | None]:
    return [p["config"]["deny"] for p in restrictions(world)]


async def test_a_block_is_on_after_its_approval_and_undone_when_its_time_is_over(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.service.turn()
    assert limited.block("b1").state == "requested"
    assert restrictions(limited) == []

    await limited.applied("p-b1")
    block = limited.block("b1")
    assert (block.state, deny(limited)) == ("active", [[BAD]])
    assert block.expires_ms == (block.applied_ms or 0) + HOUR_MS

    limited.now += HOUR_MS
    await limited.service.turn()
    assert (limited.block("b1").state, restrictions(limited)) == ("expired", [])


async def test_the_undoing_survives_a_restart_and_a_kong_that_is_down(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.applied("p-b1")
    limited.now += HOUR_MS
    limited.transport.refuse = lambda _: True
    await limited.restarted().turn()
    assert limited.block("b1").state == "active"
    assert "could not be undone yet" in (limited.block("b1").ended_why or "")

    limited.transport.refuse = lambda _: False
    limited.now += 60_000
    await limited.restarted().turn()

    assert (limited.block("b1").state, restrictions(limited)) == ("expired", [])


async def test_kill_9_in_the_middle_of_undoing_is_undone_by_the_next_process(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.applied("p-b1")
    limited.now += HOUR_MS

    def die(request: httpx.Request) -> None:
        if request.method == "DELETE":
            raise Killed

    limited.transport.before = die
    with pytest.raises(Killed):
        await limited.service.turn()
    limited.transport.before = lambda _: None

    await limited.restarted().turn()

    assert (limited.block("b1").state, restrictions(limited)) == ("expired", [])


async def test_it_merges_into_the_list_that_is_there_and_takes_only_its_own_out(limited: World) -> None:
    plugin = limited.kong.store.insert(
        "plugins", {"name": "ip-restriction", "config": {"deny": ["192.0.2.1"]}}
    )
    limited.ask_block("b1", BAD)
    await limited.applied("p-b1")
    assert deny(limited) == [["192.0.2.1", BAD]]
    limited.kong.store.update("plugins", plugin["id"], {"config": {"deny": ["192.0.2.1", BAD, "192.0.2.2"]}})

    limited.now += HOUR_MS
    await limited.service.turn()

    assert deny(limited) == [["192.0.2.1", "192.0.2.2"]]


async def test_a_restriction_that_was_made_in_between_is_merged_with_after_a_new_approval(
    limited: World,
) -> None:
    """Kong answers 409, code 5; the plan that was approved no longer fits, so people look again."""
    limited.ask_block("b1", BAD)
    await limited.service.turn()
    limited.approve("p-b1")
    limited.kong.store.insert("plugins", {"name": "ip-restriction", "config": {"deny": ["192.0.2.1"]}})

    await limited.service.turn()
    first = limited.proposal("p-b1")
    assert first.state == "failed"
    assert "code 5" in (first.outcome or "")
    again = limited.block("b1").proposal_id or ""
    assert again != "p-b1"
    assert limited.block("b1").state == "requested"

    await limited.applied(again)
    assert deny(limited) == [["192.0.2.1", BAD]]


async def test_those_who_are_never_blocked_are_not_even_planned(limited: World) -> None:
    with limited.book as book:
        entry = Protected(subject_type=SubjectType.RANGE, subject="203.0.113.0/24", note="our partner")
        add_protected(book, "e1", entry, "ana", limited.now)
        call = AdminCall(
            call_id="c", at_ms=limited.now, source="audit", actor="ana", method="POST", path="/services",
            status=201, client_ip="198.51.100.44",
        )  # fmt: skip
        record_calls(book, [call])
    for number, subject in enumerate([BAD, "198.51.100.44", "10.1.1.1", "192.0.2.9"]):
        limited.ask_block(f"b{number}", subject)

    await limited.restarted(never_block=("192.0.2.0/28",)).turn()
    await limited.service.turn()

    why = [limited.block(f"b{n}").ended_why or "" for n in range(4)]
    assert "our partner" in why[0]
    assert "Admin API is called from there" in why[1]
    assert "private network" in why[2]
    assert "never_block" in why[3]
    assert {limited.block(f"b{n}").state for n in range(4)} == {"refused"}


async def test_somebody_put_on_the_list_after_the_approval_is_not_blocked(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.service.turn()
    limited.approve("p-b1")
    with limited.book as book:
        entry = Protected(subject_type=SubjectType.RANGE, subject=BAD, note="the new balancer")
        add_protected(book, "e1", entry, "carl", limited.now)

    await limited.service.turn()

    assert restrictions(limited) == []
    assert "the new balancer" in (limited.proposal("p-b1").outcome or "")


async def test_a_private_address_is_blocked_when_it_was_asked_for_expressly(limited: World) -> None:
    limited.ask_block("b1", "10.1.1.1", private_allowed=True)

    await limited.applied("p-b1")

    assert deny(limited) == [["10.1.1.1"]]


async def test_a_consumer_is_stopped_and_let_go(limited: World) -> None:
    limited.ask_block("b1", CONSUMER, kind="consumer", label="acme")
    await limited.applied("p-b1")
    [plugin] = [p for p in limited.kong.store.rows["plugins"].values() if p["name"] == "request-termination"]
    assert plugin["consumer"] == {"id": CONSUMER}
    assert plugin["config"]["status_code"] == 403

    limited.now += HOUR_MS
    await limited.service.turn()

    assert not any(p["name"] == "request-termination" for p in limited.kong.store.rows["plugins"].values())


async def test_lifting_before_its_time_needs_another_person_too(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.applied("p-b1")
    with limited.book as book:
        ask_lift(book, "b1", "p-lift", "carl", "it was our own scanner", limited.now)
    await limited.service.turn()
    assert limited.approve("p-lift", "carl") is Answer.OWN

    limited.approve("p-lift", "dora")
    await limited.service.turn()

    block = limited.block("b1")
    assert (block.state, restrictions(limited)) == ("lifted", [])
    assert "lifted by carl, approved by dora" in (block.ended_why or "")


async def test_a_dry_run_sends_nothing_and_ends_by_itself(limited: World) -> None:
    limited.ask_block(
        "b1", BAD, is_dry_run=True, proposal_id=None, state="dry run",
        applied_ms=limited.now, expires_ms=limited.now + HOUR_MS,
    )  # fmt: skip
    await limited.service.turn()
    limited.now += HOUR_MS
    await limited.service.turn()

    assert limited.block("b1").state == "dry run ended"
    assert limited.kong.writes == []


async def test_a_block_that_is_on_in_part_only_is_cleared_away(limited: World) -> None:
    limited.kong.store.insert(
        "plugins",
        {"name": "ip-restriction", "consumer": {"id": CONSUMER}, "config": {"deny": ["192.0.2.1"]}},
    )
    limited.ask_block("b1", BAD)
    await limited.service.turn()
    assert len(limited.proposal("p-b1").shown) == 2
    limited.approve("p-b1")
    limited.kong.fail_with["PUT"] = 500

    await limited.service.turn()
    assert limited.proposal("p-b1").state == "failed"
    await limited.service.turn()

    assert limited.block("b1").state == "failed"
    assert deny(limited) == [["192.0.2.1"]]


async def test_two_blocks_of_one_address_do_not_undo_each_other(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.applied("p-b1")
    limited.ask_block("b2", "203.0.113.8", duration_ms=2 * HOUR_MS)
    await limited.applied("p-b2")
    assert deny(limited) == [[BAD, "203.0.113.8"]]

    limited.now += HOUR_MS
    await limited.service.turn()
    assert deny(limited) == [["203.0.113.8"]]

    limited.now += HOUR_MS
    await limited.service.turn()
    assert restrictions(limited) == []


async def test_a_rejected_block_is_told_so(limited: World) -> None:
    limited.ask_block("b1", BAD)
    await limited.service.turn()
    with limited.book as book:
        book.reject("p-b1", "bob", "that is our partner", limited.now)

    await limited.service.turn()

    assert limited.block("b1").state == "refused"
    assert "that is our partner" in (limited.block("b1").ended_why or "")


async def test_blocks_by_the_dozen_are_no_decision_of_people(limited: World) -> None:
    for number in range(22):
        limited.ask_block(f"b{number}", f"203.0.113.{number + 1}")

    await limited.service.turn()
    await limited.service.turn()

    assert limited.block("b21").state == "refused"
    assert "within an hour" in (limited.block("b21").ended_why or "")


async def test_a_block_of_one_service_leaves_the_others_alone(limited: World) -> None:
    limited.ask_block("b1", BAD, scope=BlockScope(service_id=SERVICE, service="orders"))

    await limited.applied("p-b1")

    assert [p["service"] for p in restrictions(limited)] == [{"id": SERVICE}]
