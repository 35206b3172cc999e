"""The rows of a subject that is erased: its events go, its names give way to a marker. On either engine.

What else mentions it is found and replaced by each engine in its own way (`storage.erasing`,
`storage.postgres.erasing`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from storage.codes import BLOCK_BITS, NONE_KEY, Dim
from storage.engine import Connection
from storage.mentions import Subject
from storage.packing import address_range, prefix_of

ERASED = "~erased-"
"""What the marker begins with; the number of the key follows."""
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


def of_subject(subject: Subject) -> str:
    """The condition on events that are its own."""
    column = "ip" if subject.dim == Dim.IP else "consumer"
    return f"{column} IN ({', '.join(map(str, subject.keys)) or 'NULL'}) AND {column} > 1"


class ErasedRows:
    """What is done inside one transaction.

    Args:
        connection: Of whoever erases.
        numbers: The type of arrival numbers, in the engine's own words.
    """

    def __init__(self, connection: Connection, numbers: str = "INTEGER") -> None:
        self._connection = connection
        self._numbers = numbers

    def erase_events(self, subject: Subject) -> None:
        """Remove its events, and all that belongs to them."""
        run = self._connection.execute
        run(f"CREATE TEMP TABLE gone (seq {self._numbers} PRIMARY KEY)")
        run(f"INSERT INTO gone SELECT seq FROM events WHERE {of_subject(subject)}")
        run(
            f"UPDATE event_blocks SET n = n - (SELECT count(*) FROM gone WHERE seq >> {BLOCK_BITS} = block)"
            f" WHERE block IN (SELECT seq >> {BLOCK_BITS} FROM gone)"
        )
        run("DELETE FROM event_blocks WHERE n <= 0")
        for table in (*_OF_EVENTS, "events"):
            run(f"DELETE FROM {table} WHERE seq IN (SELECT seq FROM gone)")
        run("DROP TABLE gone")

    def erase_entities(self, subject: Subject) -> None:
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

    def rename(self, subject: Subject) -> None:
        """Put the marker in the place of its names; a prefix goes with the last of its addresses."""
        for key in subject.keys:
            if subject.dim == Dim.IP:
                self._keep_prefix(key)
            self._connection.execute(
                "UPDATE keys SET value = ?, is_name = 1, first_name = NULL, name = NULL, ip_sort = NULL"
                " WHERE key_id = ?",
                (self.free(subject.dim, f"{ERASED}{key}"), key),
            )
        for address in subject.sure if subject.dim == Dim.IP else ():
            self._rename_prefix(prefix_of(address))

    def _keep_prefix(self, key: int) -> None:
        """Late corrections of an address's totals are corrections of its prefix's."""
        (address,) = self.list("SELECT value FROM keys WHERE key_id = ?", key)
        found = self.list("SELECT key_id FROM keys WHERE dim = 3 AND value = ?", prefix_of(address))
        prefix_key = found[0] if found else NONE_KEY
        self._connection.execute(
            "INSERT INTO pseudonyms VALUES (?, ?) ON CONFLICT DO NOTHING", (key, prefix_key)
        )

    def _rename_prefix(self, prefix: str | None) -> None:
        """A prefix goes with the last of its addresses."""
        found = address_range(prefix or "")
        if found is None or self.one("SELECT count(*) FROM keys WHERE ip_sort BETWEEN ? AND ?", *found):
            return
        for key in self.list("SELECT key_id FROM keys WHERE dim = 3 AND value = ?", prefix):
            self._connection.execute(
                "UPDATE keys SET value = ? WHERE key_id = ?", (self.free(Dim.PREFIX, f"{ERASED}{key}"), key)
            )

    def free(self, dim: int, value: str) -> str:
        """A word that nobody has, whatever names came over the wire."""
        while self.list("SELECT 1 FROM keys WHERE dim = ? AND value = ?", dim, value):
            value += "~"
        return value

    def one(self, query: str, *values: Any) -> int:
        """A number."""
        return int(self._connection.execute(query, values).fetchone()[0])

    def list(self, query: str, *values: Any) -> list[Any]:
        """The first column."""
        return [row[0] for row in self._connection.execute(query, values).fetchall()]
