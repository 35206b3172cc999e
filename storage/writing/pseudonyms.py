"""Addresses that nothing new refers to lose their names: a keyed pseudonym takes the place of each.

The numbers stay, and what an address did stays together: its row in `keys` keeps its number. Neither its /24
nor its /64 is kept, because a /64 is one household and a /24 may be one company; a prefix is replaced with
the last of its addresses. The pseudonym is an HMAC-SHA-256 under a random key in a file of its own beside the
database: copies of the database do not hold it, and without it nobody can try all addresses. With the key an
address that comes back, and grows old again, counts as the same pseudonym; who deletes the file makes all
pseudonyms final.

A payload may hold its address in forms that no search finds, so payloads, and what was refused, go whole once
they are old. In rows about alerts and changes that are over, everything that reads as an address is replaced.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import stat
from pathlib import Path
from typing import NamedTuple

from domain.errors import StoreError
from domain.windows import DAY_MS, HOUR_MS
from storage.codes import BLOCK_BITS, FIRST_KEY, Dim
from storage.engine import Connection
from storage.packing import address_range, prefix_of
from storage.writing.keys import KeyBook

KEY_BYTES = 32
PSEUDONYM = "anon-"
"""What every pseudonym begins with; sixteen hexadecimal digits follow."""
ROUND_EVERY_MS = HOUR_MS

_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"
    r"|(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:.]{2,45}(?!\w)"
)


class _Former(NamedTuple):
    """Rows that are over, and when they were."""

    table: str
    at: str
    columns: tuple[str, ...]


_FORMER = (
    _Former(
        "alert_incidents", "resolved_ms",
        ("fingerprint", "entity_id", "entity", "why", "reason", "body"),
    ),
    _Former("alert_history", "at_ms", ("note",)),
    _Former("alert_silences", "until_ms", ("reason", "body")),
    _Former("alert_outbox", "ended_ms", ("body", "error")),
    _Former("alert_requests", "done_ms", ("body", "answer")),
    _Former("admin_calls", "at_ms", ("path", "client_ip")),
    _Former("change_proposals", "ended_ms", ("reason", "ask", "plan", "shown", "outcome")),
    _Former("blocks", "ended_ms", ("subject", "label", "scope", "reason", "touched")),
    _Former("block_lists", "removed_ms", ("subject", "note")),
)  # fmt: skip


def key_file(database: Path) -> Path:
    """Where the key of a database's pseudonyms is."""
    return database.with_name(database.name + ".pseudonym-key")


