"""Erasing everything about one address or one consumer from PostgreSQL, as `storage.erasing` does in a file.

What mentions it is looked for twice: the server finds the rows that hold its words at all, this program those
that mean it. Tables are then written anew, so that no freed row is left in their files. What the server
keeps besides is not reached from here: archived write-ahead logs and copies keep it until they are removed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from domain.errors import StoreBusy, StoreError
from storage.audit_trail import CHAINED, append
from storage.codes import Dim
from storage.connection import transaction
from storage.erased_rows import ERASED, ErasedRows, Found, of_subject
from storage.location import PostgresUrl
from storage.mentions import Subject, Words, may_mention, spellings
from storage.postgres.connection import SCHEMA
from storage.postgres.leadership import DUTY_LOCK
from storage.postgres.opening import open_made
from storage.subjects import find_subject

AT_ONCE = 5_000
_NOT_OURS = f"""
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r' AND NOT pg_has_role(current_user, c.relowner, 'USAGE')"""
_TEXTS = f"""
SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = '{SCHEMA}' AND t.table_type = 'BASE TABLE' AND c.data_type = 'text'
ORDER BY c.table_name, c.ordinal_position"""
_TEXT_OF_ID = "CASE WHEN substr(id, 1, 1) = '\\x00'::bytea THEN convert_from(substr(id, 2), 'UTF8') END"
_ANEW = ("events", "event_details", "payloads", "judgements", "quarantine_items", "keys")


class _Row(NamedTuple):
    place: str
    """Where the server has it, until it is changed."""
    texts: dict[str, Any]
    """By column; and what decides what a name means there."""


