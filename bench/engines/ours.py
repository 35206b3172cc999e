"""This program: a real collector process, fed over its stream, acknowledged after the commit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.engines.contest import (
    Portion,
    answers,
    end,
    folder_size,
    free_port,
    process_cpu_s,
    wait_until,
)
from settings import load_settings
from storage.sqlite_store import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
FRAME_ITEMS = 100


class Gatewatch:
    """The collector with its SQLite file."""

    name = "Gatewatch"

    def __init__(self, folder: Path) -> None:
        self.version = "stream"
        self._folder = folder
        self._file = folder / "gatewatch.db"
        stream, http = free_port(), free_port()
        environ = os.environ | {  # noqa: TID251 - the collector is our child and inherits ours
            "GATEWATCH_DATABASE": str(self._file),
            "GATEWATCH_WS_LISTEN": f"127.0.0.1:{stream}",
            "GATEWATCH_HTTP_LISTEN": f"127.0.0.1:{http}",
        }
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "collector"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        wait_until(lambda: answers(f"http://127.0.0.1:{http}/healthz"), "the collector")
        self._socket: ClientConnection = connect(
            f"ws://127.0.0.1:{stream}/v1/stream",
            subprotocols=[Subprotocol("gatewatch.ingest.v1")],
            proxy=None,
            max_size=None,
        )
        node = {"id": "bench", "hostname": "bench", "version": "3.9.3"}
        hello = {"t": "hello", "source": "bench", "epoch": "bench", "oldest": 1, "next": 1, "node": node}
        self._socket.send(orjson.dumps(hello), text=True)
        welcome = orjson.loads(self._socket.recv(10))
        self._window = int(welcome["window"])
        self._acked, self._next = 0, 1
        self._frames: list[tuple[int, bytes]] = []

    def prepare(self, portion: Portion) -> None:
        """Stream frames of 100 log entries."""
        self._frames = []
        for start in range(0, len(portion.entries), FRAME_ITEMS):
            part = portion.entries[start : start + FRAME_ITEMS]
            events = [
                {"kind": "http-log", "id": entry["request"]["id"], "node": "bench", "entry": entry}
                for entry in part
            ]
            frame = orjson.dumps({"t": "batch", "first": self._next, "events": events})
            self._next += len(part)
            self._frames.append((self._next - 1, frame))

    def feed(self) -> None:
        """Send what was prepared."""
        self.feed_frames(self._frames)

    def feed_frames(self, frames: list[tuple[int, bytes]]) -> None:
        """Send (number of the last event, frame) within the window that the collector grants.

        Returns when the last is acknowledged.
        """
        for last, frame in frames:
            while last - self._acked > self._window:
                self._take_ack()
            self._socket.send(frame, text=True)
        while self._acked < frames[-1][0]:
            self._take_ack()

    def _take_ack(self) -> None:
        message = orjson.loads(self._socket.recv(60))
        if message["t"] == "ack":
            self._acked, self._window = int(message["upto"]), max(int(message["window"]), FRAME_ITEMS)

    def cpu_s(self) -> float:
        """The collector's."""
        return process_cpu_s(self._process.pid)

    def stored(self) -> int:
        """Every request that the totals know."""
        return self._acked

    def size(self) -> int:
        """The file, its log folded in."""
        self.stop()
        store = SqliteStore(self._file, load_settings({}, {}))
        store.checkpoint()
        store.close()
        return folder_size(self._folder) - (self._folder / "log").stat().st_size

    def stop(self) -> None:
        """End the collector."""
        if self._process.poll() is None:
            self._socket.close()
            end(self._process)
            time.sleep(0.1)
