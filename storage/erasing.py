"""Erasing everything about one address or one consumer, down to the bytes of the file and of its log.

Its events go with their payloads; its name in `keys` gives way to a marker, so that totals stay true; in
every other table each mention is replaced by the marker, and payloads of others that mention it go. Then the
file is written anew without what was freed, and the log emptied. The audit trail and the log of changes keep
what they say: they can only be added to, and the caller is told how often they name the subject.

Nothing else may write meanwhile: the collector has to be stopped.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from domain.errors import StoreBusy, StoreError
from storage.audit_trail import CHAINED, append
from storage.codes import Dim
from storage.connection import mapped_errors, open_writer, transaction
from storage.erased_rows import ERASED, ErasedRows, Found, of_subject
from storage.mentions import Subject, mention, tables, teach
from storage.schema import prepare
from storage.subjects import find_subject
from storage.writing.pseudonyms import key_file, read_or_make_key

CHECKPOINT_TRIES = 50
CHECKPOINT_PAUSE_S = 0.2


class Eraser:
    """One connection that erases.

    Raises:
        StoreError: The file cannot be opened, is damaged, or not ours.
    """

    def __init__(self, database: Path) -> None:
        self._path = database
        self._connection = open_writer(database)
        self._rows = ErasedRows(self._connection)
        try:
            with mapped_errors(database):
                prepare(self._connection, database)
                for pragma in ("secure_delete=ON", "temp_store=FILE"):
                    self._connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def find(self, dim: Dim, text: str) -> Subject:
        """Who is meant.

        Args:
            dim: `Dim.IP` or `Dim.CONSUMER`.
            text: An address; or a consumer's id, or a name that one consumer alone has or had.

        Raises:
            StoreError: Nothing is known of it, or several are called so.
        """
        with mapped_errors(self._path):
            return find_subject(self._connection, dim, text, self._secret())

    def count(self, subject: Subject) -> Found:
        """How much there is of it.

        Raises:
            StoreError: A block, a list entry or a proposal about it is in force.
        """
        with mapped_errors(self._path):
            teach(self._connection, subject, "")
            self._refuse_what_is_in_force()
            events = self._rows.one(f"SELECT count(*) FROM events WHERE {of_subject(subject)}")
            payloads = self._rows.one(
                "SELECT count(*) FROM payloads p JOIN events e USING (seq)"
                f" WHERE {of_subject(subject)} OR mentions_payload(p.body) OR p.seq IN"
                " (SELECT d.seq FROM event_details d JOIN json_each(?) j ON j.value = d.entity_id)",
                json.dumps(subject.sure),
            )
            mentions = sum(
                self._rows.one(f"SELECT count(*) FROM {table} WHERE {mention(table, columns)}")
                for table, columns in tables(self._connection)
            ) + self._rows.one("SELECT count(*) FROM quarantine_items WHERE mentions(raw)")
            kept = sum(
                self._rows.one(
                    f"SELECT count(*) FROM {t} WHERE mentions(who) OR mentions(subject) OR mentions(detail)"
                )
                for t in CHAINED
            )
            return Found(events, payloads, mentions, kept)

    def erase(self, subject: Subject, at_ms: int, who: str) -> Found:
        """Erase it, and what is left of it in the bytes of the file; returns what there was.

        Raises:
            StoreBusy: There is no room to write the file anew; or somebody reads the old state without end.
            StoreError: See `count`.
        """
        self._check_room()
        found = self.count(subject)
        marker = f"{ERASED}{subject.keys[0] if subject.keys else 0}"
        with mapped_errors(self._path):
            with transaction(self._connection):
                teach(self._connection, subject, marker)
                self._rows.erase_events(subject)
                self._connection.execute("DELETE FROM payloads WHERE mentions_payload(body)")
                self._connection.execute("DELETE FROM quarantine_items WHERE mentions(raw)")
                self._rows.erase_entities(subject)
                self._rows.rename(subject)
                self._rename_words()
                for table, columns in tables(self._connection):
                    if table == "keys":
                        continue
                    sets = ", ".join(f'"{name}" = without("{name}")' for name in columns)
                    self._connection.execute(
                        f"UPDATE OR REPLACE {table} SET {sets} WHERE {mention(table, columns)}"
                    )
                told = {"kind": "address" if subject.dim == Dim.IP else "consumer", **found._asdict()}
                append(self._connection, "audit_trail", at_ms, who, "erased", marker, json.dumps(told))
            self._wipe()
        return found

    # ---- what

    def _secret(self) -> bytes | None:
        """What pseudonyms were made with; None where there are none."""
        secret_file = key_file(self._path)
        return read_or_make_key(secret_file) if secret_file.exists() else None

    def _refuse_what_is_in_force(self) -> None:
        for what, query in (
            ("a block of it is in force: lift it", "blocks WHERE ended_ms IS NULL"),
            ("it stands in a list: remove it there", "block_lists WHERE removed_ms IS NULL"),
        ):
            if self._rows.one(f"SELECT count(*) FROM {query} AND mentions(subject)"):
                raise StoreError(f"{what} first, so that Kong and this file say the same")
        if self._rows.one(
            "SELECT count(*) FROM change_proposals WHERE ended_ms IS NULL"
            " AND (mentions(ask) OR mentions(plan))"
        ):
            raise StoreError("a proposal about it is open: decide on it first")

    # ---- doing it

    def _rename_words(self) -> None:
        """Other words that mention it, such as its former names; each stays a word of its own."""
        rows = self._connection.execute(
            f"SELECT key_id, dim, value, without(value) FROM keys WHERE {mention('keys', [])}"
        ).fetchall()
        for key, dim, value, left in rows:
            self._connection.execute(
                "UPDATE keys SET value = ?, first_name = without(first_name), name = without(name)"
                " WHERE key_id = ?",
                (value if left == value else self._rows.free(dim, left), key),
            )

    def _check_room(self) -> None:
        with mapped_errors(self._path):
            free, size = shutil.disk_usage(self._path.parent).free, self._path.stat().st_size
        if free < 2 * size:
            raise StoreBusy(f"the file is written anew: that needs {2 * size} bytes of room, {free} are free")

    def _wipe(self) -> None:
        """Leave no freed page in the file and nothing in the log."""
        self._connection.execute("VACUUM")
        for _ in range(CHECKPOINT_TRIES):
            (is_busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not is_busy:
                return
            time.sleep(CHECKPOINT_PAUSE_S)
        raise StoreBusy(
            "it is erased, but somebody reads an old state, which keeps it in the log:"
            " stop the dashboard, and run this again"
        )
