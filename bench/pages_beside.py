"""What each page asks, of a SQLite file and of a PostgreSQL database with the same history, in turns.

    python -m bench pages_beside -- [--events 5000000] [--runs 12] [--page NAME] [--path FILE] [--url URL]

Needs requirements-cluster-dev.lock. The questions are those of `python -m bench pages`, and two searches;
each is asked of both stores before the next, now this one first, now that, so that a busy machine is busy for
both. The file comes from `python -m bench fill`; the database is filled from it, in bulk, and both fit into
the operating system's memory. PostgreSQL 18 is reached over loopback and set as it is by default, but for
what docs/postgresql.md says. Figures are milliseconds for all questions of one page together: by the wall,
median and 95th percentile, and of processors, our thread's and that of the server's process together.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console
from rich.progress import track

from bench import fill
from bench.input.meter import machine
from bench.input.postgres_fill import fill as fill_postgres
from bench.pages import PAGES, RANGES, Asked, p95, questions
from storage.location import PostgresUrl
from storage.postgres.reader import PostgresReader
from storage.protocol import Reader
from storage.rows import EventQuery
from storage.sqlite_reader import SqliteReader
from tests.postgres import running

RESULTS = Path("artifacts/pages_beside.md")
DEADLINE_MS = 120_000
FILLING = ("-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "shared_buffers=128MB")
"""PostgreSQL's own default of memory; without a standby, rows in bulk need not go to the log as well."""
WHOLE = frozenset(("Health", "Find"))
"""Pages that no filter and no range changes."""
_BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gatewatch'"
)
_ABOUT = "SELECT current_setting('server_version'), pg_database_size(current_database())"


def find(reader: Reader, asked: Asked) -> None:
    """Three searches for a name or an address: what begins like it, and what holds it."""
    for text in (asked.consumer[:-1], asked.consumer[-3:], asked.address[:-2]):
        reader.search(text)


def searched_events(reader: Reader, asked: Asked) -> None:
    """The newest events that have to do with a word."""
    reader.events(EventQuery(window=asked.window, filters=asked.filters, text=asked.consumer))


ASKED: dict[str, Callable[..., None]] = {**PAGES, "Events, a word": searched_events, "Find": find}


class Times(NamedTuple):
    """Milliseconds of each time that a page was asked for."""

    wall: list[float]
    cpu: list[float]

    def __str__(self) -> str:
        wall, cpu = statistics.median(self.wall), statistics.median(self.cpu)
        return f"{wall:.0f} / {p95(self.wall):.0f} ({cpu:.0f})"


class Clock:
    """What a page took, the server's processor time included."""

    def __init__(self, url: PostgresUrl) -> None:
        self._watch = psycopg.connect(url.conninfo, autocommit=True, application_name="bench")

    def about(self) -> tuple[str, int]:
        """The server's version, and the bytes of the database."""
        version, size = self._watch.execute(_ABOUT).fetchone() or ("", 0)
        return str(version), int(size)

    def take(self, reader: Reader, name: str, asked: Asked, times: Times) -> None:
        """Ask, and note it."""
        since_server_ms = self._server_ms()
        since, worked = time.perf_counter(), time.thread_time()
        ASKED[name](reader, asked)
        times.wall.append((time.perf_counter() - since) * 1000)
        times.cpu.append((time.thread_time() - worked) * 1000 + self._server_ms() - since_server_ms)

    def _server_ms(self) -> float:
        """Of the processes that answer us; they are on this machine."""
        spent = 0
        for (pid,) in self._watch.execute(_BACKENDS).fetchall():
            # the first number is ns on a processor: https://docs.kernel.org/scheduler/sched-stats.html
            spent += int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])
        return spent / 1e6


def main(arguments: list[str]) -> None:
    """Fill, ask, print and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench pages_beside --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=12, help="times that each page is asked for")
    parser.add_argument("--page", choices=list(ASKED), action="append")
    parser.add_argument("--path", type=Path, help="the file; it is made where it is not there")
    parser.add_argument("--url", default="", help="a database on this machine, empty or filled by this bench")
    options = parser.parse_args(arguments)
    wanted = ["--events", str(options.events)]
    path = fill.main(wanted if options.path is None else [*wanted, "--path", str(options.path)])
    with _server(options.url) as url:
        fill_postgres(path, url)
        lines = []
        for line in _table(path, url, options):
            print(line, flush=True)
            lines.append(line)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _server(url: str) -> Iterator[PostgresUrl]:
    if url:
        yield PostgresUrl(url)
        return
    with running(*FILLING) as found:
        yield PostgresUrl(found.url())


def _table(path: Path, url: PostgresUrl, options: argparse.Namespace) -> Iterator[str]:
    clock = Clock(url)
    stores: tuple[Reader, Reader] = SqliteReader(path, DEADLINE_MS), PostgresReader(url, DEADLINE_MS)
    for reader in stores:
        reader.freshness()
    version, size = clock.about()
    yield f"{machine()}, PostgreSQL {version}"
    yield f"{stores[0].health().events:,} events, {path.stat().st_size / 1e9:.1f} GB and {size / 1e9:.1f} GB;"
    yield f"each page {options.runs} times; ms: median / p95 by the wall (median of processors)"
    yield ""
    yield "| page | range | SQLite | PostgreSQL | PostgreSQL / SQLite, by the wall | by processors |"
    yield "|---" * 6 + "|"
    for name in options.page or ASKED:
        for filtered in (False, True):
            if filtered and name in WHOLE:
                continue
            for said, range_ms in RANGES.items():
                if name == "Find" and said != "all":
                    continue
                file, server = _asked(clock, stores, name, range_ms, options.runs, filtered=filtered)
                page = name + ", one service" * filtered
                yield f"| {page} | {said} | {file} | {server} | {_ratios(file, server)} |"
    for reader in stores:
        reader.close()


def _asked(
    clock: Clock, stores: tuple[Reader, Reader], name: str, range_ms: int, runs: int, *, filtered: bool
) -> tuple[Times, Times]:
    found = Times([], []), Times([], [])
    asked = list(questions(range_ms, runs, filtered=filtered))
    for number, one in enumerate(track(asked, name, transient=True, console=Console(stderr=True))):
        for place in (number % 2, 1 - number % 2):
            clock.take(stores[place], name, one, found[place])
    return found


def _ratios(file: Times, server: Times) -> str:
    """Median over questions: what PostgreSQL took, by what SQLite did."""
    wall, cpu = (
        statistics.median(theirs / max(ours, 0.01) for ours, theirs in zip(*pair, strict=True))
        for pair in ((file.wall, server.wall), (file.cpu, server.cpu))
    )
    return f"{wall:.1f} | {cpu:.1f}"
