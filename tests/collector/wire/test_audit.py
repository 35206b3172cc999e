from __future__ import annotations

from typing import Any

import orjson
import pytest

from collector.wire.audit import decode_audited_objects, decode_audited_requests
from domain.errors import DecodeError

ROW = {"request_id": "r1", "request_timestamp": 1_581_617_463}
CANARY = "s3cr3t-cAnAry-9f2b"


def test_a_request_says_who_made_it() -> None:
    row = ROW | {
        "rbac_user_name": "ana",
        "rbac_user_id": "u1",
        "client_ip": "::ffff:10.0.0.1",
        "status": 201,
        "method": "POST",
        "path": f"/consumers?apikey={CANARY}",
        "request_source": "kong-manager",
    }

    [found], next_path = decode_audited_requests(
        orjson.dumps({"data": [row], "next": "/audit/requests?offset=x"})
    )

    assert (found.request_id, found.at_ms, found.user_name, found.user_id) == (
        "r1",
        1_581_617_463_000,
        "ana",
        "u1",
    )
    assert (found.ip, found.status, found.method, found.source) == ("10.0.0.1", 201, "POST", "kong-manager")
    assert found.path == "/consumers?apikey=[redacted]"
    assert next_path == "/audit/requests?offset=x"


def test_an_object_says_which_request_changed_it() -> None:
    row = ROW | {"dao_name": "consumers", "entity_key": "c1", "operation": "create"}

    [found], _ = decode_audited_objects(orjson.dumps({"data": [row]}))

    assert (found.request_id, found.collection, found.entity_id, found.operation) == (
        "r1",
        "consumers",
        "c1",
        "create",
    )


@pytest.mark.parametrize(
    ("decode", "row", "message"),
    [
        (
            decode_audited_requests,
            {},
            "admin /audit/requests row 1: request_id or request_timestamp is missing, expected both",
        ),
        (
            decode_audited_objects,
            ROW,
            "admin /audit/objects row 1: dao_name is missing, expected the name of a collection",
        ),
    ],
)
def test_a_row_without_what_it_is_for_is_refused(decode: Any, row: Any, message: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(orjson.dumps({"data": [row]}))

    assert str(refused.value) == message
