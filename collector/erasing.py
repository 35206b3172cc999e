"""`python -m collector erase`: everything about one address or one consumer (docs/runbook.md)."""

from __future__ import annotations

import contextlib
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from collector.claim import DatabaseClaim
from collector.copies import find_store
from collector.options import erase_parser
from collector.playing import now_ms
from domain.errors import StoreError
from settings import SettingValueError, load_settings
from storage.codes import Dim
from storage.erased_rows import Found
from storage.erasing import Eraser
from storage.location import Location
from storage.writing.pseudonyms import read_or_make_key

if TYPE_CHECKING:
    from storage.postgres.erasing import PostgresEraser

NOT_CONFIRMED = 1
OF_A_SERVER = ("the server's archived write-ahead logs, and every copy of this database",)


def erase_command(arguments: list[str]) -> int:
    """Show what would go, or with `--yes` erase it; returns the exit status.

    Raises:
        SettingValueError: A collector is running, nobody of that name is known, or it cannot be erased now.
    """
    options = erase_parser().parse_args(arguments)
    place = find_store(options.database)
    dim, text = (Dim.IP, options.ip) if options.ip is not None else (Dim.CONSUMER, options.consumer)
    with DatabaseClaim(str(place)) if isinstance(place, Path) else contextlib.nullcontext():
        try:
            with contextlib.closing(_eraser(place)) as eraser:
                subject = eraser.find(dim, text)
                if not options.yes:
                    _say(f"would erase {_told(eraser.count(subject))}")
                    _say("nothing was changed; the same with --yes erases it, and nothing brings it back")
                    return NOT_CONFIRMED
                found = eraser.erase(subject, now_ms(), getpass.getuser())
        except StoreError as error:
            raise SettingValueError(f"not erased: {error}") from error
    _say(f"erased {_told(found)}")
    copies = _copies(place) if isinstance(place, Path) else OF_A_SERVER
    for copy in copies:
        _say(f"not touched, and may hold it still: {copy}")
    return 0


def _eraser(place: Location) -> Eraser | PostgresEraser:
    if isinstance(place, Path):
        return Eraser(place)
    from storage.postgres.erasing import PostgresEraser  # noqa: PLC0415 - only who uses it needs psycopg

    key_file = load_settings().pseudonym_key_file
    secret = read_or_make_key(Path(key_file)) if key_file and Path(key_file).exists() else None
    return PostgresEraser(place, secret)


def _copies(database: Path) -> list[Path]:
    """Files beside the database that were once copies of it."""
    marks = ("schema-", "replaced-", "corrupt-")
    return sorted(
        found
        for found in database.parent.glob(f"{database.name}.*")
        if found.name.removeprefix(f"{database.name}.").startswith(marks)
    )


def _told(found: Found) -> str:
    kept = f"; {found.kept} entries of the audit trail and the log of changes stay" if found.kept else ""
    return (
        f"{found.events} events, {found.payloads} payloads, {found.mentions} rows that mention it{kept}; "
        "totals stay, under a marker"
    )


def _say(text: str) -> None:
    print(text, flush=True, file=sys.stdout)  # noqa: T201 - its output
