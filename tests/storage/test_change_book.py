from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.admin_requests import AdminRequest, Plan, State, Step, plan_hash
from domain.errors import StoreBusy
from domain.proposals import OPEN_MS, Answer, ProposalState
from storage.audit_trail import FIRST_CHAIN, chain_of
from storage.change_book import ChangeBook
from tests.blank_store import make_blank

NOW = 1_795_384_800_000
STEP = Step(
    says="delete consumer bob",
    entity_type="consumers",
    request=AdminRequest(method="DELETE", path="/consumers/c"),
    before=State(path="/consumers/c", entity={"id": "c"}),
    after=State(path="/consumers/c", entity=None),
)
PLAN = Plan(steps=(STEP,))
HASH = plan_hash(PLAN, "http://kong:8001")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_blank(tmp_path / "g.db")


@pytest.fixture
def book(path: Path) -> Iterator[ChangeBook]:
    with ChangeBook(path) as found:
        yield found


def proposed(book: ChangeBook, proposal_id: str = "p1", asked_by: str = "ana") -> str:
    book.ask(proposal_id, "rollback", asked_by, "too strict", {"change": 7}, NOW)
    assert book.planned(
        proposal_id,
        plan=PLAN,
        plan_hash=HASH,
        target="http://kong:8001",
        shown=[{"path": "minute"}],
        at_ms=NOW,
        expires_ms=NOW + OPEN_MS,
    )
    return proposal_id


def log(book: ChangeBook) -> list[str]:
    return [what for (what,) in book.connection.execute("SELECT what FROM change_log ORDER BY entry")]


def test_a_proposal_is_read_back_as_it_was_written(book: ChangeBook) -> None:
    found = book.get(proposed(book))

    assert (found.state, found.asked_by, found.ask, found.plan) == ("proposed", "ana", {"change": 7}, PLAN)
    assert found.shown == [{"path": "minute"}]


