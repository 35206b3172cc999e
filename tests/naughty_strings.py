"""The big list of naughty strings, both editions: texts that have broken something, somewhere."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "fixtures/suites/naughty_strings"


def naughty_strings() -> list[str]:
    """Every one of them once, in the list's order, the empty one left out."""
    editions = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("blns*.json"))]
    return [text for text in dict.fromkeys(text for edition in editions for text in edition) if text]
