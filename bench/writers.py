"""Events a second, decoded and stored, by one process into SQLite and by one and by two into PostgreSQL.

    python -m bench writers -- [--entries 8000] [--rounds 3] [--mix plugin|refusals|recorded]

Needs requirements-cluster-dev.lock. Each process decodes stream frames of 100 entries and stores 20 frames in
a durable transaction. The three ways take turns, round by round; two processes share the entries of a round.
Writers of PostgreSQL store in turns, and decode while another stores. Its server needs processors too: on a
machine of two, two writers and the server share them.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import msgspec

from bench.ingest import decoded, entries_of, frames
from bench.input.meter import machine
from collector.garbage import look_rarely
from settings import load_settings
from storage.opening import open_store
from tests.postgres import running

GROUP = 20
WAYS = {
    "SQLite, one process": ("sqlite", 1),
    "PostgreSQL, one": ("postgres", 1),
    "PostgreSQL, two": ("postgres", 2),
}


def _work(
    database: str, mix: str, skip: int, wanted: int, together: Barrier, told: Queue[tuple[float, float]]
) -> None:
    """Be one process that decodes and stores; tells when it began and when it had done."""
    given = list(frames(entries_of(mix), wanted, skip=skip))
    store = open_store(database, load_settings({}, {}))
    look_rarely()
    source = f"w-{skip}"
    together.wait()
    began = time.monotonic()
    for start in range(0, len(given), GROUP):
        batches = [decoded(*frame) for frame in given[start : start + GROUP]]
        store.write([msgspec.structs.replace(batch, source=source) for batch in batches])
    told.put((began, time.monotonic()))
    store.close()


def _rate(database: str, mix: str, skip: int, entries: int, processes: int) -> float:
    """Entries a second of some processes together."""
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(processes), context.Queue()
    each = entries // processes
    workers = [
        context.Process(target=_work, args=(database, mix, skip + n * each, each, together, told))
        for n in range(processes)
    ]
    for worker in workers:
        worker.start()
    spans = [told.get(timeout=600) for _ in workers]
    for worker in workers:
        worker.join()
    return each * processes / (max(end for _, end in spans) - min(began for began, _ in spans))


def main(arguments: list[str]) -> None:
    """Measure, and print one line per way."""
    parser = argparse.ArgumentParser(
        prog="python -m bench writers --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--entries", type=int, default=8_000, help="in a round, of each way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mix", choices=("plugin", "refusals", "recorded"), default="plugin")
    options = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder, running() as server:
        databases = {"sqlite": str(Path(folder) / "g.db"), "postgres": server.url()}
        skips = itertools.count(0, options.entries)
        for number in range(options.rounds):
            for name in sorted(WAYS, reverse=bool(number % 2)):
                engine, processes = WAYS[name]
                rate = _rate(databases[engine], options.mix, next(skips), options.entries, processes)
                rates[name].append(rate)
    print(machine())
    print(f"{options.entries} entries ({options.mix}) a round, {options.rounds} rounds; medians")
    base = statistics.median(rates["SQLite, one process"])
    for name, found in rates.items():
        middle = statistics.median(found)
        every = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"{name:22} {middle:8,.0f} entries/s  {middle / base:5.2f} x SQLite  ({every})")
