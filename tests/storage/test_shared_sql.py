"""The SQL that both engines run keeps to what both understand; the rest a real server tells (`cluster`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STORAGE = Path(__file__).resolve().parents[2] / "storage"
ONE_ENGINE = {
    "connection.py",
    "keeping.py",
    "slim_utils.py",
    "deciding.py",
    "sqlite_store.py",
    "erasing.py",
    "mentions.py",
}
"""Files that only ever see SQLite."""
FORBIDDEN = {
    r"INSERT OR (IGNORE|REPLACE)": "write ON CONFLICT DO NOTHING, or ON CONFLICT (key) DO UPDATE",
    r"ON CONFLICT DO UPDATE": "name the key: ON CONFLICT (key) DO UPDATE SET n = table.n + excluded.n",
    r"\blastrowid\b": "write RETURNING, and fetch the row",
    r"\bcreate_function\b": "do it in Python: PostgreSQL cannot call it",
    r"\bGLOB\b": "PostgreSQL has no GLOB",
}
SHARED = [path for path in sorted(STORAGE.rglob("*.py")) if path.name not in ONE_ENGINE]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_shared_sql_keeps_to_what_both_engines_understand(pattern: str) -> None:
    found = [
        f"{path.name}:{number}: {FORBIDDEN[pattern]}"
        for path in SHARED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]

    assert not found
