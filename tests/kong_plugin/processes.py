"""Real processes: a Kong node's nginx with the plugin, and the collector that it streams to."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "kong-plugin/spec/stand_in/nginx"
LUA_MODULE = Path("/usr/lib/nginx/modules/ngx_http_lua_module.so")
WEBSOCKET = Path("/usr/share/lua/5.1/nginx/websocket/client.lua")
TOO_MANY_REQUESTS = 429
PEER_KILLED = "failed (104: Connection reset by peer)"
"""nginx's own words (src/os/unix/ngx_recv.c); Lua code can neither prevent nor change them."""
REFUSED, PASSED, LIMITED_BY_UPSTREAM = "11", "1", "12"
"""Entries of kong-plugin/spec/fixtures/entries.json: refused by rate-limiting, answered with 200, and the
upstream's own 429."""


def wait_for(check: Callable[[], Any], what: str, limit_s: float = 20.0) -> Any:
    """Call `check` until it gives something true; fail with `what` when it never does."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            found = check()
            if found:
                return found
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {limit_s:.0f} s")


class Collector:
    """The real collector, always on the same ports and database, so that senders find it again.

    Args:
        folder: Where its database and its log are.
        command: What runs it: an interpreter's arguments, with a tracer or limits before them.
        options: Further options of the collector.
    """

    def __init__(
        self, folder: Path, command: Sequence[str] = (sys.executable, "-m", "collector"), *options: str
    ) -> None:
        self.command = list(command)
        self.options = options
        first = free_ports(2)
        self.ws, self.http = f"127.0.0.1:{first}", f"127.0.0.1:{first + 1}"
        self.database = folder / "gatewatch.db"
        self.log = folder / "collector.log"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        with self.log.open("a") as log:
            listen = ["--ws-listen", self.ws, "--http-listen", self.http]
            self.process = subprocess.Popen(
                [*self.command, "--database", str(self.database), *listen, *self.options],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("collector ready"), self.log.read_text(encoding="utf-8")[-2_000:]

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it with a signal, SIGKILL as a rule."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None


class Node:
    """A Kong node: nginx with two workers, the stand-in for Kong and the plugin."""

    def __init__(self, folder: Path, ws: str, **environ: str) -> None:
        self.folder = folder / "node"
        self.port = free_ports(2)
        self.out = (folder / "node.log").open("wb")
        self.process = subprocess.Popen(
            [STAND_IN, self.folder, str(self.port)],
            env={
                **os.environ,  # noqa: TID251 - tests are their own root
                "WORKERS": "2",
                "MAIN": "user root;" if os.geteuid() == 0 else "",
                "GATEWATCH_URL": f"ws://{ws}/v1/stream",
                "GATEWATCH_HEARTBEAT_S": "1",
                "GATEWATCH_TOTALS_S": "1",
                **environ,
            },
            stdout=self.out,
            stderr=self.out,
        )
        wait_for(lambda: self.get("/_collector?get=stored"), "nginx")

    def get(self, path: str) -> str:
        """What the node answers to a GET."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def post(self, path: str, body: str) -> None:
        """POST some text."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}{path}", body.encode(), timeout=5
        ) as answer:
            answer.read()

    def reload(self) -> None:
        """New workers; the old ones finish what they are at."""
        self.process.send_signal(signal.SIGHUP)

    def errors(self) -> list[str]:
        """What nginx logged at level error or worse, but for its own words on a killed peer."""
        lines = (self.folder / "error.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return [
            line
            for line in lines
            if any(f"[{level}]" in line for level in ("error", "crit", "alert")) and PEER_KILLED not in line
        ]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=20)
        self.out.close()


class Clients:
    """Clients that send one request after the other until told to stop, some 200 a second."""

    def __init__(self, port: int, threads: int = 2) -> None:
        self.refused: set[str] = set()
        """The request ids of all answers that a limit gave."""
        self.passed = 0
        self.failures: list[str] = []
        self._port = port
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        number = 0
        while not self._stopped.wait(0.01):
            number += 1
            entry = PASSED if number % 4 == 0 else REFUSED
            try:
                connection.request("GET", "/orders/1?apikey=s3cret", headers={"X-Replay": entry})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
                    self.failures.append(repr(error))
                continue
            with self._lock:
                if answer.status == TOO_MANY_REQUESTS:
                    self.refused.add(answer.headers["X-Kong-Request-Id"])
                else:
                    self.passed += 1
        connection.close()

    def stop(self) -> None:
        """Stop, and wait for the last answers."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=20)
