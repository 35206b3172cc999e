"""Files for the browser under names that change with their content, so that they may be cached for ever."""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import importlib.resources
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

BROWSER_FOLDER = Path(__file__).resolve().parent.parent / "browser"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
FOR_EVER = "public, max-age=31536000, immutable"


@functools.cache
def plotly_version() -> str:
    """Of the wheel that the bundle comes from."""
    import plotly  # noqa: PLC0415 - importing it takes 100 ms, and tests of other parts need none of it

    return str(plotly.__version__)


@functools.cache
def browser_version() -> str:
    """Changes when any of our browser files does. Read once: a new version needs a restart."""
    digest = hashlib.sha256()
    for path in sorted(BROWSER_FOLDER.iterdir()):
        if path.suffix in TYPES:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def plotly_path() -> str:
    """Where plotly.js is."""
    return f"/gatewatch/plotly.js?v={plotly_version()}"


def browser_path(name: str) -> str:
    """Where one of our browser files is."""
    return f"/gatewatch/browser/{browser_version()}/{name}"


@functools.cache
def _packed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)


@functools.cache
def _plotly_file() -> Path:
    return Path(str(importlib.resources.files("plotly") / "package_data" / "plotly.min.js"))


async def serve_plotly(request: Request) -> Response:
    """`GET /gatewatch/plotly.js`: the bundle of the pinned plotly wheel."""
    path = await asyncio.to_thread(_plotly_file)
    return await _serve(request, path, FOR_EVER if request.query_params.get("v") else "no-cache")


async def serve_browser_file(request: Request) -> Response:
    """`GET /gatewatch/browser/{version}/{name}`; an old version is gone, and the page is told to reload."""
    name = request.path_params["name"]
    path = BROWSER_FOLDER / name
    if request.path_params["version"] != browser_version():
        return PlainTextResponse("another version runs now: reload the page", 404)
    if path.suffix not in TYPES or path.parent != BROWSER_FOLDER or not path.is_file():
        return PlainTextResponse("there is no such file", 404)
    return await _serve(request, path, FOR_EVER)


async def _serve(request: Request, path: Path, cache: str) -> Response:
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = await asyncio.to_thread(_packed, path)
        headers["Content-Encoding"] = "gzip"
    else:
        body = await asyncio.to_thread(path.read_bytes)
    return Response(body, headers=headers, media_type=TYPES[path.suffix])
