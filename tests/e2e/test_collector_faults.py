"""Delivery while things break: nothing acknowledged is lost, nothing is stored twice."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.stream_client import StreamClient
from storage.packing import unpack_id
from tests.e2e.load import measured
from tests.kong_plugin.processes import Collector, wait_for
from tests.storage.filling import rows

pytestmark = pytest.mark.e2e

KILLS = 6
STREAMS = 3
STOP_LIMIT_S = 5.0
TMPFS_BYTES = 67_108_864
LOCKED_S = 5.0
RESUME_LIMIT_S = 2.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Streams:
    """Senders of the real protocol, each numbering its events, until told to stop."""

    def __init__(self, ws: str, *, every_s: float = 0.002, bulk: int = 0) -> None:
        self.sent: set[str] = set()
        self.unacked = 0
        self._url = f"ws://{ws}/v1/stream"
        self._every_s = every_s
        self._bulk = "x" * bulk
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    async def _run(self) -> None:
        await asyncio.gather(*(self._send(f"sender-{n}") for n in range(STREAMS)))

    async def _send(self, source: str) -> None:
        client = StreamClient(self._url, source, "1", random=random.random, now_ms=now_ms)
        running = asyncio.create_task(client.run())
        numbers = itertools.count()
        while not self._stopped.is_set():
            event_id = f"{source}-{next(numbers)}"
            item = {"kind": "plugin", "event": "tick", "id": event_id, "at_ms": now_ms(), "bulk": self._bulk}
            await client.put(item)
            self.sent.add(event_id)
            self.unacked = client.buffer.unacked
            await asyncio.sleep(self._every_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.drained(), 40)
        self.unacked += client.buffer.unacked
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def stop(self) -> None:
        """Stop making events, and wait until all are acknowledged."""
        self.unacked = 0
        self._stopped.set()
        self._thread.join(60)


class Posts:
    """A client that POSTs log entries one by one; a body counts as acknowledged when the answer is 200."""

    def __init__(self, http_address: str) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self._address = http_address
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            if self._stopped.wait(0.005):
                return
            request_id = f"post-{number}"
            entry = {
                "request": {"id": request_id},
                "response": {"status": 429, "headers": {"retry-after": "1"}},
                "source": "kong",
                "upstream_status": "",
                "started_at": now_ms(),
            }
            connection = http.client.HTTPConnection(self._address, timeout=10)
            try:
                connection.request(
                    "POST", "/intake/http-log", json.dumps(entry), {"content-type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
                self.statuses[answer.status] += 1
                if answer.status == 200:
                    self.acknowledged.add(request_id)
            except (OSError, http.client.HTTPException):
                self.statuses[0] += 1
            finally:
                connection.close()

    def stop(self) -> None:
        """Stop, and wait for the last answer."""
        self._stopped.set()
        self._thread.join(20)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A running collector with an empty database."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


def stored(collector: Collector, kind: int) -> list[str]:
    """Ids of stored events of a kind, each as often as it is there."""
    return [
        unpack_id(found)
        for (found,) in rows(collector.database, "SELECT id FROM events WHERE kind = ?", kind)
    ]


def posted(collector: Collector) -> list[str]:
    """Request ids of stored violations."""
    return [str(found) for (found,) in rows(collector.database, "SELECT request_id FROM violations")]


def health(collector: Collector) -> tuple[int, dict[str, Any]]:
    """Status and body of /healthz."""
    try:
        with urllib.request.urlopen(f"http://{collector.http}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def exit_of(collector: Collector, how: signal.Signals) -> tuple[int, float]:
    """Exit status after a signal, and the seconds it took."""
    process = collector.process
    assert process is not None
    started_s = time.monotonic()
    process.send_signal(how)
    status = process.wait(20)
    return status, time.monotonic() - started_s


def test_kills_under_load_lose_nothing_acknowledged_and_double_nothing(collector: Collector) -> None:
    streams, posts = Streams(collector.ws), Posts(collector.http)
    for _ in range(KILLS):
        time.sleep(0.6)
        collector.kill()
        time.sleep(0.1)
        collector.start()
    time.sleep(0.5)
    posts.stop()
    streams.stop()

    ticks, violations = stored(collector, 5), posted(collector)
    assert streams.unacked == 0
    assert len(streams.sent) > 500
    assert Counter(ticks) == Counter(streams.sent)
    assert len(posts.acknowledged) > 20
    assert posts.acknowledged <= set(violations)
    assert len(violations) == len(set(violations))
    assert rows(collector.database, "PRAGMA quick_check") == [("ok",)]
    assert rows(collector.database, "SELECT * FROM gaps") == []


def test_sigterm_stores_what_was_taken_in_and_ends_with_0_within_five_seconds(collector: Collector) -> None:
    streams, posts = Streams(collector.ws), Posts(collector.http)
    time.sleep(1.0)

    status, took_s = exit_of(collector, signal.SIGTERM)
    posts.stop()
    violations = posted(collector)
    collector.kill()
    collector.start()
    streams.stop()

    assert (status, took_s < STOP_LIMIT_S) == (0, True)
    assert len(posts.acknowledged) > 20
    assert posts.acknowledged <= set(violations)
    assert Counter(stored(collector, 5)) == Counter(streams.sent)


def test_sigterm_ends_a_collector_that_has_nothing_to_do_at_once(collector: Collector) -> None:
    status, took_s = exit_of(collector, signal.SIGTERM)

    assert (status, took_s < STOP_LIMIT_S) == (0, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let tests mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Take all the space that is left."""
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(b"x" * 4_096):
            pass


