"""`python -m collector verify`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from pathlib import Path

import pytest

from collector.__main__ import main
from collector.trail import note_settings
from storage.audit_trail import record
from tests.storage.filling import SETTINGS, opened, rows, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found):
        record(found, 1, "ana", "login")
        record(found, 2, "ben", "login")
    return found


def test_a_whole_trail_is_said_to_be_whole_with_its_last_hash(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = rows(path, "SELECT chain FROM audit_trail WHERE entry = 2")[0][0]

    assert main(["verify", "--database", str(path)]) == 0
    assert f"audit_trail: 2 entries are as they were written, the last is {head}\n" in capsys.readouterr().out


def test_what_was_altered_is_said_and_shows_in_the_status(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("DROP TRIGGER audit_trail_keeps_update")
        connection.execute("UPDATE audit_trail SET who = 'bob' WHERE entry = 1")

    assert main(["verify", "--database", str(path)]) == 1
    assert "audit_trail: entry 1 is not as it was written" in capsys.readouterr().out


def test_without_a_database_there_is_nothing_to_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--database", str(tmp_path / "none.db")]) == 2
    assert capsys.readouterr().err.startswith("collector: there is no database")


def test_a_start_tells_which_settings_changed_and_no_secret(path: Path) -> None:
    first = dataclasses.replace(SETTINGS, database=str(path), admin_url=("http://kong:8001",))
    second = dataclasses.replace(first, events_days=30, admin_url=("http://ana:hunter2hunter2@kong:8001",))

    note_settings(first, 3)
    note_settings(second, 4)

    told = rows(path, "SELECT subject, detail FROM audit_trail WHERE at_ms = 4 ORDER BY subject")
    assert [subject for subject, _ in told] == ["admin_url", "events_days"]
    assert told[1][1] == '{"before": "90", "after": "30"}'
    assert b"hunter2" not in path.read_bytes() + path.with_name("g.db-wal").read_bytes()


def test_a_trail_that_cannot_be_written_does_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        note_settings(dataclasses.replace(SETTINGS, database=str(tmp_path / "none.db")), 1)

    assert "changed settings could not be recorded" in caplog.text
