"""Rows as records, down to what was kept of a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import StoreCorrupt
from domain.windows import HOUR_MS, Window
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.storage.filling import NOW_MS, opened, other, put, refusal, stored_again

QUERY = EventQuery(window=Window(NOW_MS, NOW_MS + HOUR_MS))
PAYLOAD = b'{"response":{"status":429},"client_ip":"203.0.113.7","why":"' + b"x" * 200 + b'"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        put(store, refusal(1, payload=PAYLOAD), other(2))
    return found


def test_an_event_without_a_message_has_none(path: Path) -> None:
    reader = SqliteReader(path, 2_000)

    with_message, without = reader.event(1), reader.event(2)

    assert with_message is not None
    assert with_message.payload["client_ip"] == "203.0.113.7"
    assert without is not None
    assert (without.payload, without.before, without.after) == (None, None, None)
    reader.close()


def test_a_damaged_message_is_named_and_spoils_no_table(path: Path) -> None:
    connection = stored_again(path)
    connection.execute("UPDATE payloads SET body = x'01ff00ff'")
    connection.close()
    reader = SqliteReader(path, 2_000)

    with pytest.raises(StoreCorrupt, match="event 1: payload is damaged"):
        reader.event(1)
    assert [row.seq for row in reader.events(QUERY).rows] == [2, 1]
    reader.close()


def test_a_row_of_a_bare_name_learns_its_id(path: Path) -> None:
    with opened(path) as store:
        put(store, refusal(3, consumer_id=None, consumer="later"))
        put(store, refusal(4, consumer_id="c-9", consumer="later", at_ms=NOW_MS + 1))
        put(store, refusal(5, consumer_id="c-9", consumer="renamed", at_ms=NOW_MS + 9_000))
    reader = SqliteReader(path, 2_000)

    rows = {row.seq: row for row in reader.events(QUERY).rows}

    assert [(rows[n].consumer, rows[n].consumer_id, rows[n].consumer_now) for n in (3, 4, 5)] == [
        ("later", "c-9", "renamed"),
        ("later", "c-9", "renamed"),
        ("renamed", "c-9", None),
    ]
    reader.close()
