"""One writer per database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.claim import DatabaseClaim
from settings import SettingValueError


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    database = str(tmp_path / "g.db")

    with DatabaseClaim(database), pytest.raises(SettingValueError) as caught:
        DatabaseClaim(database)

    assert f"another collector (pid {os.getpid()}) is writing {database}" in str(caught.value)


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    """The lock is the kernel's: a killed collector leaves its file, but no lock."""
    database = str(tmp_path / "g.db")
    code = f"import os; from collector.claim import DatabaseClaim; DatabaseClaim({database!r}); os.abort()"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    with DatabaseClaim(database) as claim:
        assert claim.path.read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_the_database_folder_is_made(tmp_path: Path) -> None:
    DatabaseClaim(str(tmp_path / "new" / "g.db")).release()

    assert (tmp_path / "new" / "g.db.lock").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(SettingValueError, match=r"database folder .*/file cannot be written: File exists"):
        DatabaseClaim(str(tmp_path / "file" / "g.db"))


def test_a_folder_in_place_of_the_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match="is a folder, expected a file"):
        DatabaseClaim(str(tmp_path))
