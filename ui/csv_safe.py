"""Cells of a CSV file that no spreadsheet takes for a formula. RFC 4180, UTF-8, lines end in CR LF."""

from __future__ import annotations

from collections.abc import Iterable

FORMULA_STARTS = frozenset(
    "=+-@\t\r\n"
    "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""First characters after which a spreadsheet may calculate (OWASP, CSV Injection);
the full-width forms are folded to the plain ones by East Asian editions."""
_QUOTED = frozenset('",\r\n')


def csv_cell(value: object) -> str:
    """One cell: None is empty, a text that could be a formula gets an apostrophe, numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if text[:1] in FORMULA_STARTS and text:
        text = "'" + text
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def csv_line(values: Iterable[object]) -> str:
    """One record with its line end."""
    return ",".join(map(csv_cell, values)) + "\r\n"
