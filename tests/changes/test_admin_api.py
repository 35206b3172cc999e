from __future__ import annotations

import json
import uuid
from pathlib import Path

import httpx
import pytest

from changes.admin_api import AdminApi, Unreachable, checked_url, read_token
from domain.admin_requests import AdminRequest
from settings import SettingValueError
from tests.changes.kong_admin import KongAdmin


def api(handler: httpx.MockTransport | httpx.ASGITransport, token: str = "") -> AdminApi:
    return AdminApi("http://kong:8001/", token, transport=handler)


def answering(status: int, body: bytes = b"{}", **headers: str) -> httpx.MockTransport:
    return httpx.MockTransport(
        lambda _: httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)
    )


async def test_collections_are_read_page_by_page() -> None:
    kong = KongAdmin()
    first = kong.store.insert("consumers", {"username": "c0"})
    for number in range(1, 2_350):
        key = str(uuid.UUID(int=number))
        kong.store.rows["consumers"][key] = {**first, "id": key, "username": f"c{number}"}

    found = await api(httpx.ASGITransport(kong)).entities("/consumers")

    assert found is not None
    assert len({c["username"] for c in found}) == 2_350
    assert len(kong.calls) == 3


async def test_a_collection_that_kong_does_not_have_is_none_and_not_empty() -> None:
    assert await api(httpx.ASGITransport(KongAdmin())).entities("/consumer_groups") is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/plugins", {"name": "ip-restriction", "config": {"deny": ["192.0.2.1"]}}, 409, 5),
        ("PUT", "/services/a", {"nonsense": 1}, 400, 2),
        ("POST", "/plugins", {"name": "unknown-plugin"}, 400, 2),
        ("PATCH", "/services/none", {"host": "h"}, 404, None),
        ("DELETE", "/services/used", None, 400, 4),
        (
            "POST",
            "/routes",
            {"paths": ["/"], "service": {"id": "00000000-0000-4000-8000-000000000001"}},
            400,
            4,
        ),
    ],
)
async def test_kongs_errors_come_with_their_code_and_words(
    method: str, path: str, body: dict[str, object] | None, status: int, code: int | None
) -> None:
    kong = KongAdmin()
    kong.store.insert("plugins", {"name": "ip-restriction", "config": {"deny": ["192.0.2.1"]}})
    service = kong.store.insert("services", {"name": "used", "host": "h"})
    kong.store.insert("routes", {"paths": ["/"], "service": {"id": service["id"]}})

    answer = await api(httpx.ASGITransport(kong)).send(AdminRequest(method=method, path=path, body=body))

    assert (answer.status, answer.is_ok) == (status, False)
    assert (answer.body or {}).get("code") == code
    assert answer.message().startswith(f"HTTP {status}")


async def test_a_kong_without_a_database_says_405_code_12() -> None:
    door = api(httpx.ASGITransport(KongAdmin(dbless=True)))

    answer = await door.send(AdminRequest(method="POST", path="/plugins", body={"name": "acl"}))

    assert (answer.status, answer.body["code"]) == (405, 12)
    assert not await door.has_database()


async def test_the_token_goes_into_the_header_and_nowhere_else() -> None:
    kong = KongAdmin(token="s3cr3t")  # noqa: S106 - made up
    assert (await api(httpx.ASGITransport(kong), "s3cr3t").get("/")).is_ok
    with pytest.raises(Unreachable) as refused:
        await api(httpx.ASGITransport(kong), "wrong-token").entity("/services/a")
    assert "wrong-token" not in str(refused.value)


async def test_redirects_are_not_followed() -> None:
    answer = await api(answering(302, location="http://169.254.169.254/")).get("/")

    assert answer.status == 302


async def test_an_answer_without_end_is_cut() -> None:
    with pytest.raises(Unreachable, match="no answer"):
        await api(answering(200, b"x" * (17 * 1024 * 1024))).get("/")


async def test_what_is_no_json_is_told_as_such() -> None:
    answer = await api(answering(502, b"<html>Bearer abcdefgh12345</html>")).get("/")

    assert "Bearer abcdefgh12345" not in answer.message()
    assert answer.message().startswith("HTTP 502")


async def test_secrets_in_kongs_words_are_masked() -> None:
    body = json.dumps({"message": "UNIQUE violation on '{key=\"alpha-secret-1\"}'", "code": 5}).encode()

    answer = await api(answering(409, body)).get("/")

    assert "alpha-secret-1" not in answer.message()


async def test_whether_a_request_was_sent_is_known() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    for handler, expected in ((refuse, False), (lose, True)):
        with pytest.raises(Unreachable) as error:
            await api(httpx.MockTransport(handler)).send(AdminRequest(method="DELETE", path="/services/a"))
        assert error.value.was_sent is expected


@pytest.mark.parametrize(
    "url", ["ftp://a", "kong:8001", "http://", "http://u:p@kong", "http://kong?x=1", "http://kong:port"]
)
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(SettingValueError):
        checked_url(url)


def test_a_workspace_may_be_part_of_the_address() -> None:
    assert checked_url("https://kong:8444/team-a/") == "https://kong:8444/team-a"


def test_a_token_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr3t\n")
    file.chmod(0o644)
    with pytest.raises(SettingValueError, match="chmod 600"):
        read_token(str(file))
    file.chmod(0o600)
    assert read_token(str(file)) == "s3cr3t"
    assert read_token("") == ""
    with pytest.raises(SettingValueError, match="cannot be read"):
        read_token(str(tmp_path / "none"))
