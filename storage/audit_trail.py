"""The audit trail: who did what and when, each entry chained to the one before by its hash.

Logins, exports, settings and erasures stand in `audit_trail`, decisions about alerts too; changes and blocks
stand in `change_log`, a chain of the same make. `verify` looks at both. What was done about a consumer or an
address is told by the number of the incident or the like, never by name: nothing of it is ever erased.

Whoever may write the file can compute a new chain, so the end of a chain is worth writing down elsewhere:
`verify` says it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from storage.connection import mapped_errors, transaction
from storage.deciding import open_for_decisions
from storage.engine import Connection
from storage.inspecting import inspecting
from storage.location import Location, PostgresUrl, located

FIRST_CHAIN = "0" * 64
MAX_TEXT_CHARS = 2_000
CHAINED = ("audit_trail", "change_log")
VERIFIED_AT_ONCE = 10_000
NUL_SHOWN = ("\0", "\u2400")
"""What PostgreSQL cannot keep, and its picture: what is hashed must be what is kept, on either engine."""


class Chain(NamedTuple):
    """What `verify` found of one table."""

    table: str
    entries: int
    head: str
    """The hash of the last entry that is as it was written."""
    problem: str
    """What is wrong, and where; empty when nothing is."""


def chain_of(previous: str, at_ms: int, who: str, what: str, subject: str, detail: str) -> str:
    """The hash of an entry: 64 hexadecimal digits over it and the entry before."""
    text = json.dumps([previous, at_ms, who, what, subject, detail], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(text: str) -> str:
    """What stands for a text that may name people: equal texts have equal ones."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def append(
    connection: Connection, table: str, at_ms: int, who: str, what: str, subject: str, detail: str
) -> None:
    """Add an entry to a chain, inside a transaction that is open.

    Args:
        connection: A writer's.
        table: One of `CHAINED`.
        at_ms: When.
        who: A person's name, or `gatewatch`.
        what: A word or two.
        subject: About what; no consumer's name and no address in `audit_trail`.
        detail: More; cut at 2,000 characters.
    """
    row = connection.execute(f"SELECT chain FROM {table} ORDER BY entry DESC LIMIT 1").fetchone()
    who, what, subject, told = (text.replace(*NUL_SHOWN) for text in (who, what, subject, detail))
    told = told[:MAX_TEXT_CHARS]
    chain = chain_of(row[0] if row else FIRST_CHAIN, at_ms, who, what, subject, told)
    connection.execute(
        f"INSERT INTO {table} (at_ms, who, what, subject, detail, chain) VALUES (?, ?, ?, ?, ?, ?)",
        (at_ms, who, what, subject, told, chain),
    )


def record(
    database: str | Path, at_ms: int, who: str, what: str, subject: str = "", detail: str = ""
) -> None:
    """Add one entry to the audit trail, on disk when this returns.

    Raises:
        StoreBusy: The file is not there, or cannot be written now.
        StoreError: It is damaged, or not ours.
    """
    with _opened(located(database)) as connection:
        append(connection, "audit_trail", at_ms, who, what, subject, detail)


def record_settings(database: str | Path, at_ms: int, values: Mapping[str, str]) -> list[str]:
    """Note which settings differ from those of the start before; returns their names, at the first none.

    Args:
        database: The file, or the URL.
        at_ms: Now.
        values: Every setting as text that may be shown: the paths of secrets, never secrets.

    Raises:
        StoreError: It cannot be written now.
    """
    with _opened(located(database)) as connection:
        before = dict(connection.execute("SELECT name, value FROM audit_settings").fetchall())
        names = sorted(name for name in {*before, *values} if before.get(name) != values.get(name))
        if not names:
            return []
        connection.execute("DELETE FROM audit_settings")
        connection.executemany("INSERT INTO audit_settings VALUES (?, ?)", sorted(values.items()))
        for name in names if before else ["all"]:
            old, new = (before.get(name), values.get(name)) if before else (None, "as first started")
            detail = json.dumps({"before": old, "after": new}, ensure_ascii=False)
            append(connection, "audit_trail", at_ms, "gatewatch", "setting changed", name, detail)
        return names if before else []


def verify(database: str | Path | PostgresUrl) -> list[Chain]:
    """Recompute every chain of a store, which may be written meanwhile.

    Raises:
        StoreError: It cannot be read at all.
    """
    with inspecting(located(database)) as connection:
        return [_verified(connection, table) for table in CHAINED]


def _verified(connection: Connection, table: str) -> Chain:
    number, head = 0, FIRST_CHAIN
    try:
        for entry, *values, chain in _entries(connection, table):
            if entry != number + 1:
                return Chain(table, number, head, f"entry {number + 1} is missing: entry {entry} follows")
            if chain != chain_of(head, *values):
                told = f"entry {entry} is not as it was written, or the one before it was taken out"
                return Chain(table, number, head, told)
            number, head = entry, chain
        highest = _highest(connection, table)
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        return Chain(table, number, head, f"what follows entry {number} cannot be read: {error}")
    if highest > number:
        told = f"entries {number + 1} to {highest} are missing at the end"
        return Chain(table, number, head, told)
    return Chain(table, number, head, "")


def _entries(connection: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """All of a chain, in order; some at a time, because a server's client holds what it asked for."""
    last: int | None = None
    while True:
        rows = connection.execute(
            f"SELECT entry, at_ms, who, what, subject, detail, chain FROM {table} WHERE entry > ?"
            f" ORDER BY entry LIMIT {VERIFIED_AT_ONCE}",
            (-(2**62) if last is None else last,),
        ).fetchall()
        yield from rows
        if len(rows) < VERIFIED_AT_ONCE:
            return
        last = rows[-1][0]


def _highest(connection: Connection, table: str) -> int:
    """The highest number ever given, where the store remembers it."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return int(row[0]) if row else 0


@contextlib.contextmanager
def _opened(location: Location) -> Iterator[Connection]:
    """One transaction of a writer."""
    with (
        contextlib.closing(open_for_decisions(location)) as connection,
        mapped_errors(location),
        transaction(connection),
    ):
        yield connection
