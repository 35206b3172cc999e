"""What a page drew with our own browser parts, as a test reads it."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def part(page: AppTest, kind: str, key: str) -> dict[str, Any]:
    """The data of one part."""
    for drawn in page.get("bidi_component"):
        if drawn.proto.component_name == f"gatewatch_{kind}" and drawn.proto.id.endswith(key):
            found: dict[str, Any] = json.loads(drawn.proto.json)
            return found
    raise AssertionError(f"the page has no {kind} {key}")


def has_part(page: AppTest, kind: str, key: str) -> bool:
    """Whether the page drew it."""
    return any(
        drawn.proto.component_name == f"gatewatch_{kind}" and drawn.proto.id.endswith(key)
        for drawn in page.get("bidi_component")
    )


def texts_of(table: dict[str, Any]) -> list[list[str | None]]:
    """Rows of a table as texts; None where a cell has none."""
    return [[None if cell is None else cell.get("t") for cell in row["cells"]] for row in table["rows"]]


def titles_of(table: dict[str, Any]) -> list[str]:
    """Titles of its columns."""
    return [column["title"] for column in table["columns"]]


def said(page: AppTest) -> str:
    """All that the page says in markdown, captions and boxes, without the marks that keep data plain."""
    boxes = [*page.markdown, *page.caption, *page.info, *page.success, *page.warning, *page.error]
    text = "\n".join(box.value for box in boxes)
    return text.replace("\\", "").replace("\N{WORD JOINER}", "")
