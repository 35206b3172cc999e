"""A recording through the real store and the real evaluation, judged against its labels."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from alerting.episodes import episodes
from alerting.history import History
from bench.ranges.scenario_table import Row, Scenario, false_alarms, table
from bench.ranges.trace import Trace
from collector.playing import Player
from collector.recording import Recording
from collector.replay import store
from domain.rules import default_rules
from settings import load_settings
from storage.alert_reads import AlertReads


class Score(NamedTuple):
    """What became of one recording."""

    rows: list[Row]
    alarms: list[dict[str, Any]]
    incidents: list[dict[str, Any]]

    @property
    def found(self) -> int:
        """Scenarios that were found; harmless ones count when nothing rang for them."""
        return sum(1 for row in self.rows if row.is_right)

    @property
    def recall(self) -> float:
        """Of the scenarios, the part that was found."""
        return self.found / len(self.rows) if self.rows else 1.0

    @property
    def precision(self) -> float:
        """Of what rang, the part that should have."""
        true = sum(1 for row in self.rows if row.is_right)
        return true / (true + len(self.alarms)) if true + len(self.alarms) else 1.0


def judged(trace: Trace, shown: Sequence[Scenario] | None = None) -> Score:
    """Store a recording as the collector does, evaluate it, compare.

    Args:
        trace: The recording.
        shown: The scenarios that must be found, all of them unless told; what is said of others is not false.
    """
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        database = Path(folder) / "range.db"
        recordings = [Recording(path) for path in trace.write(Path(folder))]
        settings = load_settings({"database": str(database)}, {})
        try:
            store(settings, recordings, Player(None, None, lambda: 0), threading.Event())
        finally:
            for recording in recordings:
                recording.close()
        reads = AlertReads(database, 60_000)
        try:
            history = History(reads, default_rules())
            incidents = [msgspec.to_builtins(e) for e in episodes(history.moves())]
        finally:
            reads.close()
        if history.evaluator is not None and history.evaluator.failures:
            raise RuntimeError(str(history.evaluator.failures))
    expected = trace.scenarios if shown is None else shown
    return Score(table(expected, incidents), false_alarms(trace.scenarios, incidents), incidents)
