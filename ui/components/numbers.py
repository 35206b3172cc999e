"""A row of numbers above a page's charts: what it is, how much, and what to know about it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from ui.components.browser_part import declare
from ui.safe_text import visible
from ui.server.assets import browser_path


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """One number. Texts are shown letter by letter."""

    label: str
    value: str
    note: str = ""
    title: str = ""
    """Shown when it is pointed at."""
    href: str | None = None
    """Where its rows are, from `navigation.href`."""
    spark: Sequence[float | None] | None = None
    tone: str = ""
    """`critical` or `unknown`; the words say the same."""

    def to_json(self) -> dict[str, Any]:
        """For the browser."""
        return {
            "label": visible(self.label),
            "value": visible(self.value),
            "note": visible(self.note),
            "title": visible(self.title, 600),
            "href": self.href,
            "spark": None if self.spark is None else list(self.spark),
            "tone": self.tone,
        }


@functools.cache
def _component() -> Any:
    return declare("numbers", '<div class="gw-numbers"></div>')


def show_numbers(numbers: Sequence[Number], *, key: str, label: str) -> None:
    """Draw the row.

    Args:
        numbers: Left to right.
        key: Unique on the page.
        label: What they are about, for people who hear the page.
    """
    data = {
        "module": browser_path("numbers.js"),
        "label": visible(label),
        "numbers": [number.to_json() for number in numbers],
    }
    _component()(key=key, data=data)
