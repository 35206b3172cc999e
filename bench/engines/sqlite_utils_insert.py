"""`sqlite-utils insert --nl`: whole entries into a table, request id as the key, resent ones ignored."""

from __future__ import annotations

import importlib.metadata
import resource
import subprocess
import sys
from pathlib import Path

import orjson
import sqlite_utils

from bench.engines.contest import Portion, folder_size


class SqliteUtilsInsert:
    """The command line tool, WAL, SQLite's own default of `synchronous=FULL`."""

    name = "sqlite-utils insert --nl"

    def __init__(self, folder: Path) -> None:
        self.version = importlib.metadata.version("sqlite-utils")
        self._folder = folder
        self._file, self._input = folder / "requests.db", folder / "round.nl"
        database = sqlite_utils.Database(self._file)
        database.enable_wal()
        database.close()
        self._cpu_s = 0.0

    def prepare(self, portion: Portion) -> None:
        """Each entry with its request id on top, where a key can be."""
        with self._input.open("wb") as file:
            for entry in portion.entries:
                file.write(orjson.dumps({"id": entry["request"]["id"], **entry}) + b"\n")

    def feed(self) -> None:
        """One run of the command."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["insert", str(self._file), "requests", str(self._input), "--nl", "--pk=id", "--ignore"]
        subprocess.run(
            [sys.executable, "-m", "sqlite_utils", *command, "--alter"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._cpu_s += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def cpu_s(self) -> float:
        """All runs of the command."""
        return self._cpu_s

    def stored(self) -> int:
        """Rows."""
        return sqlite_utils.Database(self._file)["requests"].count

    def size(self) -> int:
        """The file, without the input."""
        sqlite_utils.Database(self._file).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return folder_size(self._folder) - self._input.stat().st_size

    def stop(self) -> None:
        """Nothing runs."""
