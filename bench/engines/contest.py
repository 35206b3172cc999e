"""What every engine of the comparison is given, and what is asked of it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

_PAGE = os.sysconf("SC_CLK_TCK")
START_LIMIT_S = 60.0


class Portion(NamedTuple):
    """One round's requests, in every form an engine may want; made before the clock starts."""

    entries: list[dict[str, Any]]
    """As Kong's http-log plugin writes them; the request ids are new in every round."""
    lines: bytes
    """The same as JSON, a line each."""


class Engine(Protocol):
    """One of those compared. Made in a folder of its own, started, fed round by round, asked, stopped."""

    name: str
    version: str

    def prepare(self, portion: Portion) -> None:
        """Bring a round's requests into the form it takes, outside the measured time."""

    def feed(self) -> None:
        """Take what was prepared; returns when it is as safe as the engine can make it."""

    def cpu_s(self) -> float:
        """Seconds that its own processes have computed so far, those that send left out."""

    def stored(self) -> int:
        """How many requests it now says it holds; for counters their sum."""

    def size(self) -> int:
        """Bytes on disk."""

    def stop(self) -> None:
        """End its processes."""


class MissingError(Exception):
    """An engine is not on this machine; the message says what to install."""


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def process_cpu_s(pid: int) -> float:
    """Seconds that a running process has computed, its ended and awaited children included (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / _PAGE


def tree_cpu_s(pid: int) -> float:
    """The same, with all its running children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return process_cpu_s(pid) + sum(tree_cpu_s(int(child)) for child in children)


def as_json_lines(entries: list[dict[str, Any]]) -> bytes:
    """One entry a line."""
    return b"".join(orjson.dumps(entry) + b"\n" for entry in entries)


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_ready: Callable[[], bool], what: str) -> None:
    """Wait for an engine to answer.

    Raises:
        MissingError: It did not within a minute.
    """
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        if is_ready():
            return
        time.sleep(0.05)
    raise MissingError(f"{what} did not start within {START_LIMIT_S:g} s")


def answers(url: str) -> bool:
    """Whether a web address gives 200."""
    with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=2) as got:
        return bool(got.status == 200)
    return False


@contextlib.contextmanager
def output_of(path: Path) -> Iterator[Any]:
    """Where a program's words go."""
    with path.open("ab") as file:
        yield file


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to go, and wait."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
