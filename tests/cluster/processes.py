"""Collectors and writers as real processes, which tests kill and start again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 40.0


class Process:
    """One `python -m collector ...` with ports of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, name: str, *arguments: str, **environ: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.ws, self.http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._arguments = arguments
        self._environ = {
            **os.environ,  # noqa: TID251 - tests are their own root
            "GATEWATCH_WS_LISTEN": self.ws,
            "GATEWATCH_HTTP_LISTEN": self.http,
            "GATEWATCH_BUS_SPOOL": str(folder / f"{name}-spool"),
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it takes streams."""
        return f"ws://{self.ws}/v1/stream"

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.begin()
        self.wait_ready()

    def begin(self) -> None:
        """Start it."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector", *self._arguments],
                cwd=ROOT, env=self._environ, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Until it answers."""
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError):
                self.health()
                return
            assert self._process is not None
            assert self._process.poll() is None, self.told()
            assert time.monotonic() < until, self.told()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """End it in good order; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(15)
        self._process = None
        return status

    def health(self) -> dict[str, Any]:
        """What /healthz says."""
        try:
            with urllib.request.urlopen(f"http://{self.http}/healthz", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        return found

    def metric(self, name: str) -> float:
        """A sample of /metrics, summed over its labels; 0 where there is none."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [
            line.rpartition(" ")[2] for line in lines if line.partition("{")[0].partition(" ")[0] == name
        ]
        return sum(map(float, found))

    def told(self) -> str:
        """The end of what it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3_000:]


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start them together; whichever still run at the end are killed."""
    try:
        for process in processes:
            process.begin()
        for process in processes:
            process.wait_ready()
        yield
    finally:
        for process in processes:
            process.kill()


def wait_for(check: Callable[[], object], what: str, limit_s: float = 30.0) -> float:
    """Call `check` until it gives something true; returns how many seconds that took."""
    since = time.monotonic()
    while time.monotonic() < since + limit_s:
        with contextlib.suppress(OSError):
            if check():
                return time.monotonic() - since
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {limit_s:.0f} s")
