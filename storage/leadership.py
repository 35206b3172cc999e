"""Which one of several processes has the duties that must be done once: alerts, and approved changes.

On a file there is one writer, and it has them. On PostgreSQL it is whoever holds an advisory lock, which the
server gives up with the session that took it: at once when the process dies, after 3.5 s when it hangs or its
machine vanishes without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from storage.location import located


class Leadership(Protocol):
    """For one thread at a time."""

    takeover_s: float
    """How long to wait after it was taken: so long the one before may believe that it still has it."""

    def hold(self) -> bool:
        """Take it, or make sure that it is still held; False while another has it.

        Raises:
            StoreError: The store does not answer, so it is not held.
        """

    def release(self) -> None:
        """Let another have it."""


class OnlyOne:
    """Where there is nobody else."""

    takeover_s = 0.0

    def hold(self) -> bool:
        """It is."""
        return True

    def release(self) -> None:
        """There is nobody to take it."""


LEASE_S = 3.5
"""A holder that could not make sure for this long does nothing any more, whatever it believes."""


def leadership_of(database: str | Path) -> Leadership:
    """The leadership over a store, by its form."""
    location = located(database)
    if isinstance(location, Path):
        return OnlyOne()
    from storage.postgres.leadership import PostgresLeadership  # noqa: PLC0415 - only it needs psycopg

    return PostgresLeadership(location)
