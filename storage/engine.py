"""What our SQL needs of a connection, whichever engine is behind it.

`sqlite3.Connection` has it by nature, `storage.postgres.connection.PostgresConnection` by translation.
Nothing more than this may be used by code that runs on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Values = Sequence[Any] | Mapping[str, Any]
"""For `?` in order, for `?1` by number, or for `:name` by name."""


class Cursor(Protocol):
    """What a statement came to."""

    @property
    def rowcount(self) -> int:
        """Rows that were inserted, changed or removed."""

    def fetchone(self) -> Any:
        """The next row; None when there is none."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """For one thread at a time; nothing is committed but by `COMMIT`."""

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""

    @property
    def total_changes(self) -> int:
        """Rows inserted, changed or removed since it was opened."""

    def execute(self, statement: str, values: Any = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, statement: str, values: Iterable[Any], /) -> Cursor:
        """Run one statement with each of many values."""

    def close(self) -> None:
        """Release it; what was not committed is undone."""
