"""`python -m collector backup`, `restore` and `check`."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from collector.__main__ import main
from collector.claim import DatabaseClaim
from tests.storage.filling import one, opened, put, refusal, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        put(store, refusal(1), refusal(2))
    return found


def test_a_backup_says_what_it_holds(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = path.with_name("copy.db")

    status = main(["backup", "--database", str(path), str(target)])

    said = capsys.readouterr().out
    assert status == 0
    assert re.fullmatch(
        rf"backed up {path} to {target}: 2 events, schema \d+, \d+ bytes, in \d+\.\d s\n", said
    )


def test_a_backup_needs_no_stop(path: Path) -> None:
    with DatabaseClaim(str(path)), opened(path):
        assert main(["backup", "--database", str(path), str(path.with_name("copy.db"))]) == 0


def test_a_copy_is_put_back(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = path.with_name("copy.db")
    main(["backup", "--database", str(path), str(copy)])
    with opened(path) as store:
        put(store, refusal(3))

    status = main(["restore", "--database", str(path), str(copy)])

    (aside,) = path.parent.glob("g.db.replaced-*Z")
    assert status == 0
    assert capsys.readouterr().out.endswith(f"; what was there is kept as {aside}\n")
    assert (one(path, "SELECT count(*) FROM events"), one(aside, "SELECT count(*) FROM events")) == (2, 3)


def test_nothing_is_put_back_under_a_running_collector(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = path.with_name("copy.db")
    main(["backup", "--database", str(path), str(copy)])

    with DatabaseClaim(str(path)):
        status = main(["restore", "--database", str(path), str(copy)])

    assert status == 2
    assert "another collector" in capsys.readouterr().err


def test_a_whole_file_is_said_to_be_whole(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--database", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path} is whole: 2 events, schema ")


def test_what_is_wrong_is_said_and_shows_in_the_status(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("UPDATE cells SET n = n + 1 WHERE res = 3")

    assert main(["check", "--database", str(path), "--quick"]) == 1
    assert "totals per 86400 s: limited is 2 in activity and 3 in cells" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [["check"], ["backup", "copy.db"], ["restore", "missing.db"]], ids=lambda c: c[0]
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    status = main([*command, "--database", str(tmp_path / "none.db")])

    said = capsys.readouterr().err
    assert status == 2
    assert said.startswith("collector: ")
    assert len(said.splitlines()) == 1
