"""Log entries that came before."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.request_marks import mark_of_request
from storage.connection import open_writer
from storage.schema import prepare
from storage.writing.resends import ResendMemory


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


@given(most=st.integers(1, 200), sizes=st.lists(st.integers(0, 60), max_size=12), again=st.integers(0, 11))
@settings(max_examples=15, deadline=None)
def test_the_newest_are_known_and_the_file_holds_them(
    tmp_path_factory: pytest.TempPathFactory, most: int, sizes: list[int], again: int
) -> None:
    path = tmp_path_factory.mktemp("resends") / "g.db"
    with contextlib.closing(open_writer(path)) as connection:
        prepare(connection, path)
        memory, marks = ResendMemory(connection, most), []
        for number, size in enumerate(sizes):
            if number == again:
                memory = ResendMemory(connection, most)
            new = [mark_of_request(f"{number}-{n}") for n in range(size)]
            remember(memory, *new)
            marks += new
        (held,) = connection.execute("SELECT coalesce(sum(length(marks)) / 8, 0) FROM resends").fetchone()

        for found in (memory, ResendMemory(connection, most)):
            assert all(found.is_known(mark) for mark in marks[-most:])
    assert held <= most + 2 * max(sizes, default=0)


def test_the_oldest_are_forgotten(connection: sqlite3.Connection) -> None:
    memory = ResendMemory(connection, 1_000)
    marks = [mark_of_request(str(number)) for number in range(20_000)]
    for start in range(0, len(marks), 500):
        remember(memory, *marks[start : start + 500])

    assert not any(memory.is_known(mark) for mark in marks[:10_000])
    assert 1_000 <= sum(map(memory.is_known, marks)) <= 1_500


def test_what_a_rolled_back_transaction_would_have_removed_stays_known(
    connection: sqlite3.Connection,
) -> None:
    memory = ResendMemory(connection, 10)
    old = [mark_of_request(f"old-{number}") for number in range(10)]
    remember(memory, *old)
    connection.execute("BEGIN")
    for number in range(10):
        memory.add(mark_of_request(f"new-{number}"))
    memory.flush()
    connection.execute("ROLLBACK")
    memory.forget_fresh()
    remember(memory, 1)

    assert all(memory.is_known(mark) for mark in old)


def test_marks_take_little_memory(connection: sqlite3.Connection) -> None:
    chance = random.Random(1)  # noqa: S311 - the same every time
    memory = ResendMemory(connection, 2_048 * 16)
    tracemalloc.start()
    for _ in range(20):
        remember(memory, *(chance.getrandbits(64) - 2**63 for _ in range(1_600)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 32_000 * 25
