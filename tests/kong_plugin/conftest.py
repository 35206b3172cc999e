"""A running collector, and nodes that stream to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kong_plugin.processes import LUA_MODULE, ROOT, WEBSOCKET, Collector, Node


@pytest.fixture(scope="session", autouse=True)
def _tools(request: pytest.FixtureRequest) -> None:
    if not any(item.get_closest_marker("e2e") for item in request.session.items):
        return
    if os.geteuid() == 0 and not (LUA_MODULE.exists() and WEBSOCKET.exists()):
        subprocess.run([ROOT / "kong-plugin/test", "setup"], check=False, timeout=300)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    if not (shutil.which("nginx") and LUA_MODULE.exists() and WEBSOCKET.exists()):
        pytest.skip(
            "nginx with its Lua and WebSocket modules is not installed: kong-plugin/test setup, as root"
        )
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Starts the one node of a test: `start_node(ws, NAME=value)`."""
    nodes: list[Node] = []

    def start(ws: str, **environ: str) -> Node:
        nodes.append(Node(tmp_path, ws, **environ))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()
