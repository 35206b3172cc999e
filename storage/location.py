"""Where a store is: a file, or a PostgreSQL database. Its form says which engine it needs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("postgresql://", "postgres://")


class PostgresUrl:
    """A libpq connection URL, https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS.

    Several hosts and `target_session_attrs` are libpq's own words for failover and go to it as they are. As
    text it shows neither user nor password nor any parameter, so that it may stand in messages and on pages.
    """

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        parts = urlsplit(conninfo)
        hosts = parts.netloc.rpartition("@")[2]
        self._shown = f"postgresql://{hosts}{parts.path}"

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"PostgresUrl({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PostgresUrl) and other.conninfo == self.conninfo

    def __hash__(self) -> int:
        return hash(self.conninfo)


Location = Path | PostgresUrl


def located(database: str | Path | PostgresUrl) -> Location:
    """Where the store of this name is."""
    if isinstance(database, str):
        return PostgresUrl(database) if database.startswith(SCHEMES) else Path(database)
    return database
