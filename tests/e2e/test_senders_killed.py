"""Senders that are killed in the middle of what they send, and begin again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.load import Load, health, measured
from tests.kong_plugin.processes import ROOT, Collector, wait_for
from tests.storage.filling import one, rows

pytestmark = pytest.mark.slow

KILLS = 8
RECORDING = ROOT / "samples/gateway.jsonl.gz"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


def replay(*options: str) -> subprocess.Popen[str]:
    """`python -m collector replay` of the recording."""
    return subprocess.Popen(
        [sys.executable, "-m", "collector", "replay", *options, str(RECORDING)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def counted(database: Path) -> list[tuple[object, ...]]:
    """Everything that the totals of the days hold, by name, and how many events there are."""
    totals = rows(
        database,
        "SELECT a.dim, k.value, sum(a.requests), sum(a.limited), sum(a.probable) FROM activity a"
        " JOIN keys k ON k.key_id = a.key WHERE a.res = 3 AND a.dim < 6 GROUP BY 1, 2 ORDER BY 1, 2",
    )
    return [*totals, ("events", one(database, "SELECT count(*) FROM events WHERE kind = 1"))]


@pytest.mark.timeout(300)
def test_a_sender_killed_again_and_again_is_stored_once_and_harms_no_other(
    collector: Collector, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed.db"
    with replay("--database", str(undisturbed)) as whole:
        assert whole.wait(120) == 0
    chance = random.Random(7)  # noqa: S311 - no secret
    beside = Load(collector.ws, 200, 1)
    for _ in range(KILLS):
        with replay("--to", f"ws://{collector.ws}/v1/stream") as sender:
            time.sleep(chance.uniform(0.8, 2.5))
            sender.kill()
    with replay("--to", f"ws://{collector.ws}/v1/stream") as last:
        said, _ = last.communicate(timeout=120)
    beside.stop()
    wait_for(lambda: counted(collector.database) == counted(undisturbed), "all being judged alike", 60)
    silent_s = beside.longest_silence_s
    measured(f"{KILLS} kills of a sender; the last said {said.strip()!r}; silence beside {silent_s:.1f} s")

    assert last.returncode == 0
    assert beside.unacked == 0
    assert beside.total == one(collector.database, "SELECT count(*) FROM events WHERE kind = 5")
    assert silent_s < 3.0
    assert health(collector.http)[1]["state"] == "ok"
    assert rows(collector.database, "SELECT * FROM gaps") == []