def test_a_full_disk_stops_acknowledgements_and_nothing_else(small_disk: Path) -> None:
    collector = Collector(small_disk)
    collector.log = small_disk.parent / "collector.log"
    collector.start()
    streams, posts = Streams(collector.ws, every_s=0.005, bulk=2_000), Posts(collector.http)
    filler = small_disk / "filler"
    try:
        wait_for(lambda: stored(collector, 5), "the first events are stored")
        fill(filler)

        code, said = wait_for(lambda: degraded(collector), "the collector says that it is degraded", 30)
        acknowledged, before = len(posts.acknowledged), len(stored(collector, 5))
        time.sleep(2.0)

        assert (code, said["state"]) == (503, "degraded")
        assert said["why"]
        assert post_status(collector) == 503
        assert len(posts.acknowledged) == acknowledged
        assert len(stored(collector, 5)) == before
        assert streams.unacked > 0
        assert collector.process is not None
        assert collector.process.poll() is None

        filler.unlink()
        freed_s = time.monotonic()
        wait_for(lambda: health(collector)[1]["state"] == "ok", "the collector goes on by itself", 30)
        resumed_s = time.monotonic() - freed_s
        measured(f"a disk with room again is used after {resumed_s:.1f} s")
    finally:
        filler.unlink(missing_ok=True)
        posts.stop()
        streams.stop()
    ticks, violations = stored(collector, 5), posted(collector)
    collector.kill()

    assert resumed_s < RESUME_LIMIT_S
    assert streams.unacked == 0
    assert Counter(ticks) == Counter(streams.sent)
    assert posts.acknowledged <= set(violations)
    assert len(violations) == len(set(violations))


def post_status(collector: Collector) -> int:
    """What a POST is answered with now."""
    connection = http.client.HTTPConnection(collector.http, timeout=10)
    connection.request("POST", "/intake/http-log", b"[]", {"content-type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


def degraded(collector: Collector) -> tuple[int, dict[str, Any]] | None:
    """What /healthz answers, once it is bad."""
    code, said = health(collector)
    return (code, said) if code != 200 else None


def test_a_database_that_is_locked_for_five_seconds_costs_five_seconds(collector: Collector) -> None:
    streams, posts = Streams(collector.ws), Posts(collector.http)
    wait_for(lambda: stored(collector, 5), "the first events are stored")
    other = sqlite3.connect(collector.database, isolation_level=None)  # noqa: TID251 - as any other program
    other.execute("BEGIN IMMEDIATE")
    time.sleep(0.2)  # a transaction that was on its way
    before, acknowledged = len(stored(collector, 5)), len(posts.acknowledged)

    time.sleep(LOCKED_S)
    during, acknowledged_during = len(stored(collector, 5)), len(posts.acknowledged)
    other.execute("ROLLBACK")
    other.close()
    wait_for(lambda: len(stored(collector, 5)) > during, "the collector goes on", 10)
    posts.stop()
    streams.stop()

    assert during == before
    assert acknowledged_during == acknowledged
    assert collector.process is not None
    assert collector.process.poll() is None
    assert streams.unacked == 0
    assert Counter(stored(collector, 5)) == Counter(streams.sent)
    assert posts.acknowledged <= set(posted(collector))
