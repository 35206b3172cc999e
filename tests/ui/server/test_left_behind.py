"""Which process a record of the last dashboard means; what is done with it is tested with real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ui.server.left_behind import LeftBehind, forget, record_of, remember
from ui.server.log_file import LogFile


@pytest.fixture
def record(tmp_path: Path) -> Path:
    found = record_of(LogFile(tmp_path / "collector.log"))
    remember(found, os.getpid())
    return found


def test_one_that_somebody_else_left_is_found(record: Path) -> None:
    """This process stands for the collector; no dashboard of process 0 is its parent."""
    pid, started, _ = record.read_text().split()
    record.write_text(f"{pid} {started} 0\n")

    found = LeftBehind.find(record)

    assert found is not None
    assert found.pid == os.getpid()
    os.close(found._handle)


def test_one_whose_dashboard_is_still_there_is_left_alone(record: Path) -> None:
    pid, started, _ = record.read_text().split()
    record.write_text(f"{pid} {started} {os.getppid()}\n")

    assert LeftBehind.find(record) is None


def test_a_later_process_with_the_same_number_is_another(record: Path) -> None:
    pid, started, _ = record.read_text().split()
    record.write_text(f"{pid} {int(started) - 1} 0\n")

    assert LeftBehind.find(record) is None


@pytest.mark.parametrize("text", ["", "no numbers at all", "1 2", "4194305 1 1", "-1 2 3"])
def test_a_record_that_means_nothing_finds_nothing(record: Path, text: str) -> None:
    record.write_text(text)

    assert LeftBehind.find(record) is None


def test_what_has_ended_is_forgotten(record: Path) -> None:
    forget(record)
    forget(record)

    assert LeftBehind.find(record) is None
