from __future__ import annotations

import gzip
from pathlib import Path

import httpx
import plotly
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from ui.server import assets
from ui.server.assets import browser_path, browser_version, plotly_path

APP = Starlette(
    routes=[
        Route("/gatewatch/plotly.js", assets.serve_plotly),
        Route("/gatewatch/browser/{version}/{name}", assets.serve_browser_file),
    ]
)


async def get(path: str, encoding: str = "identity") -> httpx.Response:
    transport = httpx.ASGITransport(APP)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8501") as client:
        return await client.get(path, headers={"accept-encoding": encoding})


@pytest.mark.parametrize(
    "name", sorted(p.name for p in assets.BROWSER_FOLDER.iterdir() if p.suffix in assets.TYPES)
)
async def test_every_browser_file_is_served_for_ever_under_its_version(name: str) -> None:
    answer = await get(browser_path(name))

    assert answer.status_code == 200
    assert answer.content == (assets.BROWSER_FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == assets.TYPES[Path(name).suffix]
    assert "immutable" in answer.headers["cache-control"]


async def test_an_old_version_is_gone() -> None:
    answer = await get("/gatewatch/browser/0000/board.js")

    assert answer.status_code == 404
    assert "reload" in answer.text


@pytest.mark.parametrize("name", ["..%2f..%2fsettings.py", "%2e%2e", "board.py", "none.js", "board.js%00"])
async def test_nothing_else_is_served(name: str) -> None:
    assert (await get(f"/gatewatch/browser/{browser_version()}/{name}")).status_code == 404


async def test_files_are_packed_for_those_who_can_unpack() -> None:
    answer = await get(browser_path("board.js"), "gzip, br")

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == (assets.BROWSER_FOLDER / "board.js").read_bytes()


async def test_plotly_comes_from_the_pinned_wheel() -> None:
    answer = await get(plotly_path(), "gzip")

    assert plotly_path().endswith(plotly.__version__)
    assert answer.content[:20].startswith(b"/**")
    assert len(gzip.compress(answer.content[:1000])) < len(answer.content)
    assert "immutable" in answer.headers["cache-control"]
    assert (await get("/gatewatch/plotly.js")).headers["cache-control"] == "no-cache"