def test_of_two_approvers_who_race_one_wins_and_both_are_recorded(path: Path, book: ChangeBook) -> None:
    proposed(book)
    barrier, answers = threading.Barrier(8), []

    def approve(name: str) -> None:
        with ChangeBook(path) as own:
            barrier.wait()
            answers.append(own.approve("p1", name, HASH, NOW + 1, own_allowed=False))

    threads = [threading.Thread(target=approve, args=(f"bob{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == sorted([Answer.GIVEN] + [Answer.NOT_OPEN] * 7)
    rows = book.connection.execute("SELECT count(*), sum(won) FROM change_approvals").fetchone()
    assert rows == (8, 1)


@pytest.mark.parametrize(
    ("who", "shown", "at_ms", "expected"),
    [
        ("ana", HASH, NOW, Answer.OWN),
        ("bob", HASH, NOW + OPEN_MS, Answer.EXPIRED),
        ("bob", "f" * 64, NOW, Answer.CHANGED),
        ("", HASH, NOW, Answer.NAMELESS),
    ],
)
def test_an_approval_that_may_not_be_leaves_the_state_and_a_record(
    book: ChangeBook, who: str, shown: str, at_ms: int, expected: Answer
) -> None:
    proposed(book)

    assert book.approve("p1", who, shown, at_ms, own_allowed=False) is expected
    assert book.get("p1").state == "proposed"
    assert log(book)[-1] == "approval refused"


def test_a_replayed_approval_changes_nothing(book: ChangeBook) -> None:
    proposed(book)
    book.approve("p1", "bob", HASH, NOW + 1, own_allowed=False)
    assert book.begin("p1", HASH, NOW + 2)
    assert book.finished("p1", ProposalState.APPLIED, "done", NOW + 3)

    assert book.approve("p1", "carl", HASH, NOW + 4, own_allowed=False) is Answer.NOT_OPEN
    assert not book.begin("p1", HASH, NOW + 5)
    assert book.get("p1").state == "applied"


def test_only_one_begins_an_approved_plan(path: Path, book: ChangeBook) -> None:
    proposed(book)
    book.approve("p1", "bob", HASH, NOW + 1, own_allowed=False)
    with ChangeBook(path) as other:
        begun = [book.begin("p1", HASH, NOW + 2), other.begin("p1", HASH, NOW + 2)]

    assert begun == [True, False]


def test_a_plan_that_was_altered_after_its_approval_is_not_begun(book: ChangeBook) -> None:
    proposed(book)
    book.approve("p1", "bob", HASH, NOW + 1, own_allowed=False)

    assert not book.begin("p1", plan_hash(PLAN, "http://elsewhere:8001"), NOW + 2)
    assert book.get("p1").state == "approved"


def test_what_was_not_approved_cannot_be_begun(book: ChangeBook) -> None:
    proposed(book)

    assert not book.begin("p1", HASH, NOW + 1)


def test_an_approval_is_not_good_for_ever(book: ChangeBook) -> None:
    proposed(book)
    book.approve("p1", "bob", HASH, NOW + OPEN_MS - 1, own_allowed=False)

    assert not book.begin("p1", HASH, NOW + OPEN_MS)
    assert book.expire(NOW + OPEN_MS) == 1
    assert book.get("p1").outcome == "expired: not sent within 15 minutes"


def test_a_request_is_intended_once(book: ChangeBook) -> None:
    proposed(book)
    book.intend("p1", 0, NOW)

    with pytest.raises(sqlite3.IntegrityError):
        book.intend("p1", 0, NOW + 1)


def test_an_intent_is_on_disk_before_it_is_known_what_came_of_it(path: Path, book: ChangeBook) -> None:
    proposed(book)
    book.intend("p1", 0, NOW)
    with ChangeBook(path) as other:
        assert other.steps_of("p1") == [(0, NOW, None, None, None)]
    book.sent("p1", 0, at_ms=NOW + 9, status=204, answer="", verified=True, outcome="as planned")

    assert book.steps_of("p1") == [(0, NOW, NOW + 9, 204, "as planned")]


def test_only_the_one_who_asked_withdraws(book: ChangeBook) -> None:
    proposed(book)

    assert not book.withdraw("p1", "bob", NOW + 1)
    assert book.withdraw("p1", "Ana", NOW + 1)
    assert book.get("p1").state == "withdrawn"


def test_a_rejected_proposal_cannot_be_approved(book: ChangeBook) -> None:
    proposed(book)
    assert book.reject("p1", "bob", "not now", NOW + 1)

    assert book.approve("p1", "carl", HASH, NOW + 2, own_allowed=False) is Answer.NOT_OPEN
    assert not book.reject("p1", "carl", "", NOW + 3)


def test_every_move_is_in_the_log_and_the_log_is_a_chain(book: ChangeBook) -> None:
    proposed(book)
    book.approve("p1", "bob", HASH, NOW + 1, own_allowed=False)
    book.begin("p1", HASH, NOW + 2)
    book.intend("p1", 0, NOW + 3)
    book.sent("p1", 0, at_ms=NOW + 4, status=204, answer="", verified=True, outcome="as planned")
    book.finished("p1", ProposalState.APPLIED, "done", NOW + 5)

    assert log(book) == ["asked", "planned", "approved", "began", "sending", "sent", "applied"]
    chain = FIRST_CHAIN
    for *entry, found in book.connection.execute(
        "SELECT at_ms, who, what, subject, detail, chain FROM change_log ORDER BY entry"
    ):
        chain = chain_of(chain, *entry)
        assert found == chain


def test_without_a_file_there_is_nothing_to_decide_on(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="start the collector"):
        ChangeBook(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_the_view_of_changes_names_who_was_found_out(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:  # noqa: TID251 - as another program would
        columns = [row[1] for row in db.execute("PRAGMA table_info(config_changes)")]

    assert columns == [
        "at_ms", "entity_type", "entity_id", "entity_name", "operation", "actor", "node", "before", "after",
    ]  # fmt: skip
