"""The finest totals in one partition a day: they come by the million, are kept for days, and go whole.

`activity`, `cells` and `kind_counts` are divided by resolution; the 10-second totals, and they alone, once
more by day. What is late, or ahead of its time, stands in a partition for the rest until its day is made.

Events are not divided: an event's id must be unique over all days, and PostgreSQL keeps no unique index over
partitions that are not made by it (https://www.postgresql.org/docs/18/ddl-partitioning.html). They are
removed in pieces, by whole blocks of arrival numbers, as on SQLite.

The functions run with the rights of whoever made the tables, so that a writer needs none to make tables.
"""

from __future__ import annotations

from domain.windows import DAY_MS
from storage.codes import meta_kept_from
from storage.connection import transaction
from storage.postgres.connection import PostgresConnection
from storage.postgres.ddl import DIVIDED

READERS_MS = 60_000
"""A day goes when readers have been told so long ago not to use it: no answer takes a minute."""
_DAY_S = DAY_MS // 1000
_NAMES = ", ".join(f"'{table}'" for table in DIVIDED)
_SAFE = "SECURITY DEFINER SET search_path = gatewatch, pg_catalog, pg_temp"
FUNCTIONS = f"""
CREATE FUNCTION make_day(first_s bigint) RETURNS void LANGUAGE plpgsql {_SAFE} AS $$
DECLARE
    parent text;
    made text;
    day text := to_char(to_timestamp(first_s) AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    FOREACH parent IN ARRAY ARRAY[{_NAMES}] LOOP
        made := parent || '_fine_' || day;
        CONTINUE WHEN to_regclass('gatewatch.' || made) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS)', made, parent || '_fine');
        EXECUTE format(
            'WITH early AS (DELETE FROM %I WHERE bucket_s >= %s AND bucket_s < %s RETURNING *)'
            ' INSERT INTO %I SELECT * FROM early',
            parent || '_fine_rest', first_s, first_s + {_DAY_S}, made);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent || '_fine', made, first_s, first_s + {_DAY_S});
    END LOOP;
END $$;
CREATE FUNCTION drop_days(before_s bigint) RETURNS bigint LANGUAGE plpgsql {_SAFE} AS $$
DECLARE
    parent text;
    made text;
    dropped bigint := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY[{_NAMES}] LOOP
        FOR made IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = ('gatewatch.' || parent || '_fine')::regclass AND c.relname ~ '_[0-9]{{8}}$'
            AND extract(epoch FROM to_date(right(c.relname, 8), 'YYYYMMDD')) + {_DAY_S} <= before_s
        LOOP
            EXECUTE format('DROP TABLE %I', made);
            dropped := dropped + 1;
        END LOOP;
    END LOOP;
    RETURN dropped;
END $$
"""


class Days:
    """Makes the days that are written to, and drops those past their retention."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._made: set[int] = set()
        self._told: tuple[int, int] | None = None
        """(since when totals are whole, the moment at which we saw that readers were told so)"""

    def make(self, at_ms: int) -> None:
        """Make the day of a moment, and the next.

        Raises:
            StoreBusy: A question that is under way held it up; it may work later.
        """
        today = at_ms // DAY_MS
        if {today, today + 1} <= self._made:
            return
        with transaction(self._connection):
            for day in (today, today + 1):
                self._connection.execute("SELECT make_day(?)", (day * _DAY_S,))
        self._made = {today, today + 1}

    def drop(self, now_ms: int) -> int:
        """Drop the days that readers were told of long enough ago; returns how many partitions went.

        Raises:
            StoreBusy: A question that is under way held it up; it may work later.
        """
        row = self._connection.execute(
            "SELECT value FROM meta WHERE name = ?", (meta_kept_from(0),)
        ).fetchone()
        if row is None:
            return 0
        if self._told is None or self._told[0] != row[0]:
            self._told = (row[0], now_ms)
        if now_ms - self._told[1] < READERS_MS:
            return 0
        with transaction(self._connection):
            (dropped,) = self._connection.execute("SELECT drop_days(?)", (row[0],)).fetchone()
        return int(dropped)
