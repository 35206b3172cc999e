"""Redis Streams with `appendfsync always`: every entry by XADD, a hundred in a pipeline."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import orjson

from bench.engines.contest import (
    MissingError,
    Portion,
    end,
    folder_size,
    free_port,
    process_cpu_s,
    wait_until,
)

PIPELINE = 100


class RedisStreams:
    """A server of its own, without snapshots."""

    name = "Redis Streams"

    def __init__(self, folder: Path) -> None:
        found = shutil.which("redis-server")
        if found is None:
            raise MissingError("redis-server is not installed: apt-get install redis-server")
        said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
        self.version = said.split("v=")[1].split()[0]
        self._folder, port = folder, free_port()
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([found, *words], stdout=log, stderr=log)
        wait_until(lambda: _listens(port), "redis-server")
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._replies = self._socket.makefile("rb")
        self._pipelines: list[tuple[int, bytes]] = []

    def prepare(self, portion: Portion) -> None:
        """The commands as they go over the wire."""
        self._pipelines = []
        for start in range(0, len(portion.entries), PIPELINE):
            part = portion.entries[start : start + PIPELINE]
            sent = b"".join(_command(b"XADD", b"log", b"*", b"entry", orjson.dumps(entry)) for entry in part)
            self._pipelines.append((len(part), sent))

    def feed(self) -> None:
        """Send a pipeline, wait for its answers, which come after the sync."""
        for count, sent in self._pipelines:
            self._socket.sendall(sent)
            for _ in range(count):
                self._reply()

    def _reply(self) -> bytes:
        head = self._replies.readline().strip()
        if head.startswith(b"$"):
            return self._replies.read(int(head[1:]) + 2)[:-2]
        if head.startswith(b"-"):
            raise RuntimeError(f"redis-server: {head!r}")
        return head[1:]

    def cpu_s(self) -> float:
        """The server's."""
        return process_cpu_s(self._process.pid)

    def stored(self) -> int:
        """Entries in the stream."""
        self._socket.sendall(_command(b"XLEN", b"log"))
        return int(self._reply())

    def size(self) -> int:
        """The append-only file."""
        return folder_size(self._folder) - (self._folder / "log").stat().st_size

    def stop(self) -> None:
        """End the server."""
        self._socket.close()
        end(self._process)


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
