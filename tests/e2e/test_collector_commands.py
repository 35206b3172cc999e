"""`replay` and `simulate` as a person runs them, against real files and a running collector."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.kong_plugin.processes import ROOT, Collector, wait_for
from tests.storage.filling import rows

pytestmark = pytest.mark.e2e

SAMPLE = ROOT / "samples/gateway.jsonl.gz"
LAST_LINE = re.compile(
    r"replayed (\d+) entries: (\d+) events, (\d+) violations, (\d+) duplicates, (\d+) quarantined"
)
SAMPLE_ENTRIES = 18_290


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the sample, some hundred violations."""
    path = tmp_path_factory.mktemp("short") / "short.jsonl.gz"
    with gzip.open(SAMPLE) as stream:
        path.write_bytes(gzip.compress(b"".join(itertools.islice(stream, 2_500))))
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "collector", *arguments]


def totals(output: str) -> tuple[int, ...]:
    """The numbers of the last line."""
    found = LAST_LINE.fullmatch(output.strip().splitlines()[-1])
    assert found is not None, output
    return tuple(int(number) for number in found.groups())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)


def violations(database: Path) -> int:
    """How many are stored; 0 before there is a database."""
    with contextlib.suppress(Exception):
        return int(rows(database, "SELECT count(*) FROM violations")[0][0])
    return 0


def test_a_replay_says_what_came_of_it_and_a_second_one_adds_nothing(tmp_path: Path, short: Path) -> None:
    database = tmp_path / "g.db"

    first = run("replay", "--database", str(database), str(short))
    again = run("replay", "--database", str(database), str(short))

    assert (first.returncode, again.returncode) == (0, 0)
    assert totals(first.stdout)[2] == violations(database) > 100
    assert totals(again.stdout) == (0, 0, 0, 0, 0)


def test_a_replay_killed_in_the_middle_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    database, whole = tmp_path / "g.db", tmp_path / "whole.db"
    run("replay", "--database", str(whole), str(SAMPLE))
    killed = 0
    for _ in range(3):
        process = subprocess.Popen(command("replay", "--database", str(database), str(SAMPLE)), cwd=ROOT)
        before = violations(database)
        deadline = time.monotonic() + 20
        while violations(database) <= before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        killed += process.poll() is None
        process.kill()
        process.wait(10)

    last = run("replay", "--database", str(database), str(SAMPLE))

    assert last.returncode == 0
    assert killed >= 1
    for query in (
        "SELECT id, at_ms, certainty FROM events ORDER BY id",
        "SELECT bucket_s, requests, limited, probable FROM activity WHERE res = 0 AND dim = 0 ORDER BY 1",
    ):
        assert rows(database, query) == rows(whole, query)


def test_ctrl_c_ends_a_replay_with_its_last_line_and_status_130(tmp_path: Path) -> None:
    arguments = ("replay", "--database", str(tmp_path / "g.db"), "--pace", "10", str(SAMPLE))
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: violations(tmp_path / "g.db") >= 0 and (tmp_path / "g.db").exists(), "a database")
    time.sleep(1)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=10)

    assert process.returncode == 130
    assert 0 < totals(output)[0] < SAMPLE_ENTRIES


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(tmp_path: Path, short: Path) -> None:
    main, terminal = pty.openpty()
    arguments = ("replay", "--database", str(tmp_path / "g.db"), str(short))
    process = subprocess.Popen(
        command(*arguments), cwd=ROOT, stderr=terminal, stdout=subprocess.PIPE, text=True
    )
    os.close(terminal)
    shown = bytearray()
    with contextlib.suppress(OSError):  # Linux: EIO when the other end is closed
        while part := os.read(main, 65_536):
            shown += part
    process.communicate(timeout=30)
    os.close(main)

    assert b"short.jsonl.gz" in shown
    assert "━".encode() in shown
    assert "━" not in run("replay", "--database", str(tmp_path / "other.db"), str(short)).stderr


def test_a_replay_to_a_collector_counts_as_one_into_a_database(
    tmp_path: Path, short: Path, collector: Collector
) -> None:
    to = ("replay", "--to", f"ws://{collector.ws}/v1/stream", str(short))

    first, again = run(*to), run(*to)

    direct = run("replay", "--database", str(tmp_path / "d.db"), str(short))
    assert totals(first.stdout)[0] == totals(direct.stdout)[0]
    assert totals(first.stdout)[2] == totals(direct.stdout)[2]
    assert violations(collector.database) == totals(direct.stdout)[2]
    assert totals(again.stdout)[1:] == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("replay", "none.jsonl"), "collector: none.jsonl cannot be read: No such file or directory"),
        (("replay", "--to", "http://127.0.0.1:1", str(SAMPLE)), "is not a ws:// or wss:// address"),
        (("simulate", "--to", "ws://127.0.0.1:1", "--labels", "/"), "--labels / cannot be written"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_simulated_attacks_arrive_labelled_as_they_were_sent(tmp_path: Path, collector: Collector) -> None:
    labels = tmp_path / "labels.jsonl"
    arguments = (
        "simulate", "--to", f"ws://{collector.ws}/v1/stream", "--rate", "20", "--seed", "7",
        "--scenario", "all", "--history", "300", "--duration", "290", "--labels", str(labels),
    )  # fmt: skip

    done = run(*arguments)

    assert done.returncode == 0, done.stderr
    assert re.search(r"simulated \d+ requests: \d+ refused; \d+ events, 0 dropped", done.stdout)
    told = [orjson.loads(line) for line in labels.read_bytes().splitlines()]
    scenarios = Counter(label["scenario"] for label in told)
    refused = {label["request_id"] for label in told if label["status"] == 429}
    stored = {str(key) for (key,) in rows(collector.database, "SELECT request_id FROM violations")}
    assert set(scenarios) == {
        "burst",
        "leaked-key",
        "one-address-many-consumers",
        "retry-loop",
        "low-and-slow",
    }
    assert min(scenarios.values()) > 50
    assert refused <= stored
    assert rows(collector.database, "SELECT count(*) FROM quarantine") == [(0,)]


def test_simulated_traffic_of_now_arrives_within_a_second(collector: Collector) -> None:
    arguments = (
        "simulate",
        "--to",
        f"ws://{collector.ws}/v1/stream",
        "--rate",
        "50",
        "--seed",
        "1",
        "--duration",
        "4",
        "--scenario",
        "burst",
    )
    done = run(*arguments)

    assert done.returncode == 0, done.stderr
    requests = int(re.findall(r"simulated (\d+) requests", done.stdout)[0])
    query = "SELECT requests FROM activity WHERE res = 3 AND dim = 0"
    assert sum(n for (n,) in rows(collector.database, query)) == requests
    lags = [lag for (lag,) in rows(collector.database, "SELECT lag_ms FROM events WHERE kind = 1")]
    assert all(lag < 1_000 for lag in lags)
