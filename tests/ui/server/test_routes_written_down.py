"""docs/openapi-dashboard.yaml tells of every address that is ours, and of no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml
from starlette.routing import Route, WebSocketRoute

from ui.server.export_files import TYPES
from ui.server.exports import EXPORTED, Exports
from ui.server.live_route import LiveRoute
from ui.server.routes import routes
from ui.server.status import Server
from ui.state import NEVER_MS

ROOT = Path(__file__).resolve().parents[3]
WRITTEN = yaml.safe_load((ROOT / "docs/openapi-dashboard.yaml").read_text(encoding="utf-8"))
SERVED = routes(cast("Server", None), cast("LiveRoute", None), cast("Exports", None))


def parameters(path: str) -> dict[str, Any]:
    """The schema of each parameter of an address."""
    return {found["name"]: found["schema"] for found in WRITTEN["paths"][path]["get"]["parameters"]}


def test_every_address_is_written_down_with_its_method() -> None:
    served = {
        (route.path, method.lower())
        for route in SERVED
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"  # of every GET
    }

    assert served == {(path, method) for path, of in WRITTEN["paths"].items() for method in of}


def test_the_sockets_are_named() -> None:
    for route in SERVED:
        if isinstance(route, WebSocketRoute):
            assert f"`{route.path}`" in WRITTEN["info"]["description"]


def test_downloads_are_those_that_there_are() -> None:
    found = parameters("/gatewatch/export/{what}.{form}")

    assert set(found["what"]["enum"]) == EXPORTED
    assert set(found["form"]["enum"]) == set(TYPES)
    assert found["from"]["maximum"] == found["to"]["maximum"] == NEVER_MS - 1
