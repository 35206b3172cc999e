"""The engines that keep the contract of `storage.protocol`: each opens a store and a reader of the same data.

A second engine is one more entry in `ENGINES`.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from settings import Settings, load_settings
from storage.opening import open_reader, open_store
from storage.protocol import Reader, Store
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore

SETTINGS = load_settings({}, {})
DEADLINE_MS = 10_000

Engine = Callable[[Path, Settings], AbstractContextManager[tuple[Store, Reader]]]


@functools.cache
def _empty_file() -> bytes:
    """A file with all its tables: copying it costs a fifth of making them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        SqliteStore(path, SETTINGS).close()
        return path.read_bytes()


@contextlib.contextmanager
def sqlite(folder: Path, settings: Settings = SETTINGS) -> Iterator[tuple[Store, Reader]]:
    """A file in a folder."""
    (folder / "store.db").write_bytes(_empty_file())
    store = SqliteStore(folder / "store.db", settings)
    reader = SqliteReader(folder / "store.db", DEADLINE_MS)
    try:
        yield store, reader
    finally:
        reader.close()
        store.close()


@contextlib.contextmanager
def postgres(_folder: Path, settings: Settings = SETTINGS) -> Iterator[tuple[Store, Reader]]:
    """A database of a real server."""
    from tests.postgres import fresh_database, give_back  # noqa: PLC0415 - other tests need no psycopg

    url = fresh_database()
    store, reader = open_store(url, settings), open_reader(url, DEADLINE_MS)
    try:
        yield store, reader
    finally:
        reader.close()
        store.close()
        give_back(url)


ENGINES: dict[str, Engine] = {"sqlite": sqlite, "postgres": postgres}
"""Each gives a store with nothing in it, and a reader of the same."""
CLUSTER = frozenset(("postgres",))
"""Engines that are processes of their own."""
NAMED = [pytest.param(name, marks=pytest.mark.cluster if name in CLUSTER else ()) for name in ENGINES]
"""For tests to be run with each."""
