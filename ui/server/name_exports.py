"""Downloads of a page's list of names: every consumer or address of a span with its totals, without a cap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import orjson

from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.protocol import Reader
from storage.rows import CellRow
from ui.csv_safe import csv_line
from ui.server.export_files import PURPOSE, iso
from ui.server.tickets import EXPORT_LIFETIME_MS, Tickets

NAMES = {"consumers": Dimension.CONSUMER, "addresses": Dimension.IP}
"""What can be asked for: its place in the URL -> the dimension."""
MAX_NAMES = 1_000_000
"""More addresses than are told apart in any span that the totals answer."""
COLUMNS = (
    "name",
    "token",
    "violations",
    "limited",
    "probable",
    "requests",
    "refusal_ratio",
    "unauthorized",
    "first_seen",
    "last_seen",
)
"""`token` is what URLs and filters take; instants are ISO 8601 in UTC, to within the totals' bucket."""


def names_export_url(
    tickets: Tickets,
    form: str,
    dimension: Dimension,
    window: Window,
    filters: Filters,
    *,
    sample: bool = False,
    who: str = "",
) -> str:
    """The address of a download, good for 15 minutes.

    Args:
        tickets: The server's.
        form: `csv` or `jsonl`.
        dimension: Consumers or addresses.
        window: Of which span.
        filters: Of which requests.
        sample: Whether of the sample's database.
        who: Whom the page was made for; the audit trail names them.
    """
    what = next(name for name, found in NAMES.items() if found == dimension)
    params: dict[str, list[str]] = {
        "from": [str(window.from_ms)],
        "to": [str(window.to_ms)],
        **filters.to_params(),
        "sample": ["1"] if sample else [],
        "ticket": [tickets.issue(PURPOSE, who, EXPORT_LIFETIME_MS)],
    }
    return f"/gatewatch/export/{what}.{form}?{urlencode(params, doseq=True)}"


def name_lines(reader: Reader, what: str, window: Window, filters: Filters, form: str) -> Iterator[str]:
    """The lines of a file, most violations first. Nothing is read before the first is asked for.

    Args:
        reader: The store.
        what: One of `NAMES`.
        window: Of which span.
        filters: Of which requests.
        form: `csv` or `jsonl`.
    """
    cells = reader.breakdown(NAMES[what], window, filters, MAX_NAMES)
    if form == "csv":
        yield csv_line(COLUMNS)
    for cell in cells:
        values = _values(cell)
        yield csv_line(values) if form == "csv" else _json_line(values)


def _values(cell: CellRow) -> tuple[object, ...]:
    violations = cell.limited + cell.probable
    ratio = round(violations / cell.requests, 6) if cell.requests else None
    return (
        cell.label,
        cell.token,
        violations,
        cell.limited,
        cell.probable,
        cell.requests,
        ratio,
        cell.unauthorized,
        iso(cell.first_ms),
        iso(cell.last_ms),
    )


def _json_line(values: Sequence[object]) -> str:
    return orjson.dumps(dict(zip(COLUMNS, values, strict=True))).decode() + "\n"