class PostgresEraser:
    """One connection that erases, as the owner of the tables; collectors and writers have to be stopped.

    Args:
        url: Where.
        secret: What pseudonyms of addresses were made with; None where there are none.

    Raises:
        StoreBusy: No server answers, or a collector or a writer is running.
        StoreError: The role does not own the tables.
    """

    def __init__(self, url: PostgresUrl, secret: bytes | None) -> None:
        self._url, self._secret = url, secret
        self._connection = open_made(url)
        self._rows = ErasedRows(self._connection, "bigint")
        try:
            self._check()
        except BaseException:
            self._connection.close()
            raise

    def _check(self) -> None:
        if self._rows.one(_NOT_OURS):
            raise StoreError(f"{self._url}: tables are written anew; use a login that owns them")
        if not self._rows.one(f"SELECT pg_try_advisory_lock({DUTY_LOCK})::int"):
            raise StoreBusy(f"{self._url}: a collector or a writer is running; stop all of them first")

    def close(self) -> None:
        """Let the server go."""
        self._connection.close()

    def find(self, dim: Dim, text: str) -> Subject:
        """Who is meant; see `storage.erasing.Eraser.find`.

        Raises:
            StoreError: Several are called so.
        """
        return find_subject(self._connection, dim, text, self._secret)

    def count(self, subject: Subject) -> Found:
        """How much there is of it.

        Raises:
            StoreError: A block, a list entry or a proposal about it is in force.
        """
        words = Words(subject, "")
        self._refuse_what_is_in_force(words)
        mentions = sum(
            1 for table, columns in self._tables() for _ in self._mentioning(words, subject, table, columns)
        )
        kept = sum(
            1
            for table in CHAINED
            for row in self._all(table, ("who", "subject", "detail"))
            if any(map(words.mentions, row))
        )
        return Found(
            self._rows.one(f"SELECT count(*) FROM events WHERE {of_subject(subject)}"),
            sum(1 for _ in self._payloads(words, subject)),
            mentions + sum(1 for _ in self._quarantined(words)),
            kept,
        )

    def erase(self, subject: Subject, at_ms: int, who: str) -> Found:
        """Erase it, and write the tables anew; returns what there was.

        Raises:
            StoreBusy: A table is read without end: it is erased, and not yet gone from the files.
            StoreError: See `count`.
        """
        marker = f"{ERASED}{subject.keys[0] if subject.keys else 0}"
        words = Words(subject, marker)
        with transaction(self._connection):
            found = self.count(subject)
            payloads, items = list(self._payloads(words, subject)), list(self._quarantined(words))
            self._rows.erase_events(subject)
            for table, seqs in (("payloads", payloads), ("quarantine_items", items)):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE seq IN (SELECT value FROM json_each(?))", (json.dumps(seqs),)
                )
            self._rows.erase_entities(subject)
            self._rows.rename(subject)
            for table, columns in self._tables():
                for row in list(self._mentioning(words, subject, table, columns)):
                    self._replace(words, table, columns, row)
            told = {"kind": "address" if subject.dim == Dim.IP else "consumer", **found._asdict()}
            append(self._connection, "audit_trail", at_ms, who, "erased", marker, json.dumps(told))
            # whoever remembers words has to read them again
            self._connection.script("UPDATE commits SET n = n + 1")
        self._write_anew()
        return found

    # ---- looking

    def _tables(self) -> Iterator[tuple[str, list[str]]]:
        found: dict[str, list[str]] = {"events": ["id"]}
        for table, column in self._connection.execute(_TEXTS).fetchall():
            if may_mention(table):
                found.setdefault(table, []).append(column)
        yield from found.items()

    def _mentioning(
        self, words: Words, subject: Subject, table: str, columns: Sequence[str]
    ) -> Iterator[_Row]:
        """Rows of one table that mention it."""
        forms = [_TEXT_OF_ID if (table, name) == ("events", "id") else f'"{name}"' for name in columns]
        wanted = spellings(subject)
        holds = " OR ".join(
            f"strpos(lower({form}), lower(?{number})) > 0"
            for form in forms
            for number in range(1, len(wanted) + 1)
        )
        more = ["dim"] if table == "keys" else []
        names = [*columns, *more]
        listed = ", ".join(f'"{name}"' for name in names)
        if not wanted:
            return
        rows = self._connection.execute(f"SELECT ctid::text, {listed} FROM {table} WHERE {holds}", wanted)
        for place, *values in rows.fetchall():
            texts = dict(zip(names, values, strict=True))
            if words.in_row(table, texts):
                yield _Row(place, texts)

    def _payloads(self, words: Words, subject: Subject) -> Iterator[int]:
        """Arrival numbers of its own payloads, of its configuration's, and of others that mention it."""
        marks = ", ".join("?" * len(subject.sure)) or "NULL"
        query = (
            f"SELECT p.seq, p.body, CASE WHEN {of_subject(subject)} OR d.entity_id IN ({marks})"
            " THEN 1 ELSE 0 END FROM payloads p JOIN events e ON e.seq = p.seq"
            " LEFT JOIN event_details d ON d.seq = p.seq"
            f" WHERE p.seq > ? ORDER BY p.seq LIMIT {AT_ONCE}"
        )
        for seq, body, is_own in self._pages(query, subject.sure):
            if is_own or words.mentions_payload(body):
                yield seq

    def _quarantined(self, words: Words) -> Iterator[int]:
        query = f"SELECT seq, raw FROM quarantine_items WHERE seq > ? ORDER BY seq LIMIT {AT_ONCE}"
        for seq, raw in self._pages(query, ()):
            if words.mentions(raw):
                yield seq

    def _pages(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        last = -1
        while True:
            rows = self._connection.execute(query, (*values, last)).fetchall()
            yield from rows
            if len(rows) < AT_ONCE:
                return
            last = rows[-1][0]

    def _all(self, table: str, columns: Sequence[str], where: str = "TRUE") -> list[tuple[Any, ...]]:
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"
        return self._connection.execute(query).fetchall()

    def _refuse_what_is_in_force(self, words: Words) -> None:
        for what, table, columns, where in (
            ("a block of it is in force: lift it", "blocks", ("subject",), "ended_ms IS NULL"),
            ("it stands in a list: remove it there", "block_lists", ("subject",), "removed_ms IS NULL"),
            (
                "a proposal about it is open: decide on it",
                "change_proposals",
                ("ask", "plan"),
                "ended_ms IS NULL",
            ),
        ):
            if any(any(map(words.mentions, row)) for row in self._all(table, columns, where)):
                raise StoreError(f"{what} first, so that Kong and this store say the same")

    # ---- doing it

    def _replace(self, words: Words, table: str, columns: Sequence[str], row: _Row) -> None:
        """Put the marker in; of two rows that become one the other stays."""
        after = {name: words.without(row.texts[name]) for name in columns}
        if table == "keys":
            value = row.texts["value"]
            after["value"] = (
                value if after["value"] == value else self._rows.free(row.texts["dim"], str(after["value"]))
            )
        sets = ", ".join(f'"{name}" = ?' for name in columns)
        self._connection.script("SAVEPOINT one_row")
        try:
            self._connection.execute(
                f"UPDATE {table} SET {sets} WHERE ctid = ?::tid",
                (*(after[name] for name in columns), row.place),
            )
        except sqlite3.IntegrityError:
            self._connection.script("ROLLBACK TO SAVEPOINT one_row")
            self._connection.execute(f"DELETE FROM {table} WHERE ctid = ?::tid", (row.place,))
        self._connection.script("RELEASE SAVEPOINT one_row")

    def _write_anew(self) -> None:
        """Leave no freed row in the files of tables, and no word of it in what the planner knows of them."""
        for table in sorted({*_ANEW, *(table for table, _ in self._tables())}):
            try:
                self._connection.script(f"VACUUM (FULL, ANALYZE) {table}")
            except StoreBusy as error:
                raise StoreBusy(
                    f"it is erased, but somebody reads {table} without end, so that its file is not written"
                    f" anew: stop the dashboard, and run this again ({error})"
                ) from error
