"""Events a second into SQLite and into PostgreSQL, the same batches in turns.

    python -m bench stores -- [--entries 20000] [--mix plugin|refusals|recorded] [--url URL]

Needs requirements-cluster-dev.lock. What is measured is `Store.write` alone, with every total, both durable:
SQLite with `synchronous=FULL`, PostgreSQL 18 with `synchronous_commit=on` and fsync, on the same disk,
reached over loopback. Both take turns, group by group, so that a busy machine is busy for both. Decoding
comes before and is the same for both. The server is another process: its work is in the wall time, not in
our CPU time.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.ingest import FRAME_ITEMS, decoded, entries_of, frames
from bench.input.meter import Meter, machine, ratio
from collector.garbage import look_rarely
from settings import load_settings
from storage.location import PostgresUrl
from storage.postgres.connection import SCHEMA
from storage.postgres.store import PostgresStore
from storage.sqlite_store import SqliteStore
from tests.postgres import running


@contextlib.contextmanager
def _server(url: str) -> Iterator[PostgresUrl]:
    """A server that is there, or one of our own."""
    if url:
        yield PostgresUrl(url)
        return
    with running() as found:
        yield PostgresUrl(found.url())


def main(arguments: list[str]) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench stores --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--mix", choices=("plugin", "refusals", "recorded"), default="plugin")
    parser.add_argument("--group", type=int, default=20, help="frames in one transaction")
    parser.add_argument("--url", default="", help="an empty database of a server; else one is started")
    parser.add_argument("--only", choices=("both", "postgres"), default="both", help="for a profiler")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, _server(options.url) as url:
        _run(Path(folder), url, options)


def _run(folder: Path, url: PostgresUrl, options: argparse.Namespace) -> None:
    settings = load_settings({}, {})
    stores = {"PostgreSQL": PostgresStore(url, settings)}
    if options.only == "both":
        stores["SQLite"] = SqliteStore(folder / "ours.db", settings)  # type: ignore[assignment]
    meters = {name: Meter() for name in stores}
    chunks = frames(entries_of(options.mix), options.entries)
    look_rarely()
    for number in itertools.count():
        batches = [decoded(*frame) for frame in itertools.islice(chunks, options.group)]
        if not batches:
            break
        for name in sorted(stores, reverse=bool(number % 2)):
            with meters[name]:
                stores[name].write(batches)
    for store in stores.values():
        store.checkpoint()
        store.close()
    with psycopg.connect(url.conninfo) as connection:
        (version, database_bytes) = connection.execute(
            "SELECT current_setting('server_version'), (SELECT sum(pg_total_relation_size(c.oid))"
            f" FROM pg_class c WHERE relkind = 'r' AND relnamespace = '{SCHEMA}'::regnamespace)"
        ).fetchone() or ("", 0)
    print(f"{machine()}, PostgreSQL {version}")
    grouped = f"frames of {FRAME_ITEMS}, {options.group} frames in a transaction"
    print(f"{options.entries} entries ({options.mix}), {grouped}")
    for name, meter in sorted(meters.items()):
        print(meter.told(name, options.entries))
    if len(meters) > 1:
        print(ratio("SQLite / PostgreSQL", meters["SQLite"], meters["PostgreSQL"]))
        size = (folder / "ours.db").stat().st_size
        print(f"{'bytes an entry':42} SQLite {size / options.entries:.0f}")
    print(f"{'bytes an entry':42} PostgreSQL {int(database_bytes) / options.entries:.0f}")
