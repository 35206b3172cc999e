"""What tests of the store put into it, and how they look at what is there."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.events import Decoded, EntitySeen, Event, PluginSeen, Traffic
from settings import Settings, load_settings
from storage.batches import Batch, Written
from storage.connection import open_reader
from storage.engine import Connection
from storage.protocol import Store
from storage.sqlite_store import SqliteStore

NOW_MS = 1_800_000_000_000
"""2027-01-15 08:00 UTC, the start of a minute, an hour and no day."""
SETTINGS = load_settings({}, {})


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        store = SqliteStore(path, SETTINGS)
        store.checkpoint()
        store.close()
        return path.read_bytes()


@contextlib.contextmanager
def opened(path: Path, settings: Settings = SETTINGS) -> Iterator[SqliteStore]:
    """A store on a file, closed at the end. A new file is a copy of an empty one: making it takes 10 ms."""
    if not path.exists() and path.parent.exists():
        path.write_bytes(_empty_database())
    store = SqliteStore(path, settings)
    try:
        yield store
    finally:
        store.close()


def refusal(number: int = 1, **changes: Any) -> Event:
    """A request that a limit refused for certain."""
    values: dict[str, Any] = {
        "id": f"request:{number:032x}",
        "kind": "rate-limiting",
        "event": "exceeded",
        "at_ms": NOW_MS,
        "consumer_id": "c-1",
        "consumer": "acme",
        "ip": "203.0.113.7",
        "service_id": "s-1",
        "service": "orders",
        "route_id": "r-1",
        "route": "orders.read",
        "node": "n-1",
        "request_id": f"{number:032x}",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
        "certainty": "certain",
        "evidence": "429 by Kong with Retry-After",
        "is_request": True,
    }
    return Event(**(values | changes))


def request(number: int = 1, **changes: Any) -> Traffic:
    """A request that broke no limit."""
    values: dict[str, Any] = {
        "fingerprint": number,
        "at_ms": NOW_MS,
        "status": 200,
        "consumer_id": "c-1",
        "consumer": "acme",
        "ip": "203.0.113.7",
        "service_id": "s-1",
        "service": "orders",
        "route_id": "r-1",
        "route": "orders.read",
        "node": "n-1",
    }
    return Traffic(**(values | changes))


def other(number: int = 1, **changes: Any) -> Event:
    """An event that is no request."""
    values = {"id": f"e-{number}", "kind": "plugin", "event": "validation-failed", "at_ms": NOW_MS}
    return Event(**(values | changes))


def plugin(plugin_id: str = "p-1", name: str = "rate-limiting", **changes: Any) -> PluginSeen:
    """A plugin of Kong's that is enabled everywhere."""
    values = {"plugin_id": plugin_id, "name": name, "enabled": True, "at_ms": NOW_MS - 60_000}
    return PluginSeen(**(values | changes))


def batch(*parts: Event | Traffic | EntitySeen | PluginSeen, **changes: Any) -> Batch:
    """A batch of these, in their order."""
    decoded = Decoded(
        events=[part for part in parts if isinstance(part, Event)],
        traffic=[part for part in parts if isinstance(part, Traffic)],
        entities=[part for part in parts if isinstance(part, EntitySeen)],
        plugins=[part for part in parts if isinstance(part, PluginSeen)],
        entries=len(parts),
    )
    values = {"source": "http-log", "way": "http-log", "received_ms": NOW_MS, "decoded": decoded}
    return Batch(**(values | changes))


def put(store: Store, *parts: Event | Traffic | EntitySeen | PluginSeen, **changes: Any) -> Written:
    """Write one batch of these."""
    return store.write([batch(*parts, **changes)])[0]


def rows(path: Path | Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What another program sees in the file, or through its connection."""
    if not isinstance(path, Path):
        return path.execute(query, values).fetchall()
    with contextlib.closing(open_reader(path)) as connection:
        return connection.execute(query, values).fetchall()


def row(path: Path | Connection, query: str, *values: Any) -> tuple[Any, ...]:
    """The one row that a query gives."""
    (found,) = rows(path, query, *values)
    return found


def one(path: Path | Connection, query: str, *values: Any) -> Any:
    """The one value that a query gives."""
    (found,) = row(path, query, *values)
    return found


def stored_again(path: Path) -> sqlite3.Connection:
    """A connection of another program that may write."""
    connection = sqlite3.connect(path, isolation_level=None)  # noqa: TID251 - plays another program
    connection.execute("PRAGMA busy_timeout=0")
    return connection
