from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from changes.audit import to_call
from domain.change_actors import How
from storage.changes_reader import ChangesReader
from tests.changes.conftest import PLUGIN, World


def audit_row(world: World, **given: Any) -> dict[str, Any]:
    return {
        "client_ip": "10.0.0.9", "method": "PATCH", "path": f"/plugins/{PLUGIN}", "payload": None,
        "request_id": "59fpTWlpUtHJ0qnAWBzQRHRDv7i5DwK2", "request_timestamp": world.now // 1000,
        "status": 200, "rbac_user_name": "ana", "rbac_user_id": "u", "workspace": "w", **given,
    }  # fmt: skip


async def test_enterprises_audit_log_tells_who_made_a_change(limited: World, reader: ChangesReader) -> None:
    limited.kong.enterprise = True
    limited.kong.audit.append(audit_row(limited))
    seq = limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})

    await limited.service.turn()

    row = reader.change(seq)
    assert row is not None
    assert (row.actor.name, row.actor.how, row.actor.client_ip) == ("ana", How.ENTITY_AND_TIME, "10.0.0.9")
    assert reader.admin_callers(0) == ("10.0.0.9",)


async def test_what_is_unknown_stays_unknown(limited: World, reader: ChangesReader) -> None:
    seq = limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})

    await limited.service.turn()

    row = reader.change(seq)
    assert row is not None
    assert (row.actor.name, row.actor.how) == (None, How.UNKNOWN)


async def test_a_change_of_our_own_is_told_as_ours(limited: World, reader: ChangesReader) -> None:
    seq = limited.change("PATCH", "plugins", PLUGIN, {"config": {"minute": 5}})
    limited.ask("p1", "rollback", {"change": seq})
    limited.kong.now_s = limited.now / 1000
    known = len(limited.kong.store.events)
    await limited.applied("p1")
    [ours] = limited.tell(*limited.kong.store.events[known:])
    limited.now += 15_000

    await limited.service.turn()

    row = reader.change(ours)
    assert row is not None
    assert (row.actor.name, row.actor.how, row.proposal_id) == ("ana", How.OURS, "p1")
    assert "approved by bob" in row.actor.why


async def test_an_audit_log_is_read_once_however_often_it_is_looked_at(limited: World) -> None:
    limited.kong.enterprise = True
    limited.kong.audit += [audit_row(limited, request_id=f"r{n}") for n in range(2_500)]
    await limited.service.turn()
    limited.now += 40_000
    await limited.service.turn()

    with limited.book as book:
        assert book.connection.execute("SELECT count(*) FROM admin_calls").fetchone() == (2_500,)


@pytest.mark.parametrize(
    "row",
    [None, 1, {}, {"request_id": 1},
     {"request_id": "a", "method": "GET", "path": "/", "request_timestamp": 1},
     {"request_id": "a", "method": "POST", "path": "/", "request_timestamp": True},
     {"request_id": "a", "method": "POST", "path": ["/"], "request_timestamp": 1}],
)  # fmt: skip
def test_reads_and_what_is_no_audit_row_are_left_out(row: Any) -> None:
    assert to_call(row) is None


def test_the_published_samples_are_read(all_payloads: Path) -> None:
    made = json.loads((all_payloads / "admin.audit.requests.consumer-create.json").read_text())["data"][0]
    logout = json.loads((all_payloads / "admin.audit.requests.kong-manager-logout.json").read_text())["data"][
        0
    ]

    call = to_call(made)
    assert call is not None
    assert (call.method, call.path, call.actor, call.at_ms) == ("POST", "/consumers", None, 1581617463000)
    out = to_call(logout)
    assert out is not None
    assert (out.actor, out.path) == ("admin", "/auth")
