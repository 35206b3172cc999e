"""One state of the store that questions are asked of, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from storage.engine import Connection
from storage.reading.remembered import Remembered

T = TypeVar("T")


class Snapshot:
    """One read transaction: everything asked of it belongs to the same state of the store.

    Args:
        connection: Inside that transaction.
        remembered: What was read of packs, by any question to the same store.
        joins_in_order: Whether a join gives its rows in the order of its first source. SQLite's `CROSS JOIN`
            does, without knowing it: asked for that order it would read everything first, and sort.
    """

    def __init__(
        self, connection: Connection, remembered: Remembered, *, joins_in_order: bool = True
    ) -> None:
        self._connection = connection
        self.remembered = remembered
        self.joins_in_order = joins_in_order
        self._once: dict[Hashable, Any] = {}

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query that bounds them itself."""
        return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, None when there is none."""
        found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return found

    def value(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first column of the first row, None when there is none."""
        found = self.row(query, values)
        return None if found is None else found[0]

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gave when it was first asked for in this snapshot."""
        if key not in self._once:
            self._once[key] = read()
        return cast("T", self._once[key])


class Snapshots(Protocol):
    """Gives snapshots of one store, to any thread; opens it with the first question."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A read transaction with a deadline. Short: it holds up those who tidy.

        Raises:
            DeadlineExceeded: It took too long.
            StoreError: The store cannot be read.
        """

    def data_version(self) -> int:
        """A number that changes when somebody else has committed, or another store has taken the place.

        Raises:
            StoreError: The store cannot be read.
        """

    def close(self) -> None:
        """Release it. Questions that are under way end first, by themselves."""
