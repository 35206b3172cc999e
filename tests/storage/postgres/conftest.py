from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from settings import Settings
from storage.location import PostgresUrl
from storage.postgres.connection import PostgresConnection
from storage.postgres.store import PostgresStore
from tests.postgres import fresh_database, give_back
from tests.storage.filling import SETTINGS

Opener = Callable[..., PostgresStore]


@pytest.fixture
def url() -> Iterator[PostgresUrl]:
    """A database with all tables, and nothing in them."""
    found = fresh_database()
    yield PostgresUrl(found)
    give_back(found)


@pytest.fixture
def connection(url: PostgresUrl) -> Iterator[PostgresConnection]:
    """How another program looks at it."""
    found = PostgresConnection(url)
    yield found
    found.close()


@pytest.fixture
def open_writer(url: PostgresUrl) -> Iterator[Opener]:
    """Opens writers of one database, which are closed in the end."""
    opened: list[PostgresStore] = []

    def open_one(at: PostgresUrl = url, settings: Settings = SETTINGS) -> PostgresStore:
        opened.append(PostgresStore(at, settings))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
