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
from storage.location import Location, PostgresUrl, located

PROBLEMS = 1
BY_ITS_OWN = "is kept by a server: its own tools copy it and put it back, see docs/postgresql.md"


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
    place, backup = located(load_settings({"database": options.database}).database), Path(options.backup)
    if not isinstance(place, Path):
        raise SettingValueError(f"{place} {BY_ITS_OWN}")
    database = place
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
    place = find_store(options.database)
    if not isinstance(place, Path):
        return _check_totals(place)
    database, started_s = place, time.monotonic()
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


def _check_totals(url: PostgresUrl) -> int:
    """Of a server's database only what its own tools do not know."""
    started_s = time.monotonic()
    try:
        problems = total_problems(url)
    except StoreError as error:
        raise SettingValueError(f"not checked: {error}") from error
    for problem in problems:
        _say(f"{url}: {problem}")
    if not problems:
        took_s = time.monotonic() - started_s
        _say(f"{url}: all totals agree, looked at in {took_s:.1f} s; pg_amcheck looks for damage")
    return PROBLEMS if problems else 0


def find_store(named: str | None) -> Location:
    """The store that is meant: a file that is there, or a URL.

    Raises:
        SettingValueError: There is no such file.
    """
    place = located(load_settings({"database": named}).database)
    if isinstance(place, Path) and not place.exists():
        raise SettingValueError(f"there is no database {place}")
    return place


def find_database(named: str | None) -> Path:
    """The file that is meant.

    Raises:
        SettingValueError: It is not there, or a server keeps the database.
    """
    place = find_store(named)
    if not isinstance(place, Path):
        raise SettingValueError(f"{place} {BY_ITS_OWN}")
    return place


def _told(found: dict[str, int]) -> str:
    return f"{found['events']} events, schema {found['schema']}, {found['bytes']} bytes"


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)  # noqa: T201 - its output
