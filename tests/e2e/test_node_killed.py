"""A real collector polls a stand-in Admin API in a process of its own; that process is killed with -9."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.sqlite_reader import SqliteReader
from tests.e2e.conftest import ROOT, answers, wait_for
from tests.ports import free_port
from tests.storage.filling import row, rows

pytestmark = pytest.mark.e2e

LATE_S, LOST_S = 15, 45
"""What is documented for a node that is known by Admin API polls alone."""
NOTICED_S = 4.0
"""The collector looks every two seconds; the rest is for a busy machine."""


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module as a process, ended at the end."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


@contextlib.contextmanager
def kong(port: int, node_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """A stand-in node that answers."""
    with started("tests.collector.poller.kong_node", str(port), node_id) as process:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/"), "the stand-in's start")
        yield process


def state_of(path: Path, node: str) -> str | None:
    found = rows(path, "SELECT state FROM nodes WHERE node = ?", node) if path.exists() else []
    return str(found[0][0]) if found else None


def test_a_killed_node_is_late_then_lost_on_time_and_its_restart_is_recognised(tmp_path: Path) -> None:
    database, port, http = tmp_path / "g.db", free_port(), free_port()
    options = ["--database", str(database), "--ws-listen", "127.0.0.1:0"]
    options += ["--http-listen", f"127.0.0.1:{http}", "--admin-url", f"http://127.0.0.1:{port}"]
    with started("collector", *options):
        wait_for(lambda: answers(f"http://127.0.0.1:{http}/healthz"), "the collector's start")
        with kong(port, "n-1") as node:
            wait_for(lambda: state_of(database, "n-1") == "live", "the node being live")
            wait_for(
                lambda: rows(database, "SELECT 1 FROM known_targets WHERE node = 'n-1'"),
                "the target's health",
            )
            node.kill()
            node.wait(5)
        (last_ms,) = row(database, "SELECT last_seen_ms FROM nodes WHERE node = 'n-1'")
        seen = watched(database, "n-1", last_ms, LOST_S + NOTICED_S + 5)

        shown = [state for _, state in seen]
        late_s = next(age_s for age_s, state in seen if state == "late")
        lost_s = next(age_s for age_s, state in seen if state == "lost")
        assert LATE_S <= late_s <= LATE_S + NOTICED_S
        assert LOST_S <= lost_s <= LOST_S + NOTICED_S
        assert shown == sorted(shown, key=("live", "late", "lost").index)
        query = "SELECT at_ms - ?, state FROM node_states WHERE node = 'n-1' AND at_ms > ? ORDER BY at_ms"
        stored = rows(database, query, last_ms, last_ms)
        assert stored == [(LATE_S * 1000, "late"), (LOST_S * 1000, "lost")]

        with kong(port, "n-2"):
            wait_for(lambda: state_of(database, "n-2") == "live", "the restarted node being live")
            assert state_of(database, "n-1") == "lost"
            with contextlib.closing(SqliteReader(database, 2_000)) as reader:
                known = {found.node: found for found in reader.nodes(time.time_ns() // 1_000_000).rows}
            assert (known["n-2"].replaces, known["n-2"].restarts) == ("n-1", 1)

    events = rows(
        database,
        "SELECT t.event, k.value FROM events e JOIN event_types t USING (type_id)"
        " JOIN keys k ON k.key_id = e.node WHERE t.event LIKE 'node_%' ORDER BY e.at_ms",
    )
    assert events == [("node_lost", "n-1"), ("node_started", "n-2")]


def watched(database: Path, node: str, last_ms: int, until_s: float) -> list[tuple[float, str]]:
    """(seconds since the last sign, state) as another program sees it, four times a second."""
    found: list[tuple[float, str]] = []
    while True:
        age_s = (time.time_ns() // 1_000_000 - last_ms) / 1000
        if age_s > until_s:
            return found
        state = state_of(database, node)
        if state is not None:
            found.append((age_s, state))
        time.sleep(0.25)


def test_an_address_that_nobody_answers_at_is_never_seen_and_a_barred_one_unknown(tmp_path: Path) -> None:
    database, nobody, http, port = tmp_path / "g.db", free_port(), free_port(), free_port()
    options = ["--database", str(database), "--ws-listen", "127.0.0.1:0"]
    options += ["--http-listen", f"127.0.0.1:{http}"]
    options += ["--admin-url", f"http://127.0.0.1:{nobody}", "--admin-url", f"http://127.0.0.1:{port}/none"]
    with kong(port, "n-1"), started("collector", *options):
        wait_for(lambda: answers(f"http://127.0.0.1:{http}/healthz"), "the collector's start")
        wait_for(
            lambda: state_of(database, f"http://127.0.0.1:{nobody}") == "never seen",
            "the silence being known",
        )
        wait_for(
            lambda: state_of(database, f"http://127.0.0.1:{port}/none") == "unknown",
            "the refusal being known",
        )
