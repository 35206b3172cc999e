"""What both stores do alike: one transaction around the books for each call of the contract.

Everything that one call of `write` was given goes into one transaction: events, totals, names, cursors and
what was refused. The books in `storage/writing` remember what is committed; after a rollback all forget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import msgspec

from settings import Settings
from storage.batches import Batch, CollectorStatus, SourceBeat, Written
from storage.connection import mapped_errors, transaction
from storage.engine import Connection
from storage.location import Location
from storage.writing.books import Books
from storage.writing.intake import Intake

SETTLE_ROWS = 2_000
"""Judged again in one transaction: about 20 ms when every one of them changes."""


class BookStore:
    """The calls of `storage.protocol.Store` that need nothing of one engine alone.

    Args:
        location: Where the store is.
        connection: To it; its tables are up to date.
        settings: How long things are kept, and how many are told apart.
        pseudonym_key: Of the pseudonyms of addresses; empty where there are none.
    """

    def __init__(
        self, location: Location, connection: Connection, settings: Settings, pseudonym_key: bytes
    ) -> None:
        self._location = location
        self._connection = connection
        self._books = Books(connection, settings, pseudonym_key)
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
        with mapped_errors(self._location):
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
        with mapped_errors(self._location):
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

    def close(self) -> None:
        """Release it. The store cannot be used afterwards."""
        with mapped_errors(self._location):
            self._connection.close()

    # ---- one transaction

    @contextlib.contextmanager
    def _one_transaction(self) -> Iterator[None]:
        try:
            with mapped_errors(self._location), transaction(self._connection):
                self._begun()
                yield
                self._flushing()
                self._books.flush()
        except BaseException:
            self._books.forget()
            raise
        self._books.committed()
        self._ended()

    def _begun(self) -> None:
        """Our turn to write has come."""

    def _flushing(self) -> None:
        """What this transaction gathered is about to be written."""

    def _ended(self) -> None:
        """What we wrote is on disk."""
