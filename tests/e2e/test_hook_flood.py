"""A flood of event hooks whose signatures are wrong, and an honest sender beside it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.load import Load, lost_and_doubled, measured, resident_mib
from tests.kong_plugin.processes import Collector

pytestmark = pytest.mark.slow

THREADS = 8
FLOOD_S = 10.0
LINE_LIMIT = 100
GROWTH_MIB = 32
BODY = json.dumps({"source": "crud", "event": "consumers", "entity": {"id": "x" * 4_000}}).encode()
CANARY = b"canary-in-a-forged-body"


@pytest.fixture
def collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that knows the secret of Kong's hooks."""
    secret = tmp_path / "hook-secret"
    secret.write_text("a secret that nobody guesses")
    secret.chmod(0o600)
    monkeypatch.setenv("GATEWATCH_EVENT_HOOK_SECRET_FILE", str(secret))
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.mark.timeout(120)
def test_forged_hooks_cost_an_honest_sender_little_and_leave_no_trace(collector: Collector) -> None:
    """A signature is checked before the body is read; no refusal is stored, nor are they logged each."""
    assert collector.process is not None
    load = Load(collector.ws, 200, 1)
    time.sleep(5)
    usual_s = load.p99_s()
    load.ack_ages_s.clear()
    before_mib = resident_mib(collector.process.pid)
    answered: Counter[int] = Counter()
    threads = [threading.Thread(target=forge, args=(collector.http, answered)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    flooded_s = load.p99_s()
    grown_mib = resident_mib(collector.process.pid) - before_mib
    load.stop()
    lines = len(collector.log.read_text(encoding="utf-8").splitlines())
    lost, doubled = lost_and_doubled(collector.database, load.sent)
    measured(
        f"{answered.total() / FLOOD_S:.0f} forged hooks a second, answered {dict(answered)}; the sender was "
        f"acknowledged within {usual_s * 1000:.0f} ms before and {flooded_s * 1000:.0f} ms during it (p99), "
        f"{lines} lines, memory grew by {grown_mib:.1f} MiB, {lost=} {doubled=}"
    )

    assert set(answered) <= {401, 429}
    assert answered.total() > 100
    assert (load.unacked, lost, doubled) == (0, 0, 0)
    assert flooded_s < max(1.0, 3 * usual_s)
    assert lines < LINE_LIMIT
    assert grown_mib < GROWTH_MIB
    assert CANARY not in collector.log.read_bytes() + collector.database.read_bytes()


def forge(address: str, answered: Counter[int]) -> None:
    """Post with wrong signatures as fast as answers come, on one connection."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    until_s = time.monotonic() + FLOOD_S
    number = 0
    while time.monotonic() < until_s:
        number += 1
        headers = {"Content-Type": "application/json", "X-Kong-Signature": f"sha256={number:064x}"}
        connection.request("POST", "/intake/event-hooks", BODY[:-1] + b', "c": "' + CANARY + b'"}', headers)
        answer = connection.getresponse()
        answer.read()
        answered[answer.status] += 1
    connection.close()
