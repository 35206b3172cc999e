"""What is told of one entity besides its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.events import EntitySeen
from domain.filters import Dimension
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, put, refusal, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    seen: dict[str, Any] = {"entity_type": "consumers", "entity_id": "c-1", "name": "acme", "at_ms": NOW_MS}
    with opened(found) as store:
        put(store, refusal(), EntitySeen(**seen, attributes={"custom_id": "42", "tags": ["vip"]}))
    return found


def test_attributes_are_told_as_they_were_seen_last(path: Path) -> None:
    reader = SqliteReader(path, 2_000)

    entity = reader.resolve(Dimension.CONSUMER, "acme")

    assert entity is not None
    assert entity.attributes == {"custom_id": "42", "tags": ["vip"]}
    reader.close()


@pytest.mark.parametrize("stored", ['{"tags": ["v', "[1]", "null"])
def test_attributes_that_were_cut_are_left_out(path: Path, stored: str) -> None:
    connection = stored_again(path)
    connection.execute("UPDATE entities SET attributes = ? WHERE entity_id = 'c-1'", (stored,))
    connection.close()
    reader = SqliteReader(path, 2_000)

    entity = reader.resolve(Dimension.CONSUMER, "acme")

    assert entity is not None
    assert entity.attributes == {}
    reader.close()


def test_a_limit_is_an_entity_too(path: Path) -> None:
    reader = SqliteReader(path, 2_000)

    entity = reader.resolve(Dimension.LIMIT, "20/minute")

    assert entity is not None
    assert (entity.label, entity.names, entity.first_seen_ms) == ("20/minute", (), NOW_MS)
    reader.close()


def test_anonymous_requests_are_known_as_such(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(2, consumer_id=None, consumer=None))
    reader = SqliteReader(path, 2_000)

    entity = reader.resolve(Dimension.CONSUMER, "~none")

    assert entity is not None
    assert (entity.token, entity.first_seen_ms) == ("~none", NOW_MS)
    reader.close()
