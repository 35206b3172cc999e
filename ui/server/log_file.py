"""The collector's own words, kept in a file of bounded size."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import IO

MAX_BYTES = 1_048_576
"""Of one file; there are two, so the log never takes more than 2 MiB."""


class LogFile:
    """A file that a child process appends to by itself, so that it outlives us without harm.

    A pipe would break when we are killed, and the collector with it.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def open(self) -> IO[bytes]:
        """For a child's stderr; the caller closes it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("ab")

    def trim(self) -> None:
        """Move a file that has grown too large to `<name>.1` and empty it in place."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > self._max_bytes:
                shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
                with self.path.open("r+b") as file:
                    file.truncate(0)

    def last_line(self) -> str:
        """The newest line, at most 200 characters; empty when there is none."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - 4_096))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:200] if lines else ""
