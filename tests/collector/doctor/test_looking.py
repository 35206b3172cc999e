from __future__ import annotations

from typing import Any

import httpx
import pytest

from collector.doctor import looking
from collector.doctor.looking import Looked, look
from collector.poller.address import parse_admin_url
from tests.collector.poller.kong_node import KongNode, limit_plugin

NOW_MS = 1_795_384_629_000
URL = "http://gw-1:8001"
DATA_PLANE = {"id": "dp-1", "hostname": "dp", "last_seen": 1_795_384_620, "sync_status": "normal"}


async def looked(node: Any) -> Looked:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(node)) as client:
        return await look(client, parse_admin_url(URL), lambda: NOW_MS)


async def test_a_node_says_what_the_rules_need() -> None:
    node = KongNode()
    node.lists["plugins"] = [limit_plugin()]
    node.headers = [(b"date", b"Sun, 22 Nov 2026 20:57:19 GMT")]

    found = await looked(node)

    assert (found.address, found.role, found.silence) == (URL, "traditional", None)
    assert found.about is not None
    assert found.status is not None
    assert found.plugins == [limit_plugin()]
    assert found.hooks is None
    assert found.data_planes == ()
    assert found.clock_off_ms is not None


async def test_a_control_plane_is_asked_for_its_data_planes_and_no_other_node_is() -> None:
    node = KongNode()
    await looked(node)
    assert "/clustering/data-planes" not in node.calls

    node.configuration["role"], node.data_planes = "control_plane", [DATA_PLANE]
    found = await looked(node)

    assert [(seen.node, seen.address) for seen in found.data_planes] == [("dp-1", URL)]


async def test_a_node_that_is_silent_is_asked_once() -> None:
    node = KongNode()
    node.status_of["/"] = 503

    found = await looked(node)

    assert found.silence is not None
    assert "503" in found.silence.why
    assert (node.calls, found.role) == (["/"], "unknown")


async def test_something_else_that_answers_is_no_node() -> None:
    node = KongNode()
    node.raw["/"] = b'{"hello": "world"}'

    found = await looked(node)

    assert found.silence is not None
    assert found.silence.why.startswith("it does not answer as an Admin API")
    assert not found.silence.is_telling


@pytest.mark.parametrize("path", ["/status", "/plugins", "/clustering/data-planes"])
@pytest.mark.parametrize("how", ["nonsense", "refusal"])
async def test_what_cannot_be_read_is_left_open(path: str, how: str) -> None:
    node = KongNode()
    node.configuration["role"] = "control_plane"
    if how == "nonsense":
        node.raw[path] = b"<html>"
    else:
        node.status_of[path] = 403

    found = await looked(node)

    open_fields = {"/status": found.status, "/plugins": found.plugins}
    assert open_fields.get(path) is None
    assert found.data_planes == ()


async def test_lists_are_read_to_their_end() -> None:
    node = KongNode()
    node.page_size = 2
    node.lists["plugins"] = [limit_plugin(f"p-{n}") for n in range(5)]

    assert len((await looked(node)).plugins or ()) == 5


async def test_a_list_without_an_end_is_not_taken_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_PAGES", 2)
    node = KongNode()
    node.page_size = 1
    node.lists["plugins"] = [limit_plugin(f"p-{n}") for n in range(5)]

    assert (await looked(node)).plugins is None
