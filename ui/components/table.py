"""Rows of a page as a table: links, bars, sparklines, filter and copy buttons. Any page may use it.

    columns = (Column("Consumer", wide=True), Column("Violations", COUNT), Column("Last", TIME))
    rows = [Row((Cell("acme", href=..., filter_by=(Dimension.CONSUMER, "acme")), "1,204", "14:02:41"))]
    show_table(columns, rows, key="consumers", label="Consumers with violations")

Why not `st.dataframe`: its cells are painted, so that a row is no link that can be opened in another tab,
copied or read aloud, and nothing inside a cell can be clicked. A few hundred rows are what this is for;
longer lists are turned page by page.

Cells are shown as they are, letter by letter; give them through `visible`, which `Cell` and `show_table` do.
Links come only from `navigation.href` and `navigation.here`; the browser follows them by itself
(`ui/browser/navigate.js`). A filter button changes the URL and runs the page.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import streamlit as st

from domain.filters import MAX_VALUE_CHARS, Dimension
from ui import navigation, wording
from ui.components.browser_part import declare
from ui.safe_text import visible
from ui.server.assets import browser_path
from ui.state import PageState, current_state, dimension_named, set_state

TEXT, COUNT, TIME, CODE, SPARK = "text", "count", "time", "code", "trend"
"""Kinds of column: how it is set."""
TONES = ("", "critical", "high", "faint", "unknown")
MAX_SPARK_POINTS = 120


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    kind: str = TEXT
    hint: str = ""
    """What the title does not say; shown when it is pointed at."""
    wide: bool = False
    """Takes the room that is left."""
    low: bool = False
    """Left out where there is little room."""
    spare: bool = False
    """Left out already in a window of middle width: another column, or a click, says it too."""
    wrap: bool = False
    """Long text goes on in the next line instead of being cut."""
    sort: PageState | None = None
    """The page sorted by this column, where it can be."""
    is_sorted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """One cell; a plain text will do where nothing else is needed."""

    text: object = None
    note: str = ""
    """A few words after it, paler."""
    href: str | None = None
    """From `navigation.href`."""
    bar: float | None = None
    """A bar behind the text, 0 to 1."""
    tone: str = ""
    """One of `TONES`: never the only sign of anything."""
    spark: Sequence[float | None] | None = None
    """Bars over time, oldest first; None is unknown."""
    title: str = ""
    """Shown when it is pointed at, and read aloud for a sparkline."""
    filter_by: tuple[Dimension, str] | None = None
    """Offers to keep only, or to leave out, this value of a dimension."""
    copy: str | None = None
    """Offers to copy this."""

    def to_json(self) -> dict[str, Any]:
        """For the browser, without what is not set."""
        found: dict[str, Any] = {
            "t": None if self.text is None else visible(self.text, 2_000),
            "n": visible(self.note),
            "h": self.href,
            "bar": self.bar,
            "tone": self.tone,
            "spark": None if self.spark is None else list(self.spark)[:MAX_SPARK_POINTS],
            "title": visible(self.title, 600),
            "c": self.copy,
        }
        if self.filter_by is not None:
            dimension, token = self.filter_by
            shown = f"{wording.SINGULARS[dimension]} {wording.label(dimension, token, token)}"
            found["f"] = {"d": str(dimension), "v": token, "say": visible(shown, 80)}
        return {name: value for name, value in found.items() if value not in (None, "")}


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row: as many cells as there are columns."""

    cells: tuple[Cell | str | None, ...]
    href: str | None = None
    """Where a click anywhere on the row leads."""
    chosen: bool = False


@functools.cache
def _component() -> Any:
    return declare("table", '<div class="gw-table"></div>')


def show_table(
    columns: Sequence[Column], rows: Sequence[Row], *, key: str, label: str, height: int | None = None
) -> None:
    """Draw a table.

    Args:
        columns: Left to right.
        rows: Top to bottom.
        key: Unique on the page.
        label: What the table shows, for people who hear the page.
        height: In pixels, above which it scrolls; None lets it grow.
    """
    data = {
        "module": browser_path("table.js"),
        "label": label,
        "height": height,
        "columns": [_column_json(column) for column in columns],
        "rows": [_row_json(row) for row in rows],
    }
    _component()(
        key=key,
        data=data,
        on_filter_change=functools.partial(_filter, key),
    )


def without_column(
    columns: Sequence[Column], rows: Sequence[Row], title: str
) -> tuple[list[Column], list[Row]]:
    """A table without one of its columns."""
    places = [place for place, column in enumerate(columns) if column.title != title]
    return (
        [columns[place] for place in places],
        [dataclasses.replace(row, cells=tuple(row.cells[place] for place in places)) for row in rows],
    )


def _column_json(column: Column) -> dict[str, Any]:
    return {
        "title": column.title,
        "kind": column.kind,
        "hint": column.hint,
        "wide": column.wide,
        "low": column.low,
        "spare": column.spare,
        "wrap": column.wrap,
        "sort": None if column.sort is None else navigation.here(column.sort),
        "sorted": column.is_sorted,
    }


def _row_json(row: Row) -> dict[str, Any]:
    cells = [Cell(cell).to_json() if isinstance(cell, str) else cell and cell.to_json() for cell in row.cells]
    return {"cells": cells, "h": row.href, "chosen": row.chosen}


def _filter(key: str) -> None:
    sent: Any = st.session_state[key].filter
    if not isinstance(sent, dict):
        return
    dimension, token = dimension_named(sent.get("d")), sent.get("v")
    if dimension is not None and isinstance(token, str) and 0 < len(token) <= MAX_VALUE_CHARS:
        set_state(current_state().adding(dimension, token, excluded=sent.get("excluded") is True))
