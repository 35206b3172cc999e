from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette

from tests.ui.scripted_reader import NOW_MS, ScriptedReader
from ui.server.exports import Exports
from ui.server.hub import Hub
from ui.server.live_route import LiveRoute
from ui.server.routes import routes
from ui.server.status import ChildState, ChildStatus
from ui.server.tickets import Tickets


class Serving:
    """A server whose collector is as a test says."""

    def __init__(self, state: ChildState) -> None:
        self._state = state

    def collector(self) -> ChildStatus:
        """As said, with a detail that is nobody's business."""
        return ChildStatus(state=self._state, detail="/home/ana/gw.db", pid=4711)

    def sample(self) -> ChildStatus:
        """Off."""
        return ChildStatus(state=ChildState.OFF)

    def play_sample(self) -> None:
        """Nothing."""

    def stop_sample(self) -> None:
        """Nothing."""


async def get(path: str, state: ChildState = ChildState.RUNNING) -> httpx.Response:
    tickets = Tickets(b"k" * 32, lambda: NOW_MS)
    live = LiveRoute(Hub({}), tickets, lambda: ())
    app = Starlette(routes=routes(Serving(state), live, Exports(tickets, lambda _sample: ScriptedReader())))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ChildState.RUNNING, 200),
        (ChildState.EXTERNAL, 200),
        (ChildState.STARTING, 503),
        (ChildState.RESTARTING, 503),
        (ChildState.CONFLICT, 503),
        (ChildState.OFF, 503),
    ],
)
async def test_health_is_200_while_there_is_a_collector_and_tells_strangers_nothing(
    state: ChildState, status: int
) -> None:
    answer = await get("/gatewatch/healthz", state)

    assert answer.status_code == status
    assert answer.json() == {"state": "ok" if status == 200 else "degraded", "collector": state}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/gatewatch/export/events.xlsx", "/gatewatch/export/secrets.csv", "/gatewatch/x"]
)
async def test_what_is_not_offered_is_not_there(path: str) -> None:
    assert (await get(path)).status_code == 404


async def test_an_export_asks_for_a_ticket() -> None:
    assert (await get("/gatewatch/export/events.csv")).status_code == 403