def read_or_make_key(path: Path) -> bytes:
    """The key of the pseudonyms, a new random one where there is none.

    Raises:
        StoreError: Others than its owner may read it, or it is too short.
        OSError: It cannot be read or made.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreError(f"{path} can be read by others: chmod 600 {path}") from None
        found = path.read_bytes()
        if len(found) < KEY_BYTES:
            raise StoreError(f"{path} holds {len(found)} bytes, expected at least {KEY_BYTES}") from None
        return found
    with os.fdopen(handle, "wb") as file:
        made = secrets.token_bytes(KEY_BYTES)
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    return made


def pseudonym_of(address: str, secret: bytes) -> str:
    """What stands for an address, or for a prefix, under a key."""
    return PSEUDONYM + hmac.new(secret, address.encode("utf-8"), hashlib.sha256).hexdigest()[:16]


class PseudonymBook:
    """Replaces in the transaction that is open.

    Args:
        connection: The writer's.
        keys: Its words.
        days: How old everything about an address is when it is replaced; 0 is never.
        secret: The key of the pseudonyms.
    """

    def __init__(self, connection: Connection, keys: KeyBook, days: int, secret: bytes) -> None:
        self._connection = connection
        self._keys = keys
        self._age_ms = days * DAY_MS
        self._secret = secret
        self._round_ms = -ROUND_EVERY_MS
        self._next_key: int | None = None
        self._next_block = self._formers_done = 0

    def replace(self, now_ms: int, max_rows: int) -> tuple[int, int]:
        """Do a piece of the hourly round; returns how many rows it looked at, and how many it changed.

        It looked at fewer than `max_rows` when the round is over, and at none until the next.
        """
        if not self._age_ms or self._is_resting(now_ms):
            return 0, 0
        changes = self._connection.total_changes
        before_ms = self._round_ms - self._age_ms
        done = self._payloads(before_ms, max_rows)
        done += self._quarantine(before_ms, max_rows - done)
        while done < max_rows and self._formers_done < len(_FORMER):
            done += self._former(_FORMER[self._formers_done], before_ms, max_rows - done)
            self._formers_done += done < max_rows
        done += self._actors(before_ms, max_rows - done)
        if done < max_rows:
            done += self._addresses(before_ms, max_rows - done)
        return done, self._connection.total_changes - changes

    def pseudonym(self, address: str) -> str:
        """What stands for an address, or for a prefix, in this file for ever."""
        return pseudonym_of(address, self._secret)

    def _is_resting(self, now_ms: int) -> bool:
        """Whether the round is over and the next not due; begins the next when it is."""
        if self._next_key is not None:
            return False
        if 0 <= now_ms - self._round_ms < ROUND_EVERY_MS:
            return True
        self._round_ms, self._next_key, self._next_block, self._formers_done = now_ms, 0, 0, 0
        return False

    # ---- what goes whole

    def _payloads(self, before_ms: int, most: int) -> int:
        done = 0
        while done < most:
            row = self._connection.execute(
                "SELECT block FROM event_blocks WHERE block >= ? AND +max_at_ms < ? ORDER BY block LIMIT 1",
                (self._next_block, before_ms),
            ).fetchone()
            if row is None:
                break
            first = row[0] << BLOCK_BITS
            seqs = self._connection.execute(
                "SELECT seq FROM payloads WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?",
                (first, first + (1 << BLOCK_BITS), most - done),
            ).fetchall()
            self._connection.executemany("DELETE FROM payloads WHERE seq = ?", seqs)
            done += len(seqs) + 1
            if done < most:
                self._next_block = row[0] + 1
        return min(done, most)

    def _quarantine(self, before_ms: int, most: int) -> int:
        return self._connection.execute(
            "DELETE FROM quarantine_items WHERE seq IN (SELECT seq FROM quarantine_items"
            " WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
            (before_ms, max(0, most)),
        ).rowcount

    # ---- texts of what is over

    def _former(self, former: _Former, before_ms: int, most: int) -> int:
        """The texts of rows that were over before `before_ms`, from where the last round came to."""
        table, at = former.table, former.at
        from_ms = self._mark(table)
        rows = self._connection.execute(
            f"SELECT {at} FROM {table} WHERE {at} >= ? AND {at} < ? ORDER BY {at} LIMIT ?",
            (from_ms, before_ms, most),
        ).fetchall()
        if not rows:
            return 0
        span = (from_ms, rows[-1][0])
        self._scrub(table, former.columns, f"{at} BETWEEN ? AND ?", span)
        if table == "blocks":
            ids = "SELECT {} FROM blocks WHERE ended_ms BETWEEN ? AND ?"
            self._scrub(
                "change_proposals",
                ("reason", "ask", "plan", "shown", "outcome"),
                f"proposal_id IN ({ids.format('proposal_id')} UNION {ids.format('lift_id')})",
                (*span, *span),
            )
        self._set_mark(table, rows[-1][0] + 1)
        return len(rows)

    def _actors(self, before_ms: int, most: int) -> int:
        """From where changes were made: `change_actors` has no time of its own, its events have."""
        if most <= 0:
            return 0
        first_new = self._first_new_seq(before_ms)
        end = 2**62 if first_new is None else first_new
        rows = self._connection.execute(
            "SELECT seq FROM change_actors WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?",
            (self._mark("change_actors"), end, most),
        ).fetchall()
        if rows:
            span = (self._mark("change_actors"), rows[-1][0])
            self._scrub("change_actors", ("why", "client_ip"), "seq BETWEEN ? AND ?", span)
            self._set_mark("change_actors", rows[-1][0] + 1)
        return len(rows)

    def _scrub(self, table: str, columns: tuple[str, ...], where: str, bound: tuple[int, ...]) -> None:
        for name in columns:
            texts = self._connection.execute(
                f"SELECT DISTINCT {name} FROM {table} WHERE {where} AND {name} IS NOT NULL", bound
            ).fetchall()
            changed = [(after, text) for (text,) in texts if (after := self._in_text(text)) != text]
            for after, text in changed:
                self._connection.execute(
                    f"UPDATE {table} SET {name} = ? WHERE {where} AND {name} = ?", (after, *bound, text)
                )

    def _in_text(self, text: str) -> str:
        """A text with every address in it replaced."""
        return _ADDRESS.sub(self._of_match, text)

    def _of_match(self, match: re.Match[str]) -> str:
        try:
            return self.pseudonym(str(ipaddress.ip_address(match[0])))
        except ValueError:
            return match[0]

    def _mark(self, table: str) -> int:
        row = self._connection.execute(
            "SELECT value FROM meta WHERE name = ?", (f"pseudonymised.{table}",)
        ).fetchone()
        return int(row[0]) if row else 0

    def _set_mark(self, table: str, value: int) -> None:
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (f"pseudonymised.{table}", value),
        )

    # ---- the addresses themselves

    def _addresses(self, before_ms: int, most: int) -> int:
        rows = self._connection.execute(
            "SELECT key_id, dim, value FROM keys WHERE key_id >= ? ORDER BY key_id LIMIT ?",
            (max(self._next_key or 0, FIRST_KEY), most),
        ).fetchall()
        first_new = self._first_new_seq(before_ms)
        for key, dim, value in rows:
            if (
                dim == Dim.IP
                and not self._is_replaced(key)
                and self._is_old(key, value, first_new, before_ms)
            ):
                self._replace(key, value)
        self._next_key = rows[-1][0] + 1 if len(rows) == most else None
        return len(rows)

    def _first_new_seq(self, before_ms: int) -> int | None:
        """The first arrival number from which on events may be new; None when all are old."""
        (block,) = self._connection.execute(
            "SELECT min(block) FROM event_blocks WHERE max_at_ms >= ?", (before_ms,)
        ).fetchone()
        return None if block is None else int(block) << BLOCK_BITS

    def _is_replaced(self, key: int) -> bool:
        return self._has("SELECT 1 FROM pseudonyms WHERE key_id = ?", key)

    def _is_old(self, key: int, value: str, first_new: int | None, before_ms: int) -> bool:
        """Whether no event, total or open incident that is new refers to it."""
        if first_new is not None and self._has(
            "SELECT 1 FROM events WHERE ip = ? AND ip > 1 AND seq >= ? LIMIT 1", key, first_new
        ):
            return False
        return not self._has(
            "SELECT 1 FROM activity INDEXED BY activity_by_key WHERE dim = 2 AND dim BETWEEN 1 AND 2"
            " AND key = ? AND res = 3 AND bucket_s > ? LIMIT 1",
            key,
            (before_ms - DAY_MS) // 1000,
        ) and not self._has(
            "SELECT 1 FROM alert_incidents WHERE entity_id = ?1 AND entity_type = 'ip'"
            " AND (resolved_ms IS NULL OR resolved_ms >= ?2) LIMIT 1",
            value,
            before_ms,
        )

    def _replace(self, key: int, address: str) -> None:
        prefix = address if "/" in address else prefix_of(address)  # the rest of a prefix is that prefix
        prefix_key = self._keys.prefix(address, key)
        self._connection.execute("INSERT INTO pseudonyms VALUES (?, ?)", (key, prefix_key))
        self._rename(Dim.IP, key, self.pseudonym(address))
        if prefix is not None and not self._is_anyone_left(prefix):
            self._rename(Dim.PREFIX, prefix_key, self.pseudonym(prefix))

    def _rename(self, dim: Dim, key: int, pseudonym: str) -> None:
        """Give a key its pseudonym; one that has it already stands for both from now on."""
        row = self._connection.execute(
            "SELECT key_id FROM keys WHERE dim = ? AND value = ?", (dim, pseudonym)
        ).fetchone()
        same_as = None if row is None else row[0]
        value = pseudonym if same_as is None else f"{pseudonym}#{key}"
        self._connection.execute(
            "UPDATE keys SET value = ?, is_name = ?, first_name = NULL, name = NULL, ip_sort = NULL,"
            " same_as = ? WHERE key_id = ?",
            (value, same_as is not None, same_as, key),
        )

    def _is_anyone_left(self, prefix: str) -> bool:
        """Whether an address of a prefix still has its name."""
        found = address_range(prefix)
        return found is not None and self._has(
            "SELECT 1 FROM keys INDEXED BY keys_by_address WHERE ip_sort BETWEEN ? AND ?"
            " AND length(ip_sort) = ? LIMIT 1",
            *found,
            len(found[0]),
        )

    def _has(self, query: str, *values: object) -> bool:
        return self._connection.execute(query, values).fetchone() is not None
