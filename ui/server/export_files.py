"""What all downloads share: forms, times, names of files, and lines gathered into blocks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence

from domain.filters import Filters
from domain.windows import Window

PURPOSE = "export"
"""Of the tickets that allow a download."""
TYPES = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/jsonl; charset=utf-8"}
LINES_AT_ONCE = 500


def file_name(
    what: str, window: Window, filters: Filters, form: str, *, sample: bool, more: Sequence[str] = ()
) -> str:
    """Says what is inside: `gatewatch-violations_20260113T093000Z_20260113T100000Z_consumer-acme_UTC.csv`."""
    parts = [("sample-" if sample else "gatewatch-") + what]
    parts += [instant(at_ms).strftime("%Y%m%dT%H%M%SZ") for at_ms in (window.from_ms, window.to_ms)]
    parts += [f"{name}-{value}" for name, values in filters.to_params().items() for value in values]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join([*parts, *more, "UTC"]))[:150] + f".{form}"


def instant(at_ms: int) -> dt.datetime:
    """An instant as an aware time."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return epoch + dt.timedelta(milliseconds=at_ms)


def iso(at_ms: int) -> str:
    """An instant as ISO 8601 in UTC, to the millisecond."""
    return instant(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def blocks(lines: Iterator[str]) -> Iterator[bytes]:
    """Several lines at once: a block costs a change of threads."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) >= LINES_AT_ONCE:
            yield "".join(block).encode("utf-8", "backslashreplace")
            block.clear()
    yield "".join(block).encode("utf-8", "backslashreplace")
