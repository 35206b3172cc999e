"""Real processes for end-to-end tests: a dashboard with its collector, and a Chromium that looks at it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_LIMIT_S = 60.0
BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def wait_for(check: Callable[[], object], what: str, limit_s: float = START_LIMIT_S) -> Any:
    """Call `check` until it gives something true; fail with `what` when it never does."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            found = check()
            if found:
                return found
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {limit_s:.0f} s")


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard and the addresses of its parts."""

    url: str
    ws: str
    http: str
    database: Path
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def running_dashboard(
    folder: Path, database: Path | None = None, port: int | None = None, **environ: str
) -> Iterator[Dashboard]:
    """`streamlit run dashboard.py` as a user starts it, on free ports, ended with SIGTERM.

    `environ` may name the addresses of a collector that runs already.
    """
    port, ws, http = port or free_port(), free_port(), free_port()
    path = database or folder / "gatewatch.db"
    log = folder / "dashboard.log"
    env = {
        **os.environ,  # noqa: TID251 - tests are their own root
        "GATEWATCH_DATABASE": str(path),
        "GATEWATCH_SAMPLE_DATABASE": str(folder / "sample.db"),
        "GATEWATCH_WS_LISTEN": f"127.0.0.1:{ws}",
        "GATEWATCH_HTTP_LISTEN": f"127.0.0.1:{http}",
        **environ,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.port", str(port)],
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    dashboard = Dashboard(
        f"http://127.0.0.1:{port}",
        f"ws://{env['GATEWATCH_WS_LISTEN']}/v1/stream",
        f"http://{env['GATEWATCH_HTTP_LISTEN']}",
        path,
        process,
        log,
    )
    try:
        wait_for(lambda: answers(dashboard.url + "/_stcore/health"), "the dashboard's start")
        wait_for(lambda: answers(dashboard.http + "/healthz"), "the collector's start")
        yield dashboard
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    with urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard with an empty database."""
    with running_dashboard(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """One real Chromium for all tests; each test opens contexts of its own."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER_FLAGS))
        yield found
        found.close()
