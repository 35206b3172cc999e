"""`python -m collector backup`, `restore` and `check`: what operators do with the file (docs/runbook.md)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from collector.claim import DatabaseClaim
from collector.options import backup_parser, check_parser, restore_parser
from collector.playing import now_ms, shown_progress
from collector.steady_store import stamped
from domain.errors import StoreError
from settings import SettingValueError, load_settings
from storage.keeping import back_up, facts, restore, structure_problems, total_problems

PROBLEMS = 1


def back_up_command(arguments: list[str]) -> int:
    """Copy the database; returns the exit status.

    Raises:
        SettingValueError: It cannot be copied, or not to there.
    """
    options = backup_parser().parse_args(arguments)
    database = find_database(options.database)
    started_s = time.monotonic()
    try:
        with shown_progress() as progress:
            task = progress.add_task(database.name, total=None)
            back_up(
                database,
                Path(options.target),
                lambda done, whole: progress.update(task, completed=done, total=whole),
            )
        found = facts(Path(options.target))
    except StoreError as error:
        raise SettingValueError(f"no backup: {error}") from error
    seconds = time.monotonic() - started_s
    _say(f"backed up {database} to {options.target}: {_told(found)}, in {seconds:.1f} s")
    return 0


def restore_command(arguments: list[str]) -> int:
    """Put a copy back; returns the exit status.

    Raises:
        SettingValueError: A collector is running, or the copy cannot be used.
    """
    options = restore_parser().parse_args(arguments)
    database, backup = Path(load_settings({"database": options.database}).database), Path(options.backup)
    aside = stamped(database, "replaced", now_ms())
    with DatabaseClaim(str(database)):
        try:
            had_one = database.exists()
            restore(backup, database, aside)
            found = facts(database)
        except StoreError as error:
            raise SettingValueError(f"not restored: {error}") from error
    kept = f"; what was there is kept as {aside}" if had_one else ""
    _say(f"restored {database} from {backup}: {_told(found)}{kept}")
    return 0


def check_command(arguments: list[str]) -> int:
    """Look for damage; returns the exit status.

    Raises:
        SettingValueError: There is no database, or it cannot be read at all.
    """
    options = check_parser().parse_args(arguments)
    database = find_database(options.database)
    started_s = time.monotonic()
    try:
        problems = structure_problems(database, quick=options.quick)
        if not problems:
            problems = total_problems(database)
            found = facts(database)
    except StoreError as error:
        raise SettingValueError(f"not checked: {error}") from error
    if problems:
        for problem in problems:
            _say(f"{database}: {problem}")
        return PROBLEMS
    _say(f"{database} is whole: {_told(found)}, looked at in {time.monotonic() - started_s:.1f} s")
    return 0


def find_database(named: str | None) -> Path:
    """The database that is meant.

    Raises:
        SettingValueError: It is not there.
    """
    database = Path(load_settings({"database": named}).database)
    if not database.exists():
        raise SettingValueError(f"there is no database {database}")
    return database


def _told(found: dict[str, int]) -> str:
    return f"{found['events']} events, schema {found['schema']}, {found['bytes']} bytes"


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)  # noqa: T201 - its output
