"""docs/reliability.md names tests that exist, one in each row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)


def test_every_named_test_exists() -> None:
    missing = []
    for file, name in NAMED:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        found = {f.name for f in tree.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)}
        if name not in found:
            missing.append(f"{file}::{name}")

    assert len(NAMED) > 20
    assert missing == []


def test_every_row_names_a_test_and_a_figure() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    facts = [row for row in rows if not row.startswith(("| Fault |", "| Suite |", "| --- |"))]

    assert len(facts) == len(NAMED)
    assert [row for row in facts if row.count(" | ") != 3 or "::test_" not in row] == []


def test_slow_rows_are_marked_as_such() -> None:
    for line in PAGE.splitlines():
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line):
            text = (ROOT / file).read_text(encoding="utf-8")
            decorators = text[: text.index(f"def {name}(")].rpartition("\n\n")[2]
            is_slow = "mark.slow" in decorators or "pytestmark = pytest.mark.slow" in text
            assert is_slow == ("(*slow*)" in line), f"{file}::{name}"
