"""The same questions of small and large databases in turn: what a page costs as the file grows.

    python -m bench growth -- [--events 1000000 10000000 100000000] [--runs 12]

Every question of a page (as `python -m bench pages` asks it) is asked of each file before the next question,
so that a busy machine is busy for all. Figures are the 95th percentile, by the wall and by the processor, and
how many times that of the smallest file it is. Files are made once: a hundred million events take about 20 GB
and half an hour.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from bench import fill
from bench.pages import PAGES, RANGES, Asked, p95, questions
from storage.sqlite_reader import SqliteReader

RESULTS = Path("artifacts/growth.md")
Times = tuple[list[float], list[float]]
"""Milliseconds of each question: by the wall, and by the processor."""


def main(arguments: list[str]) -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench growth --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--runs", type=int, default=12, help="times that each page is asked for")
    parser.add_argument("--page", choices=list(PAGES), action="append")
    options = parser.parse_args(arguments)
    paths = [fill.main(["--events", str(events)]) for events in sorted(options.events)]
    readers, opened_ms = [], []
    for path in paths:
        since = time.perf_counter()
        reader = SqliteReader(path, 60_000)
        reader.freshness()
        opened_ms.append((time.perf_counter() - since) * 1000)
        readers.append(reader)
    about = f"SQLite {sqlite3.sqlite_version}, Python {platform.python_version()}; 95th percentile of"
    lines = [
        f"{about} {options.runs} questions, ms by wall (processor), times the smallest file by processor",
        "",
        "| page | range | " + " | ".join(f"{reader.health().events:,}" for reader in readers) + " |",
        "|---" * (2 + len(readers)) + "|",
        "| opened | | " + " | ".join(f"{ms:.0f}" for ms in opened_ms) + " |",
        "| file, GB | | " + " | ".join(f"{path.stat().st_size / 1e9:.1f}" for path in paths) + " |",
    ]
    for name in options.page or PAGES:
        for filtered in (False, True):
            if filtered and name == "Health":
                continue
            for said, range_ms in track(RANGES.items(), name, transient=True, console=Console(stderr=True)):
                cells = [
                    _cell(times) for times in _asked(readers, name, range_ms, options.runs, filtered=filtered)
                ]
                first = cells[0][1]
                shown = (f"{wall:.0f} ({cpu:.0f}) {cpu / first:.1f}x" for wall, cpu in cells)
                lines.append(f"| {name}{', one service' * filtered} | {said} | {' | '.join(shown)} |")
    for reader in readers:
        reader.close()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _asked(
    readers: list[SqliteReader], name: str, range_ms: int, runs: int, *, filtered: bool
) -> list[Times]:
    found: list[Times] = [([], []) for _ in readers]
    for asked in questions(range_ms, runs, filtered=filtered):
        for reader, times in zip(readers, found, strict=True):
            _time(reader, name, asked, times)
    return found


def _time(reader: SqliteReader, name: str, asked: Asked, times: Times) -> None:
    since, worked = time.perf_counter(), time.thread_time()
    PAGES[name](reader, asked)
    times[0].append((time.perf_counter() - since) * 1000)
    times[1].append((time.thread_time() - worked) * 1000)


def _cell(times: Times) -> tuple[float, float]:
    return p95(times[0]), max(p95(times[1]), 0.01)
