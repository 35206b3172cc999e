"""One state of a store, for those who go through all of it: no deadline, and nothing is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from storage.connection import mapped_errors, open_reader
from storage.engine import Connection
from storage.location import Location
from storage.schema import check_version


@contextlib.contextmanager
def inspecting(location: Location) -> Iterator[Connection]:
    """A connection inside a transaction that sees one state. A file's texts come as far as they are UTF-8.

    Raises:
        StoreBusy: There is no store yet, or it cannot be reached.
        StoreError: It cannot be read.
    """
    if isinstance(location, Path):
        with contextlib.closing(open_reader(location)) as connection, mapped_errors(location):
            check_version(connection, location)
            # a byte that is no UTF-8 any more is a difference to be told, not a failure to read
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("BEGIN")
            yield connection
        return
    from storage.postgres.opening import open_to_read  # noqa: PLC0415 - only who uses it needs psycopg

    with contextlib.closing(open_to_read(location)) as held:
        held.execute("BEGIN")
        yield held
