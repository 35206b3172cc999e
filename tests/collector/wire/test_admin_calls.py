from __future__ import annotations

import json
from typing import Any

import pytest

from collector.wire.http_log import decode_http_log
from domain.change_actors import How, actor_of
from domain.changes import Change
from settings import load_settings
from storage.batches import Batch
from storage.changes_reader import ChangesReader
from storage.sqlite_store import SqliteStore

NOW = 1_795_384_794_000
PLUGIN = "bbddc4e6-b824-43df-a044-726c3dc17563"


def entry(**given: Any) -> dict[str, Any]:
    found = {
        "request": {"id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "method": "PATCH",
                    "uri": f"/admin-api/plugins/{PLUGIN}", "headers": {}},
        "upstream_uri": f"/plugins/{PLUGIN}",
        "response": {"status": 200, "headers": {}},
        "service": {"id": "s", "name": "admin-api", "host": "127.0.0.1", "port": 8001},
        "consumer": {"id": "c1", "username": "ana"},
        "client_ip": "10.0.0.9",
        "started_at": NOW,
    }  # fmt: skip
    return {**found, **given}


def decoded(value: dict[str, Any]) -> Any:
    return decode_http_log(json.dumps(value).encode(), received_ms=NOW + 500)


def test_a_call_that_changes_something_is_kept_with_who_made_it() -> None:
    found = decoded(entry())

    [event] = found.events
    assert (event.kind, event.event, event.actor, event.ip) == ("admin", "called", "ana", "10.0.0.9")
    assert json.loads(event.payload) == {"method": "PATCH", "path": f"/plugins/{PLUGIN}"}
    assert len(found.traffic) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"request": {"id": "x", "method": "GET", "uri": "/"}},
        {"response": {"status": 400, "headers": {}}},
        {"service": {"name": "orders", "host": "orders.internal", "port": 8001}},
        {"service": {"name": "admin-api", "host": "127.0.0.1", "port": 80}},
        {"service": None},
        {"request": {"method": "POST", "uri": "/"}},
    ],
)
def test_reads_refusals_and_other_services_are_traffic_and_nothing_else(given: dict[str, Any]) -> None:
    found = decoded(entry(**given))

    assert found.events == []
    assert len(found.traffic) == 1


def test_a_key_in_a_path_does_not_get_into_the_store() -> None:
    [event] = decoded(entry(upstream_uri="/consumers/bob/key-auth/S3CR3T-KEY?apikey=S3CR3T-KEY")).events

    assert b"S3CR3T" not in event.payload


def test_a_stored_call_names_the_actor_of_a_change(tmp_path: Any) -> None:
    store = SqliteStore(tmp_path / "g.db", load_settings({}, {}))
    store.write([Batch(source="http-log", way="http-log", received_ms=NOW, decoded=decoded(entry()))])
    store.close()
    reader = ChangesReader(tmp_path / "g.db", 2_000)
    change = Change(
        seq=9, at_ms=NOW + 30, entity_type="plugins", entity_id=PLUGIN, entity_name=None, operation="update"
    )

    calls = reader.logged_calls(0)
    actor = actor_of(change, calls)

    assert (actor.name, actor.how, actor.client_ip) == ("ana", How.ENTITY_AND_TIME, "10.0.0.9")
    assert "log of the route in front of the Admin API" in actor.why
    reader.close()
