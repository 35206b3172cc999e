"""A program that keeps a read open while events arrive: the write-ahead log grows, and comes back down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.connection import open_reader
from tests.e2e.load import Load, health, lost_and_doubled, measured
from tests.kong_plugin.processes import Collector, wait_for

pytestmark = pytest.mark.slow

RATE = 10_000
HELD_S = 8.0
MOST_BYTES = 256 * 1024 * 1024
LEFT_BYTES = 64 * 1024 * 1024
"""What the log may keep on disk when nobody holds it: `journal_size_limit`."""
BACK_LIMIT_S = 90.0
"""It is folded in once a minute."""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.mark.timeout(240)
def test_a_read_that_stays_open_costs_log_and_nothing_else(collector: Collector) -> None:
    wal = Path(f"{collector.database}-wal")
    load = Load(collector.ws, RATE)
    wait_for(lambda: load.total > RATE / 2, "events", 20)
    most_bytes = 0
    with contextlib.closing(open_reader(collector.database)) as reader:
        reader.execute("BEGIN")
        (seen,) = reader.execute("SELECT count(*) FROM events").fetchone()
        until_s = time.monotonic() + HELD_S
        while time.monotonic() < until_s:
            most_bytes = max(most_bytes, wal.stat().st_size)
            time.sleep(0.1)
        (still,) = reader.execute("SELECT count(*) FROM events").fetchone()
    load.stop()
    state = health(collector.http)[1]["state"]
    since_s = time.monotonic()
    wait_for(lambda: wal.stat().st_size <= LEFT_BYTES, "the log is given back", BACK_LIMIT_S)
    back_s = time.monotonic() - since_s
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{load.total} events, a read held for {HELD_S:.0f} s: the log grew to {most_bytes / 2**20:.0f} MiB, "
        f"was {wal.stat().st_size / 2**20:.0f} MiB {back_s:.0f} s after the load; acknowledged within "
        f"{load.p99_s():.1f} s (p99), {lost=} {doubled=}"
    )

    assert seen == still
    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert most_bytes <= MOST_BYTES
    assert state == "ok"
