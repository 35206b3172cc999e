"""`python -m collector copy`: a SQLite file into an empty PostgreSQL database (docs/scale.md)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collector.claim import DatabaseClaim
from collector.copies import find_database
from collector.options import copy_parser
from domain.errors import StoreError
from settings import SettingValueError
from storage.location import PostgresUrl, located

DIFFERS = 1


def copy_command(arguments: list[str]) -> int:
    """Copy, then compare; returns the exit status.

    Raises:
        SettingValueError: A collector writes the file, or one of them cannot be used.
    """
    options = copy_parser().parse_args(arguments)
    source, target = find_database(options.database), located(options.to)
    if isinstance(target, Path):
        raise SettingValueError(f"--to is {options.to!r}, expected postgresql://HOST/NAME")
    with DatabaseClaim(str(source)):
        try:
            return _copy(source, target)
        except StoreError as error:
            raise SettingValueError(
                f"not copied: {error}; run it again, it goes on where it stopped"
            ) from error


def _copy(source: Path, target: PostgresUrl) -> int:
    try:
        from storage.postgres.copying import Copy  # noqa: PLC0415 - only who uses it needs psycopg
    except ImportError as error:
        raise SettingValueError(
            f"{target} needs the package {error.name}: pip install -r requirements-cluster.txt"
        ) from error
    started_s = time.monotonic()
    copy = Copy(source, target)
    try:
        with _progress() as progress:
            task = progress.add_task("", total=None)

            def tell(what: str, done: int, whole: int) -> None:
                progress.update(task, description=what, completed=done, total=whole)

            copied = copy.run(lambda table, done, whole: tell(f"copying {table}", done, whole))
            different = copy.differences(lambda table, done, whole: tell(f"comparing {table}", done, whole))
        for sentence in different:
            _say(f"different: {sentence}")
        if different:
            _say(f"{target} is no copy of {source}: empty it and copy again")
            return DIFFERS
        copy.finish()
    finally:
        copy.close()
    seconds = time.monotonic() - started_s
    already = f", {copy.rows - copied} were there already" if copied < copy.rows else ""
    _say(f"copied {source} to {target}: {copied} rows{already}, compared one by one, in {seconds:.1f} s")
    _say("now set GATEWATCH_DATABASE to it wherever a collector, a writer or a dashboard runs")
    return 0


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the operator
