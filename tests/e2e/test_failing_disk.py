"""Calls of the operating system that fail or are slow, made so by strace under the real collector."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.e2e.load import Load, health, lost_and_doubled, measured
from tests.kong_plugin.processes import Collector, wait_for

COLLECTOR = (sys.executable, "-m", "collector")
LOAD_S = 6.0
LOCKSTEPS = 150
SLOW_FSYNC_US = 200_000


@pytest.fixture(scope="module")
def strace() -> str:
    """Where strace is, when it may trace and change calls here."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run(
        [found, "-f", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "true"],
        capture_output=True,
        check=False,
        timeout=20,
    )
    if tried.returncode != 0:
        pytest.skip(f"strace may not trace here: {tried.stderr.decode()[:200]}")
    return found


@contextlib.contextmanager
def traced(strace: str, folder: Path, *options: str) -> Iterator[Collector]:
    """A running collector under strace, which writes to `trace` in the folder."""
    # -D: the collector is our child and strace its companion, so that a signal goes to the collector
    command = (
        strace,
        "-D",
        "-f",
        "-qq",
        "-y",
        "-s",
        "120",
        "-o",
        str(folder / "trace"),
        *options,
        *COLLECTOR,
    )
    collector = Collector(folder, command)
    collector.start()
    try:
        yield collector
    finally:
        collector.kill()


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize(("call", "when"), [("fdatasync", "25+6"), ("pwrite64", "400+151")])
def test_calls_that_fail_again_and_again_lose_nothing_and_end_nothing(
    strace: str, tmp_path: Path, call: str, when: str, error: str
) -> None:
    options = ("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}")
    with traced(strace, tmp_path, *options) as collector:
        load = Load(collector.ws, 500)
        time.sleep(LOAD_S)
        load.stop()
        assert collector.process is not None
        assert collector.process.poll() is None
    failed = (tmp_path / "trace").read_text(errors="replace").count(f"{error} ")
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{call} {error}: {failed} failed, {load.total} sent, {load.unacked} unacked, {lost=} {doubled=}"
    )

    assert failed >= 3, "nothing was made to fail"
    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert not list(tmp_path.glob("*.corrupt-*")), "a passing failure is not damage"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_disk_that_fails_for_a_while_is_said_and_survived(strace: str, tmp_path: Path) -> None:
    options = ("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=25..32")
    with traced(strace, tmp_path, *options) as collector:
        load = Load(collector.ws, 300)
        said = wait_for(lambda: degraded(collector), "the collector says that it is degraded", 30)
        wait_for(lambda: health(collector.http)[1]["state"] == "ok", "it goes on by itself", 60)
        load.stop()
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"said {said}, {load.total} sent, longest without an acknowledgement {load.longest_silence_s:.1f} s"
    )

    assert (load.unacked, lost, doubled) == (0, 0, 0)


def degraded(collector: Collector) -> str | None:
    """What /healthz says, once it is bad."""
    code, said = health(collector.http)
    return str(said["why"]) if code == 503 else None


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_disk_that_takes_200_ms_to_sync_is_kept_up_with(strace: str, tmp_path: Path) -> None:
    options = ("-e", "trace=fdatasync", "-e", f"inject=fdatasync:delay_enter={SLOW_FSYNC_US}")
    with traced(strace, tmp_path, *options) as collector:
        load = Load(collector.ws, 3_000)
        time.sleep(10.0)
        load.stop()
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(f"{load.total} sent in 10 s, acknowledged within {load.p99_s():.2f} s (p99), {lost=} {doubled=}")

    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert load.total > 15_000
    assert load.p99_s() < 5.0


def early_acknowledgements(trace: Iterable[str]) -> tuple[int, list[str]]:
    """How many acknowledgements moved on, and those sent while writes of the log were not synced.

    For a sender that waits for each acknowledgement before it sends more, so that none overlaps the writing
    of what follows it. An acknowledgement must come after a write to the log that is synced.
    """
    written = synced = 0
    upto, seen, early = 0, 0, []
    syncing: dict[str, int] = {}
    for line in trace:
        thread = line.split(maxsplit=1)[0]
        if "pwrite64(" in line and ".db-wal>" in line:
            written += 1
        elif "fdatasync(" in line and ".db-wal>" in line:
            if "unfinished" in line:
                syncing[thread] = written
            elif line.rstrip().endswith("= 0") or re.search(r"= 0 <", line):
                synced = written
        elif "fdatasync resumed" in line and thread in syncing:
            covered = syncing.pop(thread)
            synced = covered if re.search(r"= 0\b", line) else synced
        elif (found := re.search(r't\\?":\\?"ack\\?",\\?"upto\\?":(\d+)', line)) and int(found[1]) > upto:
            upto, seen = int(found[1]), seen + 1
            if synced < written or not written:
                early.append(line)
            written = synced = 0
    return seen, early


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["7 pwrite64(5</x.db-wal>, 1) = 1", "7 fdatasync(5</x.db-wal>) = 0", "7 A"], 0),
        (["7 pwrite64(5</x.db-wal>, 1) = 1", "7 A", "7 fdatasync(5</x.db-wal>) = 0"], 1),
        (["7 pwrite64(5</x.db-wal>, 1) = 1", "7 fdatasync(5</x.db-wal>) = -1 EIO", "7 A"], 1),
        (
            [
                "7 pwrite64(5</x.db-wal>, 1) = 1",
                "7 fdatasync(5</x.db-wal> <unfinished ...>",
                "8 A",
                "7 <... fdatasync resumed>) = 0",
            ],
            1,
        ),
        (["7 A"], 1),
    ],
    ids=["in order", "too early", "the sync failed", "while it syncs", "nothing written"],
)
def test_the_reading_of_a_trace_finds_what_is_out_of_order(lines: list[str], expected: int) -> None:
    told = r'write(9, "\201\30{\"t\":\"ack\",\"upto\":1}", 20) = 20'
    seen, early = early_acknowledgements(
        line.replace("A", told) if line[2:] == "A" else line for line in lines
    )

    assert (seen, len(early)) == (1, expected)


@pytest.mark.e2e
@pytest.mark.timeout(120)
def test_no_acknowledgement_leaves_before_what_it_names_is_synced(strace: str, tmp_path: Path) -> None:
    options = ("-e", "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg")
    with (
        traced(strace, tmp_path, *options) as collector,
        connect(
            f"ws://{collector.ws}/v1/stream", subprotocols=[Subprotocol("gatewatch.ingest.v1")], proxy=None
        ) as socket,
    ):
        socket.send(json.dumps({"t": "hello", "source": "s", "epoch": "1", "oldest": 1, "next": 1}))
        assert json.loads(socket.recv(timeout=20))["t"] == "welcome"
        for number in range(1, LOCKSTEPS + 1):
            event = {
                "kind": "plugin",
                "event": "tick",
                "id": f"s-{number}",
                "at_ms": time.time_ns() // 10**6,
            }
            socket.send(json.dumps({"t": "batch", "first": number, "events": [event]}))
            while json.loads(socket.recv(timeout=20))["upto"] < number:
                pass
    with (tmp_path / "trace").open(errors="replace") as trace:
        seen, early = early_acknowledgements(trace)
    measured(f"{seen} acknowledgements, {len(early)} before their fdatasync")

    assert seen == LOCKSTEPS
    assert early == []
