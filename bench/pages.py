"""Time what each page asks of a large database: `python -m bench pages [-- --events 5000000]`.

Each page's questions are asked as the page asks them, for the last hour, 24 hours, 30 days and everything,
each time about another consumer or address, busy and rare ones alike. Figures are milliseconds for all
questions of one page together, on one thread, with the file in the operating system's page cache: what the
clock on the wall says (median and 95th percentile), and the processor's share of it (95th percentile), which
does not depend on what else the machine is doing.
"""

from __future__ import annotations

import argparse
import platform
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import fill
from bench.input import gateway
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, Window, bucket_width_ms, floor_ms
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from ui.portrait import read_portrait
from ui.server.live_view import LiveView
from ui.server.subscription import Subscription

RANGES = {"last hour": HOUR_MS, "24 hours": DAY_MS, "30 days": 30 * DAY_MS, "all": gateway.DAYS * DAY_MS}
RESULTS = Path("artifacts/pages.md")
NO_FILTERS = Filters()


class Asked(NamedTuple):
    """One page, once."""

    window: Window
    filters: Filters
    consumer: str
    address: str
    service: str


def live(reader: SqliteReader, asked: Asked) -> None:
    """One whole picture of Live, as the hub computes it for all who watch the same."""
    length_ms = asked.window.length_ms
    view = LiveView(Subscription(range_ms=length_ms, filters=asked.filters), reader, "")
    view.news(gateway.NOW_MS)
    view.full(reader.freshness(), gateway.NOW_MS)


def consumers(reader: SqliteReader, asked: Asked) -> None:
    """The table of consumers."""
    _frame(reader, asked)
    reader.totals(asked.window, asked.filters)
    reader.breakdown(Dimension.CONSUMER, asked.window, asked.filters)
    listed = tuple(row.token for row in reader.top(Dimension.CONSUMER, asked.window, asked.filters, 50).rows)
    reader.spread(Dimension.CONSUMER, Dimension.IP, listed, asked.window, asked.filters)


def addresses(reader: SqliteReader, asked: Asked) -> None:
    """The table of addresses."""
    _frame(reader, asked)
    reader.totals(asked.window, asked.filters)
    reader.breakdown(Dimension.IP, asked.window, asked.filters)
    listed = tuple(row.token for row in reader.top(Dimension.IP, asked.window, asked.filters, 50).rows)
    reader.spread(Dimension.IP, Dimension.CONSUMER, listed, asked.window, asked.filters)


def one_consumer(reader: SqliteReader, asked: Asked) -> None:
    """Everything about one consumer."""
    _portrait(reader, asked, Dimension.CONSUMER, asked.consumer, Dimension.IP)


def one_address(reader: SqliteReader, asked: Asked) -> None:
    """Everything about one address."""
    _portrait(reader, asked, Dimension.IP, asked.address, Dimension.CONSUMER)


def events(reader: SqliteReader, asked: Asked) -> None:
    """The newest page of events, the next one, and what kinds there are."""
    _frame(reader, asked)
    query = EventQuery(window=asked.window, filters=asked.filters)
    page = reader.events(query)
    if page.next_seq is not None:
        reader.events(query, page.next_seq)
    reader.kind_counts(asked.window)
    if page.rows:
        reader.event(page.rows[0].seq)
    reader.events(EventQuery(window=asked.window, filters=asked.filters, kinds=("crud",)))


def health(reader: SqliteReader, asked: Asked) -> None:
    """The store about itself."""
    _frame(reader, asked)
    reader.health()
    reader.quarantine(asked.window)
    reader.gaps(asked.window)


PAGES: dict[str, Callable[[SqliteReader, Asked], None]] = {
    "Live": live,
    "Consumers": consumers,
    "One consumer": one_consumer,
    "Addresses": addresses,
    "One address": one_address,
    "Events": events,
    "Health": health,
}


def _frame(reader: SqliteReader, asked: Asked) -> None:
    reader.freshness()
    reader.gaps(asked.window, 1)
    reader.health()


