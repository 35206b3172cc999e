"""How far each source has come, and what is missing below: the same batch again is told from a late one.

Off one stream batches come in order. Off a bus, two writers may store the later of two batches first, and a
batch that a sender no longer had may still come from the disk of another collector. So a cursor is the
highest number that was stored, and *holes* are the numbers below it that were not. A batch is known when all
of its numbers are at or below the cursor and none is in a hole.
"""

from __future__ import annotations

from storage.batches import Batch
from storage.codes import META_GAPS
from storage.engine import Connection
from storage.writing.sources import SourceBook, clean


class CursorBook:
    """Cursors and holes, in the transaction that is open."""

    def __init__(self, connection: Connection, sources: SourceBook) -> None:
        self._connection = connection
        self._sources = sources

    def is_stored(self, batch: Batch) -> bool:
        """Whether all of a batch was stored before; a part of one is told by the ids of its events."""
        if batch.epoch is None or batch.upto is None:
            return False
        if batch.upto > self._sources.acked(batch.source, batch.epoch):
            return False
        first = batch.upto if batch.first is None else batch.first
        return not self._holes(batch.source, batch.epoch, first, batch.upto)

    def advance(self, batch: Batch) -> None:
        """Note that a batch is stored; one that only tells of a loss leaves a hole, which may be filled."""
        if batch.epoch is None or batch.upto is None:
            return
        source, epoch, upto, at_ms = batch.source, batch.epoch, batch.upto, batch.received_ms
        cursor = self._sources.acked(source, epoch)
        first = cursor + 1 if batch.first is None else batch.first
        if is_loss(batch):
            if upto > cursor:
                self._dig(source, epoch, cursor + 1, upto, at_ms, batch.gaps[0].cause)
        else:
            if first > cursor + 1:
                self._dig(source, epoch, cursor + 1, first - 1, at_ms, None)
            if first <= cursor:
                self._fill(source, epoch, first, upto)
        if upto > cursor:
            self._sources.advance(source, epoch, upto, at_ms)

    def _holes(
        self, source: str, epoch: str, first: int, upto: int
    ) -> list[tuple[int, int, int, str | None]]:
        """Those that touch `first` to `upto`: (first, upto, made_ms, cause)."""
        rows = self._connection.execute(
            "SELECT first, upto, made_ms, cause FROM cursor_holes"
            " WHERE source = ? AND epoch = ? AND first <= ? AND upto >= ?",
            (clean(source), clean(epoch), upto, first),
        ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def _dig(self, source: str, epoch: str, first: int, upto: int, made_ms: int, cause: str | None) -> None:
        self._connection.execute(
            "INSERT INTO cursor_holes (source, epoch, first, upto, made_ms, cause) VALUES (?, ?, ?, ?, ?, ?)",
            (clean(source), clean(epoch), first, upto, made_ms, clean(cause)),
        )

    def _fill(self, source: str, epoch: str, first: int, upto: int) -> None:
        for hole_first, hole_upto, made_ms, cause in self._holes(source, epoch, first, upto):
            self._connection.execute(
                "DELETE FROM cursor_holes WHERE source = ? AND epoch = ? AND first = ?",
                (clean(source), clean(epoch), hole_first),
            )
            if hole_first < first:
                self._dig(source, epoch, hole_first, first - 1, made_ms, cause)
            if hole_upto > upto:
                self._dig(source, epoch, upto + 1, hole_upto, made_ms, cause)
            if cause is not None:
                self._heal(source, epoch, cause)

    def _heal(self, source: str, epoch: str, cause: str) -> None:
        """Take back a gap of which nothing is missing any more."""
        left = self._connection.execute(
            "SELECT count(*) FROM cursor_holes WHERE source = ? AND epoch = ? AND cause = ?",
            (clean(source), clean(epoch), cause),
        ).fetchone()[0]
        if left:
            return
        gone = self._connection.execute(
            "DELETE FROM known_gaps WHERE source = ? AND cause = ?", (clean(source), cause)
        ).rowcount
        self._sources.counters[META_GAPS] -= gone


def is_loss(batch: Batch) -> bool:
    """Whether a batch only says that its numbers are lost."""
    return bool(batch.gaps) and not batch.decoded.entries
