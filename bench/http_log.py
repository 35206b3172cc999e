"""Log entries a second through decoding and the store, as Kong posts them, beside `orjson.loads` alone.

    python -m bench http_log -- [--entries 40000] [--violations 0.05] [--bodies 10]

Bodies of 200 entries of a recorded trace, one in twenty a refusal, with new request ids each time round;
decoded, told apart from resent ones, folded into totals, refusals redacted and stored, `--bodies` of them in
a durable transaction. Both take turns, body by body, in one process.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.input.meter import Meter, machine, ratio
from bench.input.shapes import is_refusal, trace_entries
from collector.garbage import look_rarely
from collector.wire.http_log import decode_http_log
from settings import load_settings
from storage.batches import Batch
from storage.sqlite_store import SqliteStore

BODY_ENTRIES = 200


def bodies(wanted: int, violations: float) -> Iterator[tuple[int, bytes]]:
    """(received at, body) until `wanted` entries were given; time goes on, and request ids are new."""
    entries = trace_entries(refusals_only=False)
    chance = random.Random(1)  # noqa: S311 - the same every time
    refused = itertools.cycle([entry for entry in entries if is_refusal(entry)])
    passed = itertools.cycle([entry for entry in entries if not is_refusal(entry)])
    start_ms, body = entries[0]["started_at"], []
    for number in range(wanted):
        entry: dict[str, Any] = dict(next(refused if chance.random() < violations else passed))
        entry["request"] = {**entry["request"], "id": f"{number:08x}{entry['request']['id'][8:]}"}
        entry["started_at"] = start_ms + number
        body.append(entry)
        if len(body) == BODY_ENTRIES or number == wanted - 1:
            yield entry["started_at"] + 50, orjson.dumps(body)
            body = []


def main(arguments: list[str]) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench http_log --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--entries", type=int, default=40_000)
    parser.add_argument("--violations", type=float, default=0.05)
    parser.add_argument("--bodies", type=int, default=25, help="bodies in one transaction")
    options = parser.parse_args(arguments)
    look_rarely()
    loads, decode, write = Meter(), Meter(), Meter()
    posted = bodies(options.entries, options.violations)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "g.db", load_settings({}, {}))
        while group := list(itertools.islice(posted, options.bodies)):
            batches = []
            for received_ms, body in group:
                with loads:
                    orjson.loads(body)
                with decode:
                    found = decode_http_log(body, received_ms=received_ms)
                batches.append(
                    Batch(source="http-log", way="http-log", received_ms=received_ms, decoded=found)
                )
            with write:
                store.write(batches)
        store.close()
    n = options.entries
    print(machine())
    shape = f"bodies of {BODY_ENTRIES}, {options.violations:.0%} refusals, {options.bodies} in a transaction"
    print(f"{n} entries, {shape}")
    for name, meter in (("orjson.loads", loads), ("decode", decode), ("write", write)):
        print(meter.told(name, n))
    print(ratio("orjson.loads / (decode + write)", loads, decode, write))
