"""A server that hashes groups, as it does with many, gives them in no order; answers do not depend on it."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from domain.filters import Dimension, Filters
from storage.location import PostgresUrl
from storage.postgres.reader import PostgresReader
from storage.postgres.store import PostgresStore
from tests.contracts.asking import HOUR
from tests.postgres import fresh_database
from tests.storage.filling import SETTINGS, put, refusal

pytestmark = pytest.mark.cluster


def test_the_largest_are_listed_in_whatever_order_the_server_adds_them_up() -> None:
    names = [f"service-{number:02}" for number in range(40)]
    url = fresh_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET enable_sort = off".encode())
    with contextlib.closing(PostgresStore(PostgresUrl(url), SETTINGS)) as store:
        put(store, *(refusal(n, service_id=f"s-{n}", service=name) for n, name in enumerate(names)))

    with contextlib.closing(PostgresReader(PostgresUrl(url), 10_000)) as reader:
        assert [row.token for row in reader.top(Dimension.SERVICE, HOUR, Filters(), 3).rows] == names[:3]
        assert [row.label for row in reader.breakdown(Dimension.SERVICE, HOUR, Filters())] == names
