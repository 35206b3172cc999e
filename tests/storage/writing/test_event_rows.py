"""Events into rows."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from storage.packing import unpack_id, unpack_payload
from storage.writing.event_rows import answer_bytes_in
from tests.storage.filling import NOW_MS, one, opened, other, put, refusal, row, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def test_every_column_of_a_violation_comes_back(path: Path) -> None:
    event = refusal(1)
    with opened(path) as store:
        put(store, event, received_ms=NOW_MS + 40)

    names = (
        "at_ms consumer consumer_id ip service route node status limit_name limit_value window_s certainty"
    )
    found = row(path, f"SELECT {', '.join(names.split())}, request_id, source FROM violations")
    assert found == (*(getattr(event, name) for name in names.split()), event.request_id, "http-log")
    assert one(path, "SELECT at_ms + lag_ms FROM events") == NOW_MS + 40


def test_every_detail_of_a_change_comes_back(path: Path) -> None:
    event = other(
        1,
        kind="crud",
        event="services.updated",
        entity_type="services",
        entity_id="s-1",
        entity_name="orders",
        operation="update",
        actor="ana",
        before={"port": 80},
        after={"port": 81, "ü": ["x"]},
        node="n-1",
    )
    with opened(path) as store:
        put(store, event)

    assert row(path, "SELECT * FROM config_changes") == (
        NOW_MS,
        "services",
        "s-1",
        "orders",
        "update",
        "ana",
        "n-1",
        '{"port":80}',
        '{"port":81,"ü":["x"]}',
    )


@pytest.mark.parametrize(
    ("event_id", "request_id"),
    [
        ("request:" + "0123456789abcdef" * 2, "0123456789abcdef" * 2),
        ("request:Short-1", "Short-1"),
        ("entry:" + "f" * 32, "a-request-of-its-own"),
        ("0123abcd-0123-4567-89ab-0123456789ab", None),
        ("anything else", None),
    ],
)
def test_an_id_and_its_request_come_back(path: Path, event_id: str, request_id: str | None) -> None:
    with opened(path) as store:
        put(store, refusal(1, id=event_id, request_id=request_id))
        again = put(store, refusal(1, id=event_id, request_id=request_id))

    assert again.duplicates == 1
    assert unpack_id(one(path, "SELECT id FROM events")) == event_id
    assert one(path, "SELECT request_id FROM violations") == request_id


def test_a_payload_comes_back(path: Path) -> None:
    payload = orjson.dumps(
        {"request": {"id": "x" * 32, "uri": "/ü"}, "response": {"status": 429}} | {"n": 2**53}
    )
    with opened(path) as store:
        put(store, refusal(1, payload=payload), other(1))

    assert rows(path, "SELECT seq FROM payloads") == [(1,)]
    assert unpack_payload(one(path, "SELECT body FROM payloads")) == orjson.loads(payload)


def test_blocks_know_the_oldest_and_the_newest_of_their_events(path: Path) -> None:
    with opened(path) as store:
        put(store, *(other(n, at_ms=NOW_MS + n % 7 * 1_000) for n in range(1_500)))
        put(store, other(1_500, at_ms=NOW_MS - 5))

    assert rows(path, "SELECT block, n, min_at_ms, max_at_ms FROM event_blocks") == [
        (0, 1_023, NOW_MS, NOW_MS + 6_000),
        (1, 478, NOW_MS - 5, NOW_MS + 6_000),
    ]


def test_kinds_are_counted_for_ever(path: Path) -> None:
    with opened(path) as store:
        put(store, other(1), other(2), refusal(3))
        put(store, other(2), other(4))

    assert rows(path, "SELECT kind, event, n FROM event_types ORDER BY n") == [
        ("rate-limiting", "exceeded", 1),
        ("plugin", "validation-failed", 3),
    ]


def test_a_sender_that_makes_up_names_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.writing.event_rows.MAX_TYPES", 2)
    with opened(path) as store:
        put(store, *(other(n, event=f"made-up-{n}") for n in range(4)), other(9, kind="made-up", event="x"))

    assert rows(path, "SELECT kind, event, n FROM event_types ORDER BY type_id") == [
        ("plugin", "made-up-0", 1),
        ("plugin", "made-up-1", 1),
        ("plugin", "~other", 2),
        ("~other", "~other", 1),
    ]


@pytest.mark.parametrize(
    ("payload", "length"),
    [
        (b'{"response":{"headers":{"content-length":"92"}}}', 92),
        (b'{"response":{"headers":{"content-length":92}}}', 92),
        (b'{"response":{"headers":{"content-length":"many"}}}', None),
        (b'{"response":{"headers":{}}}', None),
        (b'{"response":{}}', None),
        (b"[1]", None),
        (b"not json", None),
        (None, None),
    ],
)
def test_the_length_of_an_answer_is_read_from_its_entry(payload: bytes | None, length: int | None) -> None:
    assert answer_bytes_in(payload) == length
