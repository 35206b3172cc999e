"""The one writer: `storage.protocol.Store` on a SQLite file.

Everything that one call of `write` was given goes into one transaction: events, totals, names, cursors and
what was refused. The books in `storage/writing` remember what is committed; after a rollback all forget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from settings import Settings
from storage.batches import Batch, CollectorStatus, SourceBeat, Written
from storage.connection import mapped_errors, open_writer, transaction
from storage.keeping import keep_before_upgrade
from storage.schema import prepare
from storage.writing.books import Books
from storage.writing.intake import Intake
from storage.writing.pseudonyms import key_file, read_or_make_key

SETTLE_ROWS = 2_000
"""Judged again in one transaction: about 20 ms when every one of them changes."""


class SqliteStore:
    """Opens, and where needed makes or upgrades, a file.

    Raises:
        StoreBusy: It cannot be opened now.
        StoreCorrupt: It is damaged.
        StoreForeign: It belongs to another program, or a newer version of this one made it.
    """

    def __init__(self, path: str | Path, settings: Settings) -> None:
        self._path = Path(path)
        self._connection = open_writer(self._path)
        try:
            with mapped_errors(self._path):
                keep_before_upgrade(self._connection, self._path)
                prepare(self._connection, self._path)
                key = b""
                if settings.pseudonymise_addresses_days:
                    key = read_or_make_key(key_file(self._path))
                self._books = Books(self._connection, settings, key)
        except BaseException:
            self._connection.close()
            raise
        self._intake = Intake(self._books)

    # ---- the contract

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Store all batches in one durable transaction and return, per batch, what it came to.

        Raises:
            StoreBusy: Locked or full; nothing was written; the same call may work later.
            StoreCorrupt: The file is damaged.
        """
        with self._one_transaction():
            return self._intake.write(batches, beats)

    def cursor(self, source: str, epoch: str) -> int:
        """The highest acknowledged sequence number of (source, epoch); 0 when it is new."""
        with mapped_errors(self._path):
            return self._books.sources.cursor(source, epoch)

    def beat(self, at_ms: int, status: CollectorStatus) -> None:
        """Record that the collector is alive."""
        with self._one_transaction():
            follows = self._books.nodes.watch(at_ms)
            self._books.sources.status(msgspec.structs.replace(status, beat_ms=at_ms))
            self._intake.tell(follows)

    def settle(self) -> int:
        """Judge again what looked like a refusal, by what is now known of plugins; returns how many changed.

        Done in transactions of 2,000; each corrects the totals of what it changes.
        """
        changed = 0
        while self._has_open_cases():
            with self._one_transaction():
                changed += self._books.settlement.judge_some(SETTLE_ROWS)
        return changed

    def _has_open_cases(self) -> bool:
        with mapped_errors(self._path):
            return self._books.settlement.has_work()

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Remove at most `max_rows` rows past their retention; returns how many went."""
        with self._one_transaction():
            gone = self._books.retention.prune(now_ms, max_rows)
            return gone + self._books.nodes.prune(now_ms, max_rows - gone)

    def pack(self, now_ms: int, max_rows: int) -> int:
        """Pack the totals of hours and days that are over, about `max_rows` rows; returns how many."""
        with self._one_transaction():
            return self._books.packs.make(now_ms, max_rows)

    def pseudonymise(self, now_ms: int, max_rows: int) -> int:
        """Replace addresses that nothing new refers to, at most `max_rows` rows; returns how many it took.

        Fewer when this hour's round is over.
        """
        with self._one_transaction():
            looked_at, changed = self._books.pseudonyms.replace(now_ms, max_rows)
        if changed:
            self._books.forget()  # numbers stay, words do not
        return looked_at

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file if no reader holds it."""
        with mapped_errors(self._path):
            (patience_ms,) = self._connection.execute("PRAGMA busy_timeout").fetchone()
            self._connection.execute("PRAGMA busy_timeout=0").fetchall()
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={int(patience_ms)}").fetchall()

    def close(self) -> None:
        """Release the file. The store cannot be used afterwards."""
        with mapped_errors(self._path):
            self._connection.close()

    # ---- one transaction

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        try:
            with mapped_errors(self._path), transaction(self._connection):
                yield
                self._books.flush()
        except BaseException:
            self._books.forget()
            raise
        self._books.committed()
