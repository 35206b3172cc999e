"""Decisions on PostgreSQL: of two who race one wins, nothing is sent twice, chains stay chains."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from domain.errors import StoreBusy
from domain.incident_flow import Move, What
from domain.incidents import State
from domain.proposals import OPEN_MS, Answer
from storage.alert_book import AlertBook
from storage.alerts_reader import AlertsReader
from storage.audit_trail import record, verify
from storage.change_book import ChangeBook
from storage.decisions import Decisions, Outrun
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from tests.postgres import server
from tests.storage.test_change_book import HASH, NOW, proposed
from tests.storage.test_decisions import INCIDENT

pytestmark = pytest.mark.cluster

T = TypeVar("T")


@pytest.fixture
def database(url: PostgresUrl) -> str:
    """As the setting names it."""
    return url.conninfo


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each gave, all begun together."""
    barrier, found = threading.Barrier(len(calls)), {}

    def run(place: int, call: Callable[[], T]) -> None:
        barrier.wait(10)
        found[place] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [found[place] for place in range(len(calls))]


def test_of_two_approvers_who_race_one_wins_and_both_are_recorded(database: str) -> None:
    with ChangeBook(database) as book:
        proposed(book)

    def approve(who: str) -> Answer:
        with ChangeBook(database) as mine:
            return mine.approve("p1", who, HASH, NOW + 1, own_allowed=False)

    answers = at_once(*(lambda who=who: approve(who) for who in ("ben", "cid", "dee")))

    assert sorted(answer is Answer.GIVEN for answer in answers) == [False, False, True]
    assert [chain.problem for chain in verify(database)] == ["", ""]
    assert {chain.table: chain.entries for chain in verify(database)}["change_log"] == 5


def test_only_one_of_two_collectors_begins_a_plan_and_a_request_is_intended_once(database: str) -> None:
    with ChangeBook(database) as book:
        proposed(book)
        book.approve("p1", "ben", HASH, NOW + 1, own_allowed=False)

    def begin() -> bool:
        with ChangeBook(database) as mine:
            return mine.begin("p1", HASH, NOW + 2)

    assert sorted(at_once(begin, begin, begin)) == [False, False, True]
    with ChangeBook(database) as book:
        book.intend("p1", 0, NOW + 3)
        with pytest.raises(sqlite3.IntegrityError):
            book.intend("p1", 0, NOW + 4)
        assert book.expire(NOW + OPEN_MS * 2) == 0
        assert len(book.steps_of("p1")) == 1


def test_of_two_who_click_at_once_one_wins_and_the_other_is_told(database: str) -> None:
    with contextlib.closing(AlertBook(database)) as book:
        (applied,) = book.apply([Move(What.OPENED, NOW, None, INCIDENT)], lambda _: (), lambda _: (3, 2), {})
        (again,) = book.apply([Move(What.OPENED, NOW, None, INCIDENT)], lambda _: (), lambda _: (), {})
    assert (again.incident_id, again.is_done) == (applied.incident_id, False)

    def acknowledge(who: str) -> str:
        with Decisions(database) as decisions:
            try:
                decisions.acknowledge(applied.incident_id, State.OPEN, who, NOW + 1)
            except Outrun as error:
                return str(error)
        return "done"

    told = at_once(lambda: acknowledge("ana"), lambda: acknowledge("ben"))

    done, refused = sorted(told)
    assert done == "done"
    assert "look again" in refused
    with contextlib.closing(AlertsReader(database, 5_000)) as alerts:
        assert len(alerts.history(applied.incident_id)) == 2
        assert alerts.evidence(applied.incident_id) == (3, 2)


def test_many_who_are_recorded_at_once_make_one_chain(database: str) -> None:
    at_once(*(lambda who=who: record(database, NOW, who, "login") for who in "abcdefgh"))

    trail = verify(database)[0]
    assert (trail.entries, trail.problem) == (8, "")


def test_an_entry_that_was_changed_or_taken_out_is_found(
    database: str, connection: PostgresConnection
) -> None:
    for number in range(4):
        record(database, NOW + number, "ana", "login", "with\x00nul")
    assert verify(database)[0].problem == ""
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM audit_trail WHERE entry = 4")

    connection.script("SET session_replication_role = replica; DELETE FROM audit_trail WHERE entry = 4")
    assert "missing at the end" in verify(database)[0].problem
    connection.script("UPDATE audit_trail SET who = 'eve' WHERE entry = 2")
    assert "entry 2 is not as it was written" in verify(database)[0].problem


def test_a_book_whose_connection_broke_says_so_once_and_works_again(database: str) -> None:
    with contextlib.closing(AlertBook(database)) as book:
        book.remember({"n": 1})
        with contextlib.closing(PostgresConnection(PostgresUrl(server().url()))) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = ? AND application_name LIKE 'gatewatch%'",
                (database.rpartition("/")[2],),
            )
        with pytest.raises(StoreBusy):
            book.remember({"n": 2})
        book.remember({"n": 3})
        assert book.remembered("n") == 3


def test_without_tables_there_is_nothing_to_decide_on() -> None:
    with pytest.raises(StoreBusy, match="has no tables yet: start the collector"):
        Decisions(server().url("postgres"))
