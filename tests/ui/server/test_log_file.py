from __future__ import annotations

from pathlib import Path

from ui.server.log_file import LogFile


def test_the_newest_line_is_found(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "collector.log")

    with log.open() as file:
        file.write(b"first\nsecond\n" + b"x" * 300 + b"\n")

    assert log.last_line() == "x" * 200


def test_a_log_that_is_not_there_has_no_line(tmp_path: Path) -> None:
    assert LogFile(tmp_path / "none.log").last_line() == ""


def test_a_log_that_has_grown_too_large_is_kept_once_and_emptied_in_place(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", max_bytes=10)
    with log.open() as child:
        child.write(b"0123456789abc\n")
        child.flush()

        log.trim()
        child.write(b"after\n")

    assert (tmp_path / "a.log.1").read_bytes() == b"0123456789abc\n"
    assert log.path.read_bytes() == b"after\n"


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", max_bytes=10)
    with log.open() as child:
        child.write(b"small\n")

    log.trim()

    assert not (tmp_path / "a.log.1").exists()
    LogFile(tmp_path / "none.log").trim()
