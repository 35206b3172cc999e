"""Log entries that came before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.wire.fields import fingerprint
from storage.connection import open_writer
from storage.schema import prepare
from storage.writing.resends import ResendMemory, mark_of_request


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = open_writer(tmp_path / "g.db")
    prepare(found, tmp_path / "g.db")
    yield found
    found.close()


def remember(memory: ResendMemory, *marks: int) -> None:
    for mark in marks:
        memory.add(mark)
    memory.flush()
    memory.committed()


def test_a_mark_is_known_at_once_and_after_a_restart(connection: sqlite3.Connection) -> None:
    memory = ResendMemory(connection, 100)
    memory.add(-5)
    at_once = memory.is_known(-5)
    remember(memory, 2**63 - 1, -(2**63))

    again = ResendMemory(connection, 100)
    assert at_once
    assert [again.is_known(mark) for mark in (-5, 2**63 - 1, -(2**63), 0)] == [True, True, True, False]


def test_marks_of_a_transaction_that_failed_are_forgotten(connection: sqlite3.Connection) -> None:
    memory = ResendMemory(connection, 100)
    memory.add(1)
    memory.forget_fresh()

    assert not memory.is_known(1)


def test_the_oldest_quarter_goes_when_the_memory_is_full(connection: sqlite3.Connection) -> None:
    memory = ResendMemory(connection, 40)
    for start in range(0, 50, 5):
        remember(memory, *range(start, start + 5))

    again = ResendMemory(connection, 40)
    for found in (memory, again):
        assert not found.is_known(0)
        assert all(found.is_known(mark) for mark in range(20, 50))
    (held,) = connection.execute("SELECT sum(length(marks)) / 8 FROM resends").fetchone()
    assert held <= 40


def test_a_request_id_has_the_mark_that_its_log_entry_has() -> None:
    assert mark_of_request("6f2a1e0b9d8c7f6a5b4c3d2e1f0a9b8c") == fingerprint(
        b"6f2a1e0b9d8c7f6a5b4c3d2e1f0a9b8c"
    )
