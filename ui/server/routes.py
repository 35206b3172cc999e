"""Everything that the dashboard answers beside Streamlit's own addresses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ui.server.assets import serve_browser_file, serve_plotly
from ui.server.export_files import TYPES
from ui.server.exports import EXPORTED, Exports
from ui.server.hosts import LIVE_PATH
from ui.server.live_route import LiveRoute
from ui.server.status import ChildState, Server

WELL = (ChildState.RUNNING, ChildState.EXTERNAL)


def routes(server: Server, live: LiveRoute, exports: Exports) -> list[BaseRoute]:
    """The addresses under `/gatewatch/`."""

    async def healthz(_request: Request) -> Response:
        """200 while there is a collector, 503 while not; whoever may reach us may know that much."""
        collector = server.collector()
        answer = {"state": "ok" if collector.state in WELL else "degraded", "collector": collector.state}
        status = 200 if collector.state in WELL else 503
        return JSONResponse(answer, status, {"Cache-Control": "no-store"})

    async def export(request: Request) -> Response:
        if request.path_params["form"] not in TYPES:
            return PlainTextResponse("csv and jsonl are what there is", 404)
        if request.path_params["what"] not in EXPORTED:
            return PlainTextResponse("events, consumers and addresses are what there is", 404)
        return await exports.serve(request)

    async def watch(socket: WebSocket) -> None:
        await live(socket)

    return [
        Route("/gatewatch/healthz", healthz),
        Route("/gatewatch/plotly.js", serve_plotly),
        Route("/gatewatch/browser/{version}/{name}", serve_browser_file),
        Route("/gatewatch/export/{what}.{form}", export),
        WebSocketRoute(LIVE_PATH, watch),
    ]
