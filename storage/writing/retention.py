"""Clearing away, a bounded piece at a time: what is past its age goes, oldest first.

Totals outlive the events that they were summed from; per-day totals, names and known gaps stay. Events go by
whole blocks of arrival numbers, so that no index on time is needed: one that came late stays until all that
came with it are old.
"""

from __future__ import annotations

from domain.windows import DAY_MS
from settings import Settings
from storage.codes import BLOCK_BITS, META_EVENTS_FROM, Dim, meta_kept_from
from storage.engine import Connection
from storage.writing.packs import PackBook

_TABLES_OF_EVENTS = ("judgements", "payloads", "event_details", "events")
CURSOR_DAYS = 90
"""A sender whose buffer began anew never comes back to an old epoch."""


class Retention:
    """Removes in the transaction that is open."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._packs = PackBook(connection)
        self._events_ms = settings.events_days * DAY_MS
        self._rollups_ms = (
            settings.seconds_rollup_days * DAY_MS,
            settings.minutes_rollup_days * DAY_MS,
            settings.hours_rollup_days * DAY_MS,
        )

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Remove at most `max_rows` rows; returns how many went, fewer when nothing is left to do."""
        gone = self._events(now_ms - self._events_ms, max_rows)
        for res, age_ms in enumerate(self._rollups_ms):
            before_s = self._keep_from(res, (now_ms - age_ms) // 1000)
            self._packs.drop_before(res, before_s)
            gone += self._cells(res, before_s, max_rows - gone)
            gone += self._kinds(res, before_s, max_rows - gone)
            for dim in Dim:
                gone += self._activity(res, dim, before_s, max_rows - gone)
        gone += self._quarantine(now_ms - self._events_ms, max_rows - gone)
        gone += self._holes(now_ms - CURSOR_DAYS * DAY_MS, max_rows - gone)
        return gone + self._cursors(now_ms - CURSOR_DAYS * DAY_MS, max_rows - gone)

    def _keep_from(self, res: int, before_s: int) -> int:
        """Tell readers first: a resolution that is partly gone must not be summed. Returns what was told.

        Whole days, so that what the coarser totals answer ends where the finer ones begin.
        """
        before_s -= before_s % (DAY_MS // 1000)
        self._tell(meta_kept_from(res), before_s)
        return before_s

    def _tell(self, name: str, value: int) -> None:
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > meta.value",
            (name, value),
        )

    def _events(self, before_ms: int, most: int) -> int:
        """Events of the oldest block while all of it is old."""
        gone = 0
        while gone < most:
            row = self._connection.execute(
                "SELECT block, max_at_ms FROM event_blocks WHERE +max_at_ms < ? ORDER BY block LIMIT 1",
                (before_ms,),
            ).fetchone()
            if row is None:
                break
            self._tell(META_EVENTS_FROM, row[1] + 1)
            gone += self._events_of(row[0], most - gone)
        return gone

    def _events_of(self, block: int, most: int) -> int:
        end = (block + 1) << BLOCK_BITS
        seqs = self._connection.execute(
            "SELECT seq FROM events WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?",
            (block << BLOCK_BITS, end, most + 1),
        ).fetchall()
        if len(seqs) > most:
            end = seqs[most][0]
            self._connection.execute("UPDATE event_blocks SET n = n - ? WHERE block = ?", (most, block))
        else:
            self._connection.execute("DELETE FROM event_blocks WHERE block = ?", (block,))
        for table in _TABLES_OF_EVENTS:
            self._connection.execute(
                f"DELETE FROM {table} WHERE seq >= ? AND seq < ?", (block << BLOCK_BITS, end)
            )
        return min(len(seqs), most)

    def _cells(self, res: int, before_s: int, most: int) -> int:
        return self._remove(
            "DELETE FROM cells WHERE (res, bucket_s, combo) IN (SELECT res, bucket_s, combo FROM cells"
            " WHERE res = ? AND bucket_s < ? ORDER BY bucket_s LIMIT ?)",
            (res, before_s),
            most,
        )

    def _kinds(self, res: int, before_s: int, most: int) -> int:
        key = "res, bucket_s, type_id, entity_type, node"
        return self._remove(
            f"DELETE FROM kind_counts WHERE ({key}) IN (SELECT {key} FROM kind_counts"
            " WHERE res = ? AND bucket_s < ? ORDER BY bucket_s LIMIT ?)",
            (res, before_s),
            most,
        )

    def _activity(self, res: int, dim: int, before_s: int, most: int) -> int:
        key = "res, dim, bucket_s, key"
        return self._remove(
            f"DELETE FROM activity WHERE ({key}) IN (SELECT {key} FROM activity"
            " WHERE res = ? AND dim = ? AND bucket_s < ? ORDER BY bucket_s LIMIT ?)",
            (res, dim, before_s),
            most,
        )

    def _quarantine(self, before_ms: int, most: int) -> int:
        return self._remove(
            "DELETE FROM quarantine_items WHERE seq IN (SELECT seq FROM quarantine_items"
            " WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
            (before_ms,),
            most,
        )

    def _holes(self, before_ms: int, most: int) -> int:
        """Numbers below a cursor that are waited for no more."""
        return self._remove(
            "DELETE FROM cursor_holes WHERE (source, epoch, first) IN"
            " (SELECT source, epoch, first FROM cursor_holes WHERE made_ms < ? LIMIT ?)",
            (before_ms,),
            most,
        )

    def _cursors(self, before_ms: int, most: int) -> int:
        """Cursors of epochs long left, but never a source's newest."""
        return self._remove(
            "DELETE FROM cursors WHERE (source, epoch) IN (SELECT c.source, c.epoch FROM cursors c"
            " WHERE c.moved_ms < ? AND EXISTS (SELECT 1 FROM cursors n WHERE n.source = c.source"
            " AND n.moved_ms > c.moved_ms) LIMIT ?)",
            (before_ms,),
            most,
        )

    def _remove(self, statement: str, bounds: tuple[int, ...], most: int) -> int:
        if most <= 0:
            return 0
        return self._connection.execute(statement, (*bounds, most)).rowcount
