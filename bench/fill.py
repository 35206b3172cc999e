"""Make a large database with the shape of a busy gateway: `python -m bench fill -- --events 5000000`.

Nothing is decoded or judged: the rows are drawn day by day and put straight into the tables, with the totals
that the writer would have kept; `tests/bench/test_fill.py` holds the two together.

The gateway: 2,000 consumers, 50,000 addresses, 20 services with 60 routes, four nodes, 90 days. Nine in ten
refusals come in bursts of one consumer, address and route; the rest are single ones from anywhere. Traffic
that was not refused comes in twenty combinations a minute, most of them other ones than the minute before.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.input import gateway
from bench.input.filler import Filler
from bench.input.gateway import make_world
from storage.connection import open_writer
from storage.packs import PACKED
from storage.schema import prepare
from storage.writing.packs import PackBook

PASSED_A_MINUTE = 20


def main(arguments: list[str]) -> Path:
    """Fill, unless the file is there already."""
    parser = argparse.ArgumentParser(prog="python -m bench fill --", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=gateway.DAYS)
    parser.add_argument("--path", type=Path, default=None)
    options = parser.parse_args(arguments)
    path = options.path or Path(f"artifacts/bench-{options.events}.db")
    if path.exists():
        print(f"{path} is there already, {path.stat().st_size / 1e6:,.0f} MB")
        return path
    return fill(path, options.events, options.days)


def fill(
    path: Path,
    events: int,
    days: int = gateway.DAYS,
    *,
    passed_a_minute: float = PASSED_A_MINUTE,
    quiet: bool = False,
) -> Path:
    """Make the file. It gets its name when it is complete."""
    unfinished = path.with_suffix(".unfinished")
    for old in unfinished.parent.glob(unfinished.name + "*"):
        old.unlink()
    connection = open_writer(unfinished)
    prepare(connection, unfinished)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, disable=quiet or not sys.stderr.isatty()) as progress:
        _fill(connection, events, days, passed_a_minute, progress)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.close()
    unfinished.rename(path)
    return path


def _fill(
    connection: sqlite3.Connection, events: int, days: int, passed_a_minute: float, progress: Progress
) -> None:
    random = np.random.default_rng(20_260_113)
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.execute("BEGIN")
    filler = Filler(connection, make_world(connection, random), random, days, passed_a_minute)
    task = progress.add_task(f"{events:,} events over {days} days", total=days)
    for day in range(days):
        share = events * (day + 1) // days - events * day // days
        filler.day(day, share)
        progress.advance(task)
    filler.finish()
    connection.execute("COMMIT")
    task = progress.add_task("indexes", total=len(indexes))
    for _, sql in indexes:
        connection.execute(sql)
        progress.advance(task)
    (rows,) = connection.execute("SELECT count(*) FROM cells WHERE res >= ?", (min(PACKED),)).fetchone()
    task = progress.add_task("hours and days packed", total=rows)
    packs = PackBook(connection)
    while packed := packs.make(gateway.NOW_MS, 20_000):
        progress.advance(task, packed)
    progress.update(task, completed=rows)


if __name__ == "__main__":
    main(sys.argv[1:])
