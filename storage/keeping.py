"""Keeping a database safe: copies while it is written, putting one back, and looking for damage.

None of this needs the collector to stop, except putting a copy back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from domain.errors import StoreBusy, StoreCorrupt, StoreError
from storage.codes import MEASURES, MEASURES_OF, WIDTHS_S, meta_kept_from
from storage.connection import mapped_errors, open_copy, open_reader
from storage.engine import Connection
from storage.inspecting import inspecting
from storage.location import Location
from storage.schema import VERSION, check_version, version_of

STEP_PAGES = 4_096
"""16 MiB between two reports of progress."""
MOST_PROBLEMS = 100
_WAL_SUFFIXES = ("-wal", "-shm")

_KEPT_FROM = "coalesce((SELECT value FROM meta WHERE name = ?), 0)"
"""Before that retention may have come as far as one table and not yet the other."""

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all)."""


def _tell_nobody(_done: int, _all: int) -> None:
    """Report no progress."""


def back_up(database: Path, target: Path, on_progress: Progress = _tell_nobody) -> int:
    """Copy a database that may be written meanwhile, as it is at one moment; returns the copy's bytes.

    The copy is checked, on disk, and only then has its name: a file called `target` is whole.

    Raises:
        StoreBusy: There is no room, or it cannot be written.
        StoreCorrupt: The database, and so the copy, is damaged.
        StoreError: `target` is there already, or there is no database.
    """
    if target.exists():
        raise StoreError(f"{target} is there already; a backup overwrites nothing")
    partial = target.with_name(target.name + ".partial")
    try:
        with contextlib.closing(open_reader(database)) as source:
            _copy(source, database, partial, on_progress)
        problems = structure_problems(partial, quick=True)
        if problems:
            raise StoreCorrupt(f"{database}: the copy is damaged: {problems[0]}")
        with mapped_errors(target):
            _sync(partial)
            partial.rename(target)
            _sync(target.parent)
            return target.stat().st_size
    finally:
        _remove(partial)


def _copy(
    source: sqlite3.Connection, database: Path, partial: Path, on_progress: Progress = _tell_nobody
) -> None:
    (page_bytes,) = source.execute("PRAGMA page_size").fetchone()
    with mapped_errors(partial):
        _remove(partial)
        with contextlib.closing(open_copy(partial)) as copy:
            # an open read transaction keeps the source as it is: else a copy in steps begins anew with
            # every commit, and under load it never ends (https://sqlite.org/backup.html)
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(
                copy,
                pages=STEP_PAGES,
                progress=lambda _, left, total: on_progress((total - left) * page_bytes, total * page_bytes),
                sleep=0,
            )
            source.execute("COMMIT")
            # one file, without a log beside it
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        partial.chmod(database.stat().st_mode & 0o777)


def restore(backup: Path, database: Path, aside: Path) -> None:
    """Put a copy in the place of a database; the one that was there is kept as `aside`.

    No collector may be running on it.

    Raises:
        StoreForeign: `backup` is of another program, or of a newer version.
        StoreCorrupt: `backup` is damaged; nothing was changed.
        StoreBusy: It cannot be written; nothing was changed.
    """
    partial = database.with_name(database.name + ".partial")
    with contextlib.closing(open_reader(backup)) as source, mapped_errors(database):
        check_version(source, backup)
        problems = structure_problems(backup, quick=False)
        if problems:
            raise StoreCorrupt(f"{backup}: {problems[0]}")
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            _copy(source, backup, partial)
            _sync(partial)
            move(database, aside)
            partial.rename(database)
            _sync(database.parent)
        finally:
            _remove(partial)


def move(database: Path, target: Path) -> None:
    """Rename a database with its log and index; what is not there is left out.

    Raises:
        OSError: It cannot be renamed.
    """
    for suffix in (*_WAL_SUFFIXES, ""):
        found = database.with_name(database.name + suffix)
        if found.exists():
            found.rename(target.with_name(target.name + suffix))


def structure_problems(database: Path, *, quick: bool) -> list[str]:
    """What SQLite finds wrong in a file; empty when it is whole.

    Args:
        database: May be written meanwhile.
        quick: Leave out whether every index agrees with its table, which takes most of the time.

    Raises:
        StoreError: It cannot be opened.
    """
    word = "quick_check" if quick else "integrity_check"
    with contextlib.closing(open_reader(database)) as connection:
        try:
            found = connection.execute(f"PRAGMA {word}({MOST_PROBLEMS})").fetchall()
        except sqlite3.DatabaseError as error:
            return [str(error)]
    return [text for (text,) in found if text != "ok"]


def total_problems(location: Location) -> list[str]:
    """Totals that contradict each other: by combination and by key, at every resolution.

    Raises:
        StoreError: It cannot be read.
    """
    with inspecting(location) as connection:
        return list(_total_problems(connection))


def _total_problems(connection: Connection) -> Iterator[str]:
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in MEASURES)
    by_outcome = ", ".join(
        f"coalesce(sum(CASE WHEN outcome IN ({_outcomes_of(place)}) THEN n END), 0)"
        for place in range(len(MEASURES))
    )
    for res, width_s in enumerate(WIDTHS_S):
        kept = (res, meta_kept_from(res))
        by_key = connection.execute(
            f"SELECT {sums} FROM activity WHERE res = ? AND dim = 0 AND bucket_s >= {_KEPT_FROM}", kept
        ).fetchone()
        by_combo = connection.execute(
            f"SELECT {by_outcome} FROM cells JOIN combos USING (combo)"
            f" WHERE res = ? AND bucket_s >= {_KEPT_FROM}",
            kept,
        ).fetchone()
        for name, one, other in zip(MEASURES, by_key, by_combo, strict=True):
            if one != other:
                yield f"totals per {width_s} s: {name} is {one} in activity and {other} in cells"
    (lost,) = connection.execute(
        "SELECT count(*) FROM events e LEFT JOIN event_types t USING (type_id) WHERE t.type_id IS NULL"
    ).fetchone()
    if lost:
        yield f"{lost} events are of a type that is not there"


def _outcomes_of(place: int) -> str:
    return ", ".join(str(int(outcome)) for outcome, places in MEASURES_OF.items() if place in places)


def facts(database: Path) -> dict[str, int]:
    """Schema version, events, their newest arrival number, and the file's bytes.

    Raises:
        StoreError: It cannot be read.
    """
    with contextlib.closing(open_reader(database)) as connection, mapped_errors(database):
        events, last = connection.execute("SELECT count(*), coalesce(max(seq), 0) FROM events").fetchone()
        return {
            "schema": version_of(connection),
            "events": events,
            "last_seq": last,
            "bytes": database.stat().st_size,
        }


def keep_before_upgrade(connection: sqlite3.Connection, database: Path) -> Path | None:
    """Copy a file of an older version to `<name>.schema-<version>`: the older program can go on with that.

    Returns where the copy is; None when none is needed, there is one already, or there is no room for one.
    """
    version = version_of(connection)
    if not 0 < version < VERSION:
        return None
    target = database.with_name(f"{database.name}.schema-{version}")
    room = shutil.disk_usage(database.parent).free
    if target.exists() or room < 2 * database.stat().st_size:
        return None
    with contextlib.suppress(StoreBusy):
        _copy(connection, database, target)
        return target
    _remove(target)
    return None


def _sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(partial: Path) -> None:
    for suffix in (*_WAL_SUFFIXES, "-journal", ""):
        partial.with_name(partial.name + suffix).unlink(missing_ok=True)
