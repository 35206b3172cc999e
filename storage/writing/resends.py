"""Log entries that came before: Kong's http-log plugin sends whole batches again.

kong/tools/queue.lua, 3.9, retries a batch until it is answered with 2xx, so one entry may come nine times.
The marks of the newest entries are held in memory and, one blob per transaction, in the file.

In memory they lie in many short arrays, each mark in the one that its last bits name: a million take 20 MB,
as a set they took 70. Looking one up compares about 16 numbers, 0.5 us.
"""

from __future__ import annotations

import contextlib
from array import array
from collections import deque

from storage.engine import Connection

MOST_BUCKETS = 65_536
PER_BUCKET = 16
"""Marks in a bucket when the memory is full; chance puts up to three times as many into some."""


class ResendMemory:
    """Which marks were seen: surely the newest `most`, and those of a transaction or two more.

    Args:
        connection: The writer's.
        most: How many are remembered; about 20 bytes of memory and 8 bytes of file each.
    """

    def __init__(self, connection: Connection, most: int) -> None:
        self._connection = connection
        self._most = most
        buckets = 1
        while buckets < MOST_BUCKETS and buckets * PER_BUCKET < most:
            buckets *= 2
        self._count = buckets
        self._mask = buckets - 1
        self._cap = 2 * (most // buckets + PER_BUCKET)
        self._fresh: dict[int, None] = {}
        self._going: list[bytes] = []
        """Rows that the transaction removes: their marks go when it is committed."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Read what is stored."""
        self._buckets: list[array[int] | None] = [None] * self._count
        self._rows: deque[tuple[int, int]] = deque()
        """(row in the file, how many marks it holds), oldest first."""
        self._in_rows = 0
        self._next_row = 1
        self.catch_up()

    def is_known(self, mark: int) -> bool:
        """Whether a mark was seen, in this transaction or before."""
        if mark in self._fresh:
            return True
        bucket = self._buckets[mark & self._mask]
        return bucket is not None and mark in bucket

    def add(self, mark: int) -> None:
        """Note a mark; it counts once the transaction is committed."""
        self._fresh[mark] = None

    def flush(self) -> None:
        """Write the new marks into the transaction, and remove rows that are no longer needed."""
        if not self._fresh:
            return
        self._connection.execute(
            "INSERT INTO resends (resend_id, marks) VALUES (?, ?)",
            (self._next_row, array("q", self._fresh).tobytes()),
        )
        keep_from = self._oldest_needed()
        if self._rows and self._rows[0][0] < keep_from:
            older = self._connection.execute("SELECT marks FROM resends WHERE resend_id < ?", (keep_from,))
            self._going = [marks for (marks,) in older]
            self._connection.execute("DELETE FROM resends WHERE resend_id < ?", (keep_from,))

    def committed(self) -> None:
        """The transaction is on disk: remember its marks."""
        if not self._fresh:
            return
        keep_from = self._oldest_needed()
        while self._rows and self._rows[0][0] < keep_from:
            self._in_rows -= self._rows.popleft()[1]
        self._drop()
        self._keep(self._next_row, array("q", self._fresh))
        self._next_row += 1
        self._fresh = {}

    def forget_fresh(self) -> None:
        """The transaction was rolled back."""
        self._fresh = {}
        self._going = []

    def _drop(self) -> None:
        """Forget the marks of rows that are gone: without, 10 MB more were held after two million entries."""
        for marks in map(_marks_in, self._going):
            for mark in marks:
                bucket = self._buckets[mark & self._mask]
                if bucket is not None:
                    with contextlib.suppress(ValueError):  # the bucket had no room for it
                        bucket.remove(mark)  # among the first: they are in order of arrival
        self._going = []

    def _oldest_needed(self) -> int:
        """The row from which on the file holds the newest `most` marks, with those of this transaction."""
        held = self._in_rows + len(self._fresh)
        for row, n in self._rows:
            if held - n < self._most:
                return row
            held -= n
        return self._next_row

    def _keep(self, row: int, marks: array[int]) -> None:
        buckets, mask, cap = self._buckets, self._mask, self._cap
        for mark in marks:
            bucket = buckets[mark & mask]
            if bucket is None:
                bucket = buckets[mark & mask] = array("q")
            bucket.append(mark)
            if len(bucket) > cap:
                del bucket[: cap // 4]
        self._rows.append((row, len(marks)))
        self._in_rows += len(marks)

    def catch_up(self) -> None:
        """Read what other writers have added since."""
        added = self._connection.execute(
            "SELECT resend_id, marks FROM resends WHERE resend_id >= ? ORDER BY resend_id", (self._next_row,)
        )
        for row, blob in added:
            self._keep(row, _marks_in(blob))
            self._next_row = row + 1


def _marks_in(blob: bytes) -> array[int]:
    marks = array("q")
    marks.frombytes(blob[: len(blob) // 8 * 8])
    return marks
