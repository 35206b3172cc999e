"""An empty database, made once and copied: making the tables costs more than most tests."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from settings import load_settings
from storage.sqlite_store import SqliteStore


@functools.cache
def _blank() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.db"
        SqliteStore(path, load_settings({}, {})).close()
        return path.read_bytes()


def make_blank(path: Path) -> Path:
    """Write an empty database with every table; returns its path."""
    path.write_bytes(_blank())
    return path
