"""Log entries that came before: Kong's http-log plugin sends whole batches again.

kong/tools/queue.lua, 3.9, retries a batch until it is answered with 2xx, so one entry may come nine times.
The marks of the newest entries are held in memory and, one blob per transaction, in the file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from array import array
from collections import deque

GENERATIONS = 4
"""The oldest quarter is dropped when the memory is full."""


def mark_of_request(request_id: str) -> int:
    """The mark that a log entry with this request id has (collector/wire/fields.py `fingerprint`)."""
    digest = hashlib.blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class ResendMemory:
    """Which marks were seen.

    Args:
        connection: The writer's.
        most: How many are remembered; about 70 bytes of memory and 8 bytes of file each.
    """

    def __init__(self, connection: sqlite3.Connection, most: int) -> None:
        self._connection = connection
        self._per_generation = max(1, most // GENERATIONS)
        self._generations: deque[tuple[int, set[int]]] = deque()
        """(first row in the file, marks), oldest first."""
        self._fresh: dict[int, None] = {}
        self._next_row = 1
        self._load()

    def is_known(self, mark: int) -> bool:
        """Whether a mark was seen, in this transaction or before."""
        if mark in self._fresh:
            return True
        for _, marks in self._generations:  # noqa: SIM110 - `any` over a generator takes three times as long
            if mark in marks:
                return True
        return False

    def add(self, mark: int) -> None:
        """Note a mark; it counts once the transaction is committed."""
        self._fresh[mark] = None

    def flush(self) -> None:
        """Write the new marks into the transaction, and remove those that will be dropped."""
        if not self._fresh:
            return
        self._connection.execute(
            "INSERT INTO resends (resend_id, marks) VALUES (?, ?)",
            (self._next_row, array("q", self._fresh).tobytes()),
        )
        if self._is_full() and len(self._generations) >= GENERATIONS:
            self._connection.execute("DELETE FROM resends WHERE resend_id < ?", (self._generations[1][0],))

    def committed(self) -> None:
        """The transaction is on disk: remember its marks."""
        if not self._fresh:
            return
        self._keep(self._next_row, self._fresh)
        self._next_row += 1
        self._fresh = {}

    def forget_fresh(self) -> None:
        """The transaction was rolled back."""
        self._fresh = {}

    def _is_full(self) -> bool:
        return not self._generations or len(self._generations[-1][1]) >= self._per_generation

    def _keep(self, row: int, marks: dict[int, None] | array[int]) -> None:
        if self._is_full():
            if len(self._generations) >= GENERATIONS:
                self._generations.popleft()
            self._generations.append((row, set()))
        self._generations[-1][1].update(marks)

    def _load(self) -> None:
        for row, blob in self._connection.execute("SELECT resend_id, marks FROM resends ORDER BY resend_id"):
            marks = array("q")
            marks.frombytes(blob[: len(blob) // 8 * 8])
            self._keep(row, marks)
            self._next_row = row + 1
