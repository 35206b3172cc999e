"""The connection for decisions: only for a file that the collector has made."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from domain.errors import StoreBusy, StoreForeign
from storage.connection import open_writer
from storage.deciding import open_beside_writer, open_for_decisions
from tests.storage.filling import opened


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="does not exist yet: start the collector"):
        open_for_decisions(tmp_path / "g.db")

    assert not (tmp_path / "g.db").exists()


def test_a_file_without_tables_is_not_ready(tmp_path: Path) -> None:
    open_writer(tmp_path / "g.db").close()

    with pytest.raises(StoreBusy, match="has no tables yet"):
        open_for_decisions(tmp_path / "g.db")


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "g.db")  # noqa: TID251 - stands for another program
    other.execute("CREATE TABLE t (x)")
    other.close()

    with pytest.raises(StoreForeign):
        open_for_decisions(tmp_path / "g.db")


def test_it_never_folds_the_log_in(tmp_path: Path) -> None:
    with opened(tmp_path / "g.db"):
        connection = open_for_decisions(tmp_path / "g.db")
        pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
        connection.close()

    assert pages == (0,)


def test_a_part_of_the_collector_may_come_before_its_writer(tmp_path: Path) -> None:
    connection = open_beside_writer(tmp_path / "g.db")

    pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    tables = connection.execute("SELECT count(*) FROM incidents").fetchone()
    connection.close()

    assert (pages, tables) == ((0,), (0,))
