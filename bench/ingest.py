"""Durable events a second through decoding and the store, beside a bare loop of the same rows.

    python -m bench ingest -- [--entries 40000] [--mix plugin|refusals|recorded] [--group 20] [--stream]

What is measured: stream frames of 100 log entries of a recorded trace, with new request ids each time round;
bytes in, decoded, redacted, judged, told apart from duplicates, written with every total in one transaction
per `--group` frames (a sender's whole window), `synchronous=FULL`.

- `plugin`: refusals with the fields that our Kong plugin sends
- `refusals`: refusals, whole, as Kong's http-log plugin writes them
- `recorded`: all entries, whole; one in eight is a refusal, the rest is folded into totals

The ceiling: the rows of that very run, kept from a first pass, put into the same schema by a loop that does
nothing else: same statements, same transactions, no decoding, no look-ups, no duplicates. Both take turns,
group by group, in one process, so that a busy machine is busy for both.

With `--stream` a real collector takes the frames over a socket and acknowledges after the commit, its sender
within the window that it grants; it takes turns with the ceiling, five groups at a time.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

import storage.sqlite_store
from bench.engines.ours import Gatewatch
from bench.input.meter import Meter, machine, ratio
from bench.input.shapes import as_plugin_entry, trace_entries
from collector.batching import read_batch
from collector.garbage import look_rarely
from collector.wire.stream import BatchFrame, decode_client_frame
from settings import load_settings
from storage.batches import Batch
from storage.connection import _prepare_writer, open_writer
from storage.schema import prepare
from storage.sqlite_store import SqliteStore

FRAME_ITEMS = 100
GROUPS_IN_A_TURN = 5
"""Through a socket: the first and the last of a turn wait for a commit alone."""
NODE = "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca"
Statement = tuple[str, bool, Any]
"""SQL, whether it is for many rows, and the values."""


class Recorder(sqlite3.Connection):
    """Keeps every statement that writes."""

    kept: list[Statement]
    is_on = False

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:  # type: ignore[override]
        """Run one, and keep it where it writes."""
        if self.is_on and sql.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            self.kept.append((sql, False, values))
        return super().execute(sql, values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:  # type: ignore[override]
        """Run one for many rows, and keep it where there are any."""
        rows = list(values)
        if self.is_on and rows:
            self.kept.append((sql, True, rows))
        return super().executemany(sql, rows)


def entries_of(mix: str) -> list[dict[str, Any]]:
    """The log entries of a mix, in order of their start."""
    found = trace_entries(refusals_only=mix != "recorded")
    return [as_plugin_entry(entry) for entry in found] if mix == "plugin" else found


def frames(
    entries: list[dict[str, Any]], wanted: int, size: int = FRAME_ITEMS, skip: int = 0
) -> Iterator[tuple[int, bytes]]:
    """(received at, frame) until `wanted` entries were given; every time round is new traffic, later."""
    span_ms = entries[-1]["started_at"] - entries[0]["started_at"] + 1_000
    first, waiting = 1, []
    for number in range(skip, skip + wanted):
        again, place = divmod(number, len(entries))
        entry = dict(entries[place])
        request_id = f"{number:08x}{entry['request']['id'][8:]}"
        entry["request"] = {**entry["request"], "id": request_id}
        entry["started_at"] += again * span_ms
        waiting.append({"kind": "http-log", "id": request_id, "node": NODE, "entry": entry})
        if len(waiting) == size or number == skip + wanted - 1:
            frame = {"t": "batch", "first": first, "events": waiting}
            yield entry["started_at"] + 50, orjson.dumps(frame)
            first, waiting = first + len(waiting), []


def decoded(received_ms: int, raw: bytes) -> Batch:
    """One frame as the collector hands it to the writer."""
    frame = decode_client_frame(raw)
    assert isinstance(frame, BatchFrame)
    gathered = read_batch(frame.events, received_ms=received_ms)
    return Batch(
        source="gw-1",
        way="stream",
        received_ms=received_ms,
        decoded=gathered.decoded,
        epoch="e",
        first=frame.first,
        upto=frame.first + len(frame.events) - 1,
    )


def rehearse(path: Path, groups: list[list[tuple[int, bytes]]]) -> list[list[Statement]]:
    """Run everything once, and keep what each transaction wrote."""
    connections: list[Recorder] = []

    def opened(found: Path) -> sqlite3.Connection:
        open_writer(found).close()
        connection = sqlite3.connect(found, isolation_level=None, factory=Recorder)  # noqa: TID251
        connection.kept = []
        _prepare_writer(connection, found)
        connections.append(connection)
        return connection

    storage.sqlite_store.open_writer = opened  # type: ignore[assignment]
    store = SqliteStore(path, load_settings({}, {}))
    storage.sqlite_store.open_writer = open_writer  # type: ignore[assignment]
    (connection,) = connections
    kept = []
    for group in groups:
        connection.is_on, connection.kept = True, []
        store.write([decoded(*frame) for frame in group])
        kept.append(connection.kept)
    store.close()
    return kept


class Bare:
    """The ceiling."""

    def __init__(self, path: Path) -> None:
        self.connection = open_writer(path)
        prepare(self.connection, path)

    def write(self, statements: list[Statement]) -> None:
        """One transaction of ready rows."""
        execute, many = self.connection.execute, self.connection.executemany
        execute("BEGIN IMMEDIATE")
        for sql, is_many, values in statements:
            (many if is_many else execute)(sql, values)
        execute("COMMIT")


def main(arguments: list[str]) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench ingest --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--entries", type=int, default=40_000)
    parser.add_argument("--mix", choices=("plugin", "refusals", "recorded"), default="plugin")
    parser.add_argument("--group", type=int, default=20, help="frames in one transaction")
    parser.add_argument("--alone", action="store_true", help="only our side, for a profiler")
    parser.add_argument("--folder", type=Path, help="where the databases are made")
    parser.add_argument("--stream", action="store_true", help="through a real collector's socket")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stream = list(frames(entries_of(options.mix), options.entries))
        chunks = iter(stream)
        groups = list(iter(lambda: list(itertools.islice(chunks, options.group)), []))
        if options.stream:
            _through_a_socket(Path(folder), groups, options)
        else:
            _run(Path(folder), stream, groups, options)


def _through_a_socket(
    folder: Path, groups: list[list[tuple[int, bytes]]], options: argparse.Namespace
) -> None:
    kept = rehearse(folder / "rehearsal.db", groups)
    (folder / "ours").mkdir()
    bare, ours = Bare(folder / "bare.db"), Gatewatch(folder / "ours")
    ceiling, wall_s, upto = Meter(), 0.0, 0
    try:
        before_s = ours.cpu_s()
        for start in range(0, len(groups), GROUPS_IN_A_TURN):
            part = [frame for group in groups[start : start + GROUPS_IN_A_TURN] for _, frame in group]
            sent = [(min(options.entries, upto + (n + 1) * FRAME_ITEMS), raw) for n, raw in enumerate(part)]
            since = time.perf_counter()
            ours.feed_frames(sent)
            wall_s += time.perf_counter() - since
            upto = sent[-1][0]
            with ceiling:
                for statements in kept[start : start + GROUPS_IN_A_TURN]:
                    bare.write(statements)
        cpu_s = ours.cpu_s() - before_s
    finally:
        ours.stop()
    n = options.entries
    print(machine())
    print(
        f"{n} entries ({options.mix}), frames of {FRAME_ITEMS} through a socket, acknowledged after commits"
    )
    each = f"{wall_s / n * 1e6:6.1f} us wall, {cpu_s / n * 1e6:6.1f} us CPU each"
    print(f"{'collector':16} {n / wall_s:10,.0f} entries/s  {each}")
    print(ceiling.told("bare loop", n))
    by_wall, by_cpu = ceiling.wall_s / wall_s, ceiling.cpu_s / cpu_s
    print(f"{'bare loop / collector':42} {by_wall:5.2f} by wall, {by_cpu:5.2f} by CPU")


def _run(
    folder: Path,
    stream: list[tuple[int, bytes]],
    groups: list[list[tuple[int, bytes]]],
    options: argparse.Namespace,
) -> None:
    kept = [] if options.alone else rehearse(folder / "rehearsal.db", groups)
    store = SqliteStore(folder / "ours.db", load_settings({}, {}))
    bare = Bare(folder / "bare.db")
    look_rarely()
    decode, write, ceiling = Meter(), Meter(), Meter()
    for number, group in enumerate(groups):
        if kept and number % 2:
            with ceiling:
                bare.write(kept[number])
        with decode:
            batches = [decoded(*frame) for frame in group]
        with write:
            store.write(batches)
        if kept and not number % 2:
            with ceiling:
                bare.write(kept[number])
    store.checkpoint()
    store.close()
    n, sent_bytes = options.entries, sum(len(raw) for _, raw in stream)
    print(machine())
    print(f"{n} entries ({options.mix}), frames of {FRAME_ITEMS}, {options.group} frames in a transaction")
    print(decode.told("decode", n))
    print(write.told("write", n))
    if kept:
        print(ceiling.told("bare loop", n))
        print(ratio("bare loop / write", ceiling, write))
        print(ratio("bare loop / (decode + write)", ceiling, decode, write))
    size = (folder / "ours.db").stat().st_size
    each = f"{size / n:.0f} of {sent_bytes / n:.0f} an entry"
    print(f"{'file bytes / bytes sent':42} {size / sent_bytes:5.2f}, {each}")
