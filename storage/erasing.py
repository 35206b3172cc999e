"""Erasing everything about one address or one consumer, down to the bytes of the file and of its log.

Its events go with their payloads; its name in `keys` gives way to a marker, so that totals stay true; in
every other table each mention is replaced by the marker, and payloads of others that mention it go. Then the
file is written anew without what was freed, and the log emptied. The audit trail and the log of changes keep
what they say: they can only be added to, and the caller is told how often they name the subject.

Nothing else may write meanwhile: the collector has to be stopped.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from domain.errors import StoreBusy, StoreError
from storage.audit_trail import CHAINED, append
from storage.codes import BLOCK_BITS, NONE_KEY, Dim
from storage.connection import mapped_errors, open_writer, transaction
from storage.mentions import Subject, mention, tables, teach
from storage.packing import address_range, prefix_of
from storage.schema import prepare
from storage.writing.pseudonyms import key_file, pseudonym_of, read_or_make_key

ERASED = "~erased-"
"""What the marker begins with; the number of the key follows."""
CHECKPOINT_TRIES = 50
CHECKPOINT_PAUSE_S = 0.2
_OF_EVENTS = ("judgements", "payloads", "event_details", "alert_evidence", "change_actors", "change_verdicts")


class Found(NamedTuple):
    """What there is of a subject."""

    events: int
    payloads: int
    """Its own, and others that mention it."""
    mentions: int
    """Rows of other tables, and items in quarantine, that mention it."""
    kept: int
    """Entries of the audit trail and of the log of changes that mention it, and stay."""


class Eraser:
    """One connection that erases.

    Raises:
        StoreError: The file cannot be opened, is damaged, or not ours.
    """

    def __init__(self, database: Path) -> None:
        self._path = database
        self._connection = open_writer(database)
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
            if dim == Dim.IP:
                return self._find_address(text)
            return self._find_consumer(text)

    def count(self, subject: Subject) -> Found:
        """How much there is of it.

        Raises:
            StoreError: A block, a list entry or a proposal about it is in force.
        """
        with mapped_errors(self._path):
            teach(self._connection, subject, "")
            self._refuse_what_is_in_force()
            events = self._one(f"SELECT count(*) FROM events WHERE {self._of(subject)}")
            payloads = self._one(
                "SELECT count(*) FROM payloads p JOIN events e USING (seq)"
                f" WHERE {self._of(subject)} OR mentions_payload(p.body) OR p.seq IN"
                " (SELECT d.seq FROM event_details d JOIN json_each(?) j ON j.value = d.entity_id)",
                json.dumps(subject.sure),
            )
            mentions = sum(
                self._one(f"SELECT count(*) FROM {table} WHERE {mention(table, columns)}")
                for table, columns in tables(self._connection)
            ) + self._one("SELECT count(*) FROM quarantine_items WHERE mentions(raw)")
            kept = sum(
                self._one(
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
                self._erase_events(subject)
                self._connection.execute("DELETE FROM payloads WHERE mentions_payload(body)")
                self._connection.execute("DELETE FROM quarantine_items WHERE mentions(raw)")
                self._erase_entities(subject)
                self._rename(subject)
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

    # ---- who

    def _find_address(self, text: str) -> Subject:
        spellings = {text}
        with contextlib.suppress(ValueError):
            spellings.add(str(ipaddress.ip_address(text)))
        secret_file = key_file(self._path)
        if secret_file.exists():
            secret = read_or_make_key(secret_file)
            spellings.update([pseudonym_of(address, secret) for address in spellings])
        sure = sorted(spellings)
        marks = ", ".join("?" * len(sure))
        keys = self._list(f"SELECT key_id FROM keys WHERE dim = 2 AND value IN ({marks})", *sure)
        return Subject(Dim.IP, tuple(keys), tuple(sure), ())

    def _find_consumer(self, text: str) -> Subject:
        ids = set(
            self._list(
                "SELECT entity_id FROM entities WHERE entity_type = 'consumers' AND entity_id = ?", text
            )
            or self._list("SELECT value FROM keys WHERE dim = 1 AND value = ? AND NOT is_name", text)
            or self._list(
                "SELECT DISTINCT entity_id FROM entity_names WHERE entity_type = 'consumers' AND name = ?",
                text,
            )
            or self._list("SELECT value FROM keys WHERE dim = 1 AND name = ? AND NOT is_name", text)
        )
        if len(ids) > 1:
            raise StoreError(f"{len(ids)} consumers are or were called {text!r}: give the id of one")
        names: set[str] = set()
        for entity_id in ids:
            names.update(
                self._list(
                    "SELECT name FROM entity_names WHERE entity_type = 'consumers' AND entity_id = ?1"
                    " UNION SELECT name FROM keys WHERE dim = 1 AND value = ?1"
                    " UNION SELECT first_name FROM keys WHERE dim = 1 AND value = ?1",
                    entity_id,
                )
            )
        names.discard(None)  # SQL's NULL
        if not ids:
            names.add(text)
        words = (*ids, *names)
        marks = ", ".join("?" * len(words))
        keys = self._list(f"SELECT key_id FROM keys WHERE dim = 1 AND value IN ({marks})", *words)
        return Subject(Dim.CONSUMER, tuple(sorted(keys)), tuple(ids), tuple(sorted(names)))

    # ---- what

    def _of(self, subject: Subject) -> str:
        column = "ip" if subject.dim == Dim.IP else "consumer"
        return f"{column} IN ({', '.join(map(str, subject.keys)) or 'NULL'}) AND {column} > 1"

    def _refuse_what_is_in_force(self) -> None:
        for what, query in (
            ("a block of it is in force: lift it", "blocks WHERE ended_ms IS NULL"),
            ("it stands in a list: remove it there", "block_lists WHERE removed_ms IS NULL"),
        ):
            if self._one(f"SELECT count(*) FROM {query} AND mentions(subject)"):
                raise StoreError(f"{what} first, so that Kong and this file say the same")
        if self._one(
            "SELECT count(*) FROM change_proposals WHERE ended_ms IS NULL"
            " AND (mentions(ask) OR mentions(plan))"
        ):
            raise StoreError("a proposal about it is open: decide on it first")

    # ---- doing it

    def _erase_events(self, subject: Subject) -> None:
        run = self._connection.execute
        run("CREATE TEMP TABLE gone (seq INTEGER PRIMARY KEY)")
        run(f"INSERT INTO gone SELECT seq FROM events WHERE {self._of(subject)}")
        run(
            f"UPDATE event_blocks SET n = n - (SELECT count(*) FROM gone WHERE seq >> {BLOCK_BITS} = block)"
            f" WHERE block IN (SELECT seq >> {BLOCK_BITS} FROM gone)"
        )
        run("DELETE FROM event_blocks WHERE n <= 0")
        for table in (*_OF_EVENTS, "events"):
            run(f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM gone)")
        run("DROP TABLE temp.gone")

    def _erase_entities(self, subject: Subject) -> None:
        """A consumer, and what was known of its configuration; that something was changed stays known."""
        run = self._connection.execute
        for entity_id in subject.sure if subject.dim == Dim.CONSUMER else ():
            for table in ("entities", "entity_names", "config_states"):
                run(f"DELETE FROM {table} WHERE entity_type = 'consumers' AND entity_id = ?", (entity_id,))
            run(
                "DELETE FROM payloads WHERE seq IN (SELECT seq FROM event_details WHERE entity_id = ?)",
                (entity_id,),
            )
            for table in ("event_details", "config_drifts"):
                run(
                    f"UPDATE {table} SET entity_name = NULL, before = NULL, after = NULL WHERE entity_id = ?",
                    (entity_id,),
                )

    def _rename(self, subject: Subject) -> None:
        for key in subject.keys:
            if subject.dim == Dim.IP:
                self._keep_prefix(key)
            self._connection.execute(
                "UPDATE keys SET value = ?, is_name = 1, first_name = NULL, name = NULL, ip_sort = NULL"
                " WHERE key_id = ?",
                (self._free(subject.dim, f"{ERASED}{key}"), key),
            )
        for address in subject.sure if subject.dim == Dim.IP else ():
            self._rename_prefix(prefix_of(address))

    def _keep_prefix(self, key: int) -> None:
        """Late corrections of an address's totals are corrections of its prefix's."""
        (address,) = self._list("SELECT value FROM keys WHERE key_id = ?", key)
        found = self._list("SELECT key_id FROM keys WHERE dim = 3 AND value = ?", prefix_of(address))
        prefix_key = found[0] if found else NONE_KEY
        self._connection.execute("INSERT OR IGNORE INTO pseudonyms VALUES (?, ?)", (key, prefix_key))

    def _rename_prefix(self, prefix: str | None) -> None:
        """A prefix goes with the last of its addresses."""
        found = address_range(prefix or "")
        if found is None or self._one("SELECT count(*) FROM keys WHERE ip_sort BETWEEN ? AND ?", *found):
            return
        for key in self._list("SELECT key_id FROM keys WHERE dim = 3 AND value = ?", prefix):
            self._connection.execute(
                "UPDATE keys SET value = ? WHERE key_id = ?", (self._free(Dim.PREFIX, f"{ERASED}{key}"), key)
            )

    def _rename_words(self) -> None:
        """Other words that mention it, such as its former names; each stays a word of its own."""
        rows = self._connection.execute(
            f"SELECT key_id, dim, value, without(value) FROM keys WHERE {mention('keys', [])}"
        ).fetchall()
        for key, dim, value, left in rows:
            self._connection.execute(
                "UPDATE keys SET value = ?, first_name = without(first_name), name = without(name)"
                " WHERE key_id = ?",
                (value if left == value else self._free(dim, left), key),
            )

    def _free(self, dim: int, value: str) -> str:
        """A word that nobody has, whatever names came over the wire."""
        while self._list("SELECT 1 FROM keys WHERE dim = ? AND value = ?", dim, value):
            value += "~"
        return value

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

    def _one(self, query: str, *values: Any) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])

    def _list(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self._connection.execute(query, values)]
