"""History whose ten-second totals are past their age: the minutes that remain still raise alarms."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerting.episodes import episodes
from alerting.history import History
from domain.rules import default_rules
from domain.windows import DAY_MS
from settings import load_settings
from storage.alert_reads import AlertReads
from storage.sqlite_store import SqliteStore

pytestmark = pytest.mark.e2e

SAMPLE = Path(__file__).resolve().parents[2] / "samples/gateway.jsonl.gz"


@pytest.fixture
def reads(tmp_path: Path, root: Path) -> Iterator[AlertReads]:
    """The sample, played and then ten days older."""
    database = tmp_path / "old.db"
    command = [sys.executable, "-m", "collector", "replay", "--database", str(database), str(SAMPLE)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=100)
    store = SqliteStore(database, load_settings(environ={}))
    found = AlertReads(database, 5_000)
    extent = found.extent(10_000)
    assert extent is not None
    while store.prune(extent[1] + 10 * DAY_MS, 1_000_000):
        pass
    store.close()
    yield found
    found.close()


def test_alarms_are_raised_by_the_minute_when_nothing_finer_is_left(reads: AlertReads) -> None:
    assert reads.extent(10_000) is None

    raised = list(episodes(History(reads, default_rules()).moves()))

    assert {"critical", "high"} & {episode.severity for episode in raised}
