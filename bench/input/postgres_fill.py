"""A PostgreSQL database that holds what a SQLite file holds, made in bulk.

`python -m collector copy` does the same with every index in place, in pieces that can be gone on with, and
compares afterwards; this takes a fifth of the time, and is for benches alone. Indexes are made when the rows
are there, and the planner is told of them, as autovacuum would sooner or later.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import time
from pathlib import Path

import psycopg

from storage.connection import open_reader
from storage.location import PostgresUrl
from storage.postgres.connection import SCHEMA
from storage.postgres.opening import open_prepared
from storage.postgres.schema import settle_numbers

LINES = 20_000
_BIG = ("activity", "cells", "combos", "events", "kind_counts")
_OURS = "type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_sqlite%' ESCAPE '\\'"
_INDEXES = """
SELECT i.relname, pg_get_indexdef(x.indexrelid), pg_get_constraintdef(c.oid) FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_constraint c ON c.conindid = x.indexrelid
WHERE x.indrelid = %s::regclass"""


def fill(path: Path, url: PostgresUrl) -> None:
    """Fill an empty database; one that holds as many events as the file is left as it is.

    Args:
        path: The file; it must be of this program's version.
        url: The database. Its user must own it.

    Raises:
        SystemExit: It holds something else.
    """
    ours = open_prepared(url)
    with (
        contextlib.closing(open_reader(path)) as source,
        psycopg.connect(url.conninfo, autocommit=True) as target,
    ):
        target.execute(_text(f"SET search_path TO {SCHEMA}"))
        wanted = source.execute("SELECT count(*) FROM events").fetchone()
        held = target.execute("SELECT count(*) FROM events").fetchone()
        if held == wanted:
            return
        if held != (0,):
            raise SystemExit(f"{url} holds {held} events, {path} {wanted}: name an empty database")
        for (table,) in source.execute(f"SELECT name FROM sqlite_master WHERE {_OURS}").fetchall():
            _table(source, target, table)
        settle_numbers(ours)
        target.execute("VACUUM (ANALYZE)")
    ours.close()


def _table(source: sqlite3.Connection, target: psycopg.Connection[tuple[object, ...]], table: str) -> None:
    since, rows = time.monotonic(), 0
    kinds = {row[1]: row[2] for row in source.execute(f"PRAGMA table_info({table})")}
    line = " || char(9) || ".join(_escaped(name, kind) for name, kind in kinds.items())
    target.execute("SET maintenance_work_mem = '512MB'")
    with target.transaction():  # what is truncated here needs no write-ahead log where wal_level is minimal
        target.execute(_text(f"TRUNCATE {table}"))
        indexes = target.execute(_INDEXES, (table,)).fetchall() if table in _BIG else []
        for name, _, constraint in indexes:
            how = f"ALTER TABLE {table} DROP CONSTRAINT {name}" if constraint else f"DROP INDEX {name}"
            target.execute(_text(how))
        lines = source.execute(f"SELECT {line} FROM {table}")
        with target.cursor().copy(_text(f"COPY {table} ({', '.join(kinds)}) FROM STDIN")) as copy:
            while some := lines.fetchmany(LINES):
                copy.write("\n".join(row[0] for row in some) + "\n")
                rows += len(some)
        for name, definition, constraint in indexes:
            made = str(definition).replace(" ON ONLY ", " ON ")
            how = f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint}" if constraint else made
            target.execute(_text(how))
    if rows > LINES:
        print(f"{table}: {rows:,} rows, {time.monotonic() - since:.0f} s", file=sys.stderr)


def _escaped(column: str, kind: str) -> str:
    """A column as `COPY` reads text, https://www.postgresql.org/docs/18/sql-copy.html."""
    value = column
    if kind in {"BLOB", "ANY"}:
        value = rf"'\\x' || hex({column})"
    elif kind != "INTEGER":
        for char, shown in (
            (r"'\'", r"'\\'"),
            ("char(9)", r"'\t'"),
            ("char(10)", r"'\n'"),
            ("char(13)", r"'\r'"),
        ):
            value = f"replace({value}, {char}, {shown})"
    return rf"coalesce({value}, '\N')"


def _text(statement: str) -> bytes:
    """Of names that this program chose itself."""
    return statement.encode("utf-8")
