"""A writer that is killed at any moment: what it acknowledged is there, once, with its totals."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.keeping import structure_problems, total_problems
from tests.storage.filling import one, opened, rows
from tests.storage.recount import counted_anew, stored_activity

ROOT = Path(__file__).resolve().parents[2]
TOTAL = 1_000_000
"""More than any machine stores before it is killed."""
BATCH = 20
WRITER = """
import sys
from pathlib import Path
from tests.storage.filling import opened, other, put, refusal, request
path, total, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with opened(path) as store:
    first = store.cursor("gw", "e") + 1
    print("started", flush=True)
    while first <= total:
        numbers = range(first, first + size)
        parts = [refusal(n) if n % 3 else other(n) for n in numbers]
        put(store, *parts, request(10_000 + first), source="gw", way="stream", epoch="e", first=first,
            upto=numbers[-1])
        print(numbers[-1], flush=True)
        first = numbers[-1] + 1
"""

pytestmark = pytest.mark.e2e


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    chance = random.Random(7)  # noqa: S311 - the same every time
    acknowledged, kills = 0, 0
    for _ in range(12):
        with (tmp_path / "said.txt").open("w+", encoding="utf-8") as said:
            command = [sys.executable, "-c", WRITER, str(path), str(TOTAL), str(BATCH)]
            writer = subprocess.Popen(command, cwd=ROOT, stdout=said)
            _wait_until_started(tmp_path / "said.txt", writer)
            time.sleep(chance.uniform(0.0, 0.25))
            kills += writer.poll() is None
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        lines = (tmp_path / "said.txt").read_text(encoding="utf-8").splitlines(keepends=True)
        told = [int(line) for line in lines[1:] if line.endswith("\n")]
        acknowledged = max([acknowledged, *told])
        with opened(path) as store:
            cursor = store.cursor("gw", "e")
        assert cursor >= acknowledged
        assert one(path, "SELECT count(*) FROM events") == cursor

    assert kills >= 3
    assert acknowledged > 0
    assert one(path, "SELECT count(DISTINCT id) FROM events") == one(path, "SELECT count(*) FROM events")
    assert structure_problems(path, quick=False) == []
    assert total_problems(path) == []
    limited = {place: n["limited"] for place, n in counted_anew(path, []).items() if "limited" in n}
    assert limited == {place: n["limited"] for place, n in stored_activity(path).items() if "limited" in n}
    assert rows(path, "SELECT requests FROM sources") == [(cursor // BATCH,)]


def _wait_until_started(said: Path, writer: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while not said.read_text(encoding="utf-8") and writer.poll() is None:
        assert time.monotonic() < deadline_s, "the writer did not start"
        time.sleep(0.02)