def _portrait(reader: SqliteReader, asked: Asked, dimension: Dimension, token: str, other: Dimension) -> None:
    _frame(reader, asked)
    window, filters = asked.window, asked.filters
    bucket_ms = bucket_width_ms(window, 200)
    found = read_portrait(
        reader, dimension, token, window.aligned(bucket_ms), bucket_ms, filters=filters, known_from_ms=0
    )
    for of in (other, Dimension.SERVICE, Dimension.ROUTE, Dimension.LIMIT):
        reader.breakdown(of, window, found.filters)
    reader.pairs(Dimension.ROUTE, Dimension.LIMIT, window, found.filters)
    reader.events(EventQuery(window=window, filters=found.filters, violations_only=True))


def main(arguments: list[str]) -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench pages --", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=12, help="times that each page is asked for")
    parser.add_argument("--page", choices=list(PAGES), action="append")
    options = parser.parse_args(arguments)
    path = fill.main(["--events", str(options.events)])
    started = time.perf_counter()
    reader = SqliteReader(path, 30_000)
    reader.freshness()
    opened_ms = (time.perf_counter() - started) * 1000
    stored = reader.health()
    rows = []
    for name in options.page or PAGES:
        for filtered in (False, True):
            if filtered and name == "Health":
                continue
            figures = [_measured(reader, name, range_ms, options.runs, filtered=filtered)
                       for range_ms in track(RANGES.values(), name, transient=True)]  # fmt: skip
            rows.append((name + (", one service" if filtered else ""), figures))
    reader.close()
    text = "\n".join(_report(rows, stored.events, stored.file_bytes, opened_ms))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    _show(rows)
    print(f"opened and answered in {opened_ms:.0f} ms; {RESULTS} has the table")


class Figure(NamedTuple):
    """Milliseconds."""

    wall_p50: float
    wall_p95: float
    cpu_p95: float

    def __str__(self) -> str:
        return f"{self.wall_p50:.0f} / {self.wall_p95:.0f} ({self.cpu_p95:.0f})"


def _measured(reader: SqliteReader, name: str, range_ms: int, runs: int, *, filtered: bool) -> Figure:
    walls, cpus = [], []
    for asked in questions(range_ms, runs, filtered=filtered):
        started, worked = time.perf_counter(), time.thread_time()
        PAGES[name](reader, asked)
        walls.append((time.perf_counter() - started) * 1000)
        cpus.append((time.thread_time() - worked) * 1000)
    return Figure(statistics.median(walls), p95(walls), p95(cpus))


def p95(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20, method="inclusive")[18]


def questions(range_ms: int, runs: int, *, filtered: bool) -> Iterator[Asked]:
    """Whom and what is asked about: busy and rare consumers and addresses in turn, always the same ones."""
    chance = random.Random(range_ms)  # noqa: S311 - which consumers are looked at
    to_ms = floor_ms(gateway.NOW_MS, 10_000) + 10_000
    for run in range(runs):
        place = int(gateway.CONSUMERS * chance.random() ** 3) if run % 3 else run
        service = f"service-{chance.randrange(gateway.SERVICES):02}"
        n = place * 25 % gateway.ADDRESSES
        yield Asked(
            window=Window(to_ms - range_ms, to_ms),
            filters=NO_FILTERS.adding(Dimension.SERVICE, service) if filtered else NO_FILTERS,
            consumer=f"consumer-{place:04}",
            address=f"10.{n // 25 // 256}.{n // 25 % 256}.{1 + n % 25 * 9}",
            service=service,
        )


def _report(
    rows: list[tuple[str, list[Figure]]], events: int, file_bytes: int, opened_ms: float
) -> Iterator[str]:
    yield f"{events:,} events, {file_bytes / 1e6:,.0f} MB, {gateway.DAYS} days,"
    yield f"{gateway.CONSUMERS:,} consumers, {gateway.ADDRESSES:,} addresses;"
    yield f"SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}"
    yield f"Opened and answered in {opened_ms:.0f} ms. In ms: p50 / p95 (p95 of processor time)."
    yield ""
    yield f"| page | {' | '.join(RANGES)} |"
    yield "|---|" + "---|" * len(RANGES)
    for name, figures in rows:
        yield f"| {name} | " + " | ".join(map(str, figures)) + " |"


def _show(rows: list[tuple[str, list[Figure]]]) -> None:
    table = Table("page", *RANGES, title="p50 / p95 (p95 of processor time) in ms")
    for name, figures in rows:
        table.add_row(name, *map(str, figures))
    Console().print(table)
