"""The same requests into this program and into what people might use instead, side by side.

    python -m bench beside -- [--rounds 10] [--entries 20000] [--only NAME ...]

A recorded trace of a real Kong, round after round with new request ids. In every round each engine takes its
turn with the very same entries, in an order that moves on, so that a busy machine is busy for all. Durability
is what each can do: an acknowledgement after a sync of the disk, where there is such a thing. CPU is that of
the engine's own processes. What cannot be found on this machine is named and left out.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.engines import goaccess, ours, postgres_copy, prometheus, redis_streams, sqlite_utils_insert
from bench.engines.contest import Engine, MissingError, Portion, as_json_lines
from bench.input.meter import machine
from bench.input.shapes import trace_entries

ENGINES: tuple[Callable[[Path], Engine], ...] = (
    ours.Gatewatch,
    sqlite_utils_insert.SqliteUtilsInsert,
    goaccess.GoAccess,
    redis_streams.RedisStreams,
    postgres_copy.PostgresCopy,
    prometheus.Prometheus,
)
QUESTIONS = (
    "each request, by id",
    "refusals by consumer and address, any hour",
    "a resent request counted once",
    "which 429 was the gateway's own",
    "live, pushed",
)
CAN: dict[str, tuple[str, ...]] = {
    "Gatewatch": ("refusals, the rest in totals", "yes", "yes", "yes", "yes"),
    "sqlite-utils insert --nl": ("yes", "by a full scan of JSON", "yes", "no: only by hand", "no"),
    "GoAccess": ("no", "addresses only, by day", "no", "no", "its own report"),
    "Redis Streams": ("by its place only", "no", "no", "no", "yes"),
    "PostgreSQL COPY": ("yes", "by a full scan of JSON", "yes", "no: only by hand", "no"),
    "Prometheus": ("no", "by label, from scrape to scrape", "no", "no", "polled"),
}
"""What each can answer afterwards, by `QUESTIONS`; without further tables, indexes or programs."""


def portion(entries: list[dict[str, object]], number: int, size: int) -> Portion:
    """The entries of one round: later than those before, and with request ids of their own."""
    span_ms = int(entries[-1]["started_at"]) - int(entries[0]["started_at"]) + 1_000  # type: ignore[call-overload]
    made = []
    for count in range(number * size, (number + 1) * size):
        again, place = divmod(count, len(entries))
        entry = dict(entries[place])
        request = dict(entry["request"])  # type: ignore[call-overload]
        request["id"] = f"{count:08x}{request['id'][8:]}"
        entry |= {"request": request, "started_at": int(entry["started_at"]) + again * span_ms}  # type: ignore[call-overload]
        made.append(entry)
    return Portion(made, as_json_lines(made))


def main(arguments: list[str]) -> None:
    """Run all, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench beside --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--entries", type=int, default=20_000, help="in each round")
    parser.add_argument("--only", nargs="*", help="parts of names")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    entries, engines = trace_entries(refusals_only=False), []
    for number, make in enumerate(ENGINES):
        name = str(getattr(make, "name", ""))
        if options.only and not any(part.lower() in name.lower() for part in options.only):
            continue
        own = folder / str(number)
        own.mkdir()
        own.chmod(0o755)
        try:
            engines.append(make(own))
        except MissingError as missing:
            print(f"{name} is left out: {missing}", file=sys.stderr)
    wall_s: dict[str, list[float]] = collections.defaultdict(list)
    cpu_s: dict[str, float] = collections.defaultdict(float)
    sent_bytes = 0
    try:
        for number in track(range(options.rounds), "rounds", console=Console(stderr=True)):
            now = portion(entries, number, options.entries)
            sent_bytes += len(now.lines)
            for place in range(len(engines)):
                engine = engines[(place + number) % len(engines)]
                engine.prepare(now)
                before_s, since = engine.cpu_s(), time.perf_counter()
                engine.feed()
                wall_s[engine.name].append(time.perf_counter() - since)
                cpu_s[engine.name] += engine.cpu_s() - before_s
        _tell(engines, wall_s, cpu_s, sent_bytes, options)
    finally:
        for engine in engines:
            engine.stop()


def _tell(
    engines: list[Engine],
    wall_s: dict[str, list[float]],
    cpu_s: dict[str, float],
    sent_bytes: int,
    options: argparse.Namespace,
) -> None:
    total = options.rounds * options.entries
    print(machine())
    print(
        f"{total:,} requests of {sent_bytes / total:,.0f} bytes, in {options.rounds} rounds;"
        f" by wall the median round, CPU over all"
    )
    table = Table(
        "engine",
        "requests/s",
        "this program is ... times as fast",
        "us CPU each",
        "bytes each",
        "says it holds",
        box=None,
    )
    ours_s = wall_s.get("Gatewatch")
    for engine in engines:
        rounds = wall_s[engine.name]
        ratio = "-"
        if ours_s:
            ratio = f"{statistics.median(other / own for own, other in zip(ours_s, rounds, strict=True)):.2f}"
        held = engine.stored()
        table.add_row(
            f"{engine.name} {engine.version}",
            f"{options.entries / statistics.median(rounds):,.0f}",
            ratio,
            f"{cpu_s[engine.name] / total * 1e6:.1f}",
            f"{engine.size() / total:,.0f}",
            f"{held:,}",
        )
    console = Console(width=140)
    console.print(table)
    series = next((e.series for e in engines if isinstance(e, prometheus.Prometheus)), None)
    if series is not None:
        print(f"Prometheus held {series:,} series: its cost goes by series and scrapes, not by requests.")
    able = Table("afterwards", *QUESTIONS, box=None)
    for engine in engines:
        able.add_row(engine.name, *CAN[engine.name])
    console.print(able)
