from __future__ import annotations

import base64
import hashlib

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ui.server.headers import (
    SecurityHeaders,
    content_security_policy,
    inline_script_hashes,
    streamlit_start_page,
)

PAGE = b"<html><script>\nlet a\n</script><script src='x'></script><script>b</script></html>"


def test_inline_scripts_are_allowed_by_their_hash_and_by_nothing_else() -> None:
    first = base64.b64encode(hashlib.sha256(b"\nlet a\n").digest()).decode()

    hashes = inline_script_hashes(PAGE)

    assert hashes[0] == f"'sha256-{first}'"
    assert len(hashes) == 2
    script = next(d for d in content_security_policy(PAGE).split("; ") if d.startswith("script-src"))
    assert "unsafe" not in script
    assert hashes[0] in script


def test_windows_line_ends_are_hashed_as_a_browser_reads_them() -> None:
    assert inline_script_hashes(PAGE.replace(b"\n", b"\r\n")) == inline_script_hashes(PAGE)


def test_nothing_may_be_loaded_from_or_sent_to_another_site() -> None:
    directives = dict(d.split(" ", 1) for d in content_security_policy(PAGE).split("; "))

    assert directives["default-src"] == directives["object-src"] == "'none'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert directives["connect-src"] == "'self'"
    assert not any("http" in sources or "*" in sources for sources in directives.values())


def test_the_pinned_streamlit_has_inline_scripts_that_the_policy_covers() -> None:
    page = streamlit_start_page()

    assert page.count(b"<script>") == len(inline_script_hashes(page)) >= 1


async def answered(headers: dict[str, str]) -> httpx.Headers:
    async def page(_request: Request) -> Response:
        return PlainTextResponse("x", headers=headers)

    app = Starlette(
        routes=[Route("/", page)], middleware=[Middleware(SecurityHeaders, policy="default-src 'none'")]
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return (await client.get("/")).headers


async def test_every_answer_has_them() -> None:
    headers = await answered({})

    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


async def test_what_an_answer_has_already_stays() -> None:
    assert (await answered({"X-Frame-Options": "SAMEORIGIN"})).get_list("x-frame-options") == ["SAMEORIGIN"]
