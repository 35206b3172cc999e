"""What PostgreSQL's errors mean to us. Classes of SQLSTATE: https://www.postgresql.org/docs/18/errcodes-appendix.html."""

from __future__ import annotations

import sqlite3

import psycopg

from domain.errors import DeadlineExceeded, StoreBusy, StoreCorrupt, StoreError, StoreForeign
from storage.location import PostgresUrl

_PASSING = (
    "08",  # connection
    "40",  # rolled back: serialisation, deadlock
    "53",  # disk full, out of memory, too many connections
    "55P03",  # another writer held the lock for too long
    "57P",  # shut down, crashed, not up yet, session timed out
    "58",  # the system beneath it
    "25006",  # read only: this server is a standby now
    "25P03",  # idle in a transaction for too long
)
_DAMAGED = ("XX001", "XX002")
_NO_SUCH = ("42P01", "42703", "42883", "3F000")
_CANCELLED = "57014"
_REFUSED = "42501"
_BROKEN_RULE = "23"


def mapped(  # noqa: PLR0911 - one line a kind of error
    error: psycopg.Error, url: PostgresUrl, deadline_ms: int | None
) -> Exception:
    """Our error for one of PostgreSQL's; a mistake of ours stays as it is.

    A broken rule (unique, not null, check) becomes `sqlite3.IntegrityError`, the standard library's word for
    it, which the books know.
    """
    state = error.sqlstate or ""
    told = f"{url}: {_first_line(error)}"
    if state == _CANCELLED and deadline_ms is not None:
        return DeadlineExceeded(deadline_ms)
    if state.startswith(_DAMAGED):
        return StoreCorrupt(told)
    if state in _NO_SUCH:
        return StoreForeign(f"{url} does not hold the tables that this version makes: {_first_line(error)}")
    if state == _REFUSED:
        return StoreError(f"{told}; this role lacks the right, see docs/postgresql.md")
    if state.startswith(_BROKEN_RULE):
        return sqlite3.IntegrityError(told)
    if state.startswith(_PASSING) or (not state and isinstance(error, psycopg.OperationalError)):
        return StoreBusy(told)
    return error


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
