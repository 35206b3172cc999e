"""Packing the totals of hours and days that are over; `storage/packs.py` says how and why."""

from __future__ import annotations

from collections.abc import Iterable

from domain.windows import MINUTE_MS
from storage.codes import COLUMN_OF, MAX_VIOLATION, WIDTHS_S, Dim
from storage.engine import Connection
from storage.packs import COLUMNS, MAX_N, PACKED, PASSED, REFUSED, column_id, pack_column

OVER_AFTER_MS = 10 * MINUTE_MS
"""Most of what comes late has come by then: a pack that is thrown away was made in vain."""

_WAITING = """
SELECT a.bucket_s FROM activity a
LEFT JOIN packs p ON p.res = a.res AND p.bucket_s = a.bucket_s
WHERE a.res = ? AND a.dim = ? AND a.bucket_s < ? AND p.pack IS NULL ORDER BY a.bucket_s LIMIT 1"""


class PackBook:
    """Makes packs, and throws away those that are not true any more, in the transaction that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def drop(self, buckets: Iterable[tuple[int, int]]) -> None:
        """Throw away the packs of some (res, bucket start): their totals change."""
        for res, bucket_s in buckets:
            if res in PACKED:
                self._drop("res = ? AND bucket_s = ?", (res, bucket_s))

    def drop_before(self, res: int, before_s: int) -> None:
        """Throw away what is past its retention."""
        self._drop("res = ? AND bucket_s < ?", (res, before_s))

    def make(self, now_ms: int, most_rows: int) -> int:
        """Pack what is over, oldest first, until `most_rows` rows were packed; returns how many were."""
        packed = 0
        while packed < most_rows:
            bucket = self._waiting(now_ms)
            if bucket is None:
                break
            packed += self._make(*bucket)
        return packed

    def _waiting(self, now_ms: int) -> tuple[int, int] | None:
        for res in PACKED:
            over_s = (now_ms - OVER_AFTER_MS) // 1000 - WIDTHS_S[res] + 1
            row = self._connection.execute(_WAITING, (res, Dim.ALL, over_s)).fetchone()
            if row is not None:
                return res, row[0]
        return None

    def _make(self, res: int, bucket_s: int) -> int:
        rows = self._connection.execute(
            f"SELECT {', '.join(f'c.{name}' for name in COLUMN_OF.values())}, c.outcome, x.n"
            " FROM cells x CROSS JOIN combos c ON c.combo = x.combo"
            " WHERE x.res = ? AND x.bucket_s = ?",
            (res, bucket_s),
        ).fetchall()
        refused = _fitting(row for row in rows if row[-2] <= MAX_VIOLATION)
        passed = _fitting(row for row in rows if row[-2] > MAX_VIOLATION)
        (pack,) = self._connection.execute(
            "INSERT INTO packs (res, bucket_s, refused, passed) VALUES (?, ?, ?, ?) RETURNING pack",
            (res, bucket_s, len(refused), len(passed)),
        ).fetchone()
        for part, some in ((REFUSED, refused), (PASSED, passed)):
            self._connection.executemany(
                "INSERT INTO pack_columns VALUES (?, ?)",
                [
                    (column_id(pack, part, name), pack_column(name, numbers))
                    for name, numbers in zip(COLUMNS, zip(*some, strict=True), strict=False)
                ],
            )
        return max(len(rows), 1)

    def _drop(self, condition: str, bound: tuple[int, ...]) -> None:
        found = self._connection.execute(f"SELECT pack FROM packs WHERE {condition}", bound).fetchall()
        for (pack,) in found:
            first = column_id(pack, REFUSED, COLUMNS[0])
            self._connection.execute(
                "DELETE FROM pack_columns WHERE place BETWEEN ? AND ?",
                (first, column_id(pack, PASSED, COLUMNS[-1])),
            )
            self._connection.execute("DELETE FROM packs WHERE pack = ?", (pack,))


def _fitting(rows: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Rows whose last number is too large for a pack become several."""
    found: list[tuple[int, ...]] = []
    for *keys, n in rows:
        while n > MAX_N:
            found.append((*keys, MAX_N))
            n -= MAX_N  # noqa: PLW2901 - what is left of it
        found.append((*keys, n))
    return found
