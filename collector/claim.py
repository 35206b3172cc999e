"""One writer per database: a lock beside it that the operating system drops when its process dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from settings import SettingValueError


class DatabaseClaim:
    """The right to write one database, held until `release` or the end of the process.

    The lock is on `<database>.lock`, which holds the owner's process id and stays behind, unlocked.

    Raises:
        SettingValueError: Another process holds it, or its folder cannot be written.
    """

    def __init__(self, database: str) -> None:
        self.path = Path(database + ".lock")
        self._file = self._open(Path(database))
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise SettingValueError(
                f"another collector (pid {owner}) is writing {database}: stop it, "
                "or send to it with --to ws://..."
            ) from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def _open(self, database: Path) -> IO[str]:
        folder = database.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if database.is_dir():
                raise SettingValueError(f"database {database} is a folder, expected a file")
            if database.exists() and not os.access(database, os.W_OK):
                raise SettingValueError(f"database {database} cannot be written")
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            return os.fdopen(handle, "r+", encoding="ascii", errors="replace")
        except OSError as error:
            raise SettingValueError(
                f"database folder {folder} cannot be written: {error.strerror}"
            ) from error

    def release(self) -> None:
        """Let others write."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
