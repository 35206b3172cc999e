"""The HTTP intakes of a running collector, with what Kong and others really post."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kong_plugin.processes import ROOT
from tests.ports import free_ports
from tests.storage.filling import rows

pytestmark = pytest.mark.e2e

PAYLOADS = ROOT / "tests/fixtures/payloads"
SECRET = "s3cr3t-of-the-hook"  # noqa: S105 - made up
CANARY = "s3cr3t-cAnAry-9f2b"


class Signed:
    """A collector that wants its event hooks signed."""

    def __init__(self, folder: Path) -> None:
        first = free_ports(2)
        self.http = f"127.0.0.1:{first + 1}"
        self.database = folder / "g.db"
        secret = folder / "secret"
        secret.write_text(SECRET, encoding="utf-8")
        secret.chmod(0o600)
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "collector",
                    "--database",
                    str(self.database),
                    "--ws-listen",
                    f"127.0.0.1:{first}",
                    "--http-listen",
                    self.http,
                ],
                cwd=ROOT,
                env={**os.environ, "GATEWATCH_EVENT_HOOK_SECRET_FILE": str(secret)},  # noqa: TID251 - their own root
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as out:
            line = out.readline()
        if not line.startswith("collector ready"):
            self.stop()
            pytest.fail(self.log.read_text("utf-8"))

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer."""
        connection = http.client.HTTPConnection(self.http, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"content-type": "application/json"} | named)
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    found = Signed(tmp_path_factory.mktemp("intakes"))
    yield found
    found.stop()


def signature(body: bytes, algorithm: str) -> str:
    return f"{algorithm}={hmac.new(SECRET.encode(), body, algorithm).hexdigest()}"


def of_kind(collector: Signed, kind: int) -> int:
    return int(rows(collector.database, "SELECT count(*) FROM events WHERE kind = ?", kind)[0][0])


@pytest.mark.parametrize(("algorithm", "health"), [("sha1", "unhealthy"), ("sha256", "healthy")])
def test_a_signed_hook_is_stored(collector: Signed, algorithm: str, health: str) -> None:
    body = (PAYLOADS / f"event-hook.balancer.health.{health}.json").read_bytes()
    before = of_kind(collector, 2)

    status, answer = collector.post("/intake/event-hooks", body, x_kong_signature=signature(body, algorithm))

    assert (status, answer["events"]) == (200, 1)
    assert of_kind(collector, 2) == before + 1


@pytest.mark.parametrize("given", ["", "sha1=00", "sha256=" + "0" * 64, hashlib.sha256(b"x").hexdigest()])
def test_a_hook_without_a_right_signature_is_turned_away(collector: Signed, given: str) -> None:
    body = (PAYLOADS / "event-hook.crud.services.update.json").read_bytes()
    before = of_kind(collector, 4)

    status, answer = collector.post("/intake/event-hooks", body, x_kong_signature=given)

    assert (status, answer) == (401, {"error": "X-Kong-Signature is missing or wrong"})
    assert of_kind(collector, 4) == before


def test_both_events_of_one_change_are_one_change(collector: Signed) -> None:
    names = ("crud.services.update", "crud.services_update-event", "dao-crud.update")
    bodies = [(PAYLOADS / f"event-hook.{name}.json").read_bytes() for name in names]
    before = of_kind(collector, 4)

    for body in bodies:
        collector.post("/intake/event-hooks", body, x_kong_signature=signature(body, "sha256"))

    assert of_kind(collector, 4) == before + 1


def test_a_refusal_told_by_the_log_and_by_a_hook_counts_once(collector: Signed) -> None:
    hook = json.loads(
        (PAYLOADS / "event-hook.rate-limiting-advanced.rate-limit-exceeded.consumer.json").read_bytes()
    )
    body = json.dumps(hook).encode()
    entry = json.loads((PAYLOADS / "http-log.rate-limiting.429.consumer.json").read_bytes())
    entry["consumer"]["id"] = hook["consumer"]["id"]
    entry["service"] |= {"id": hook["service"]["id"], "name": hook["service"]["name"]}
    del entry["started_at"]  # it happens now, as far as the collector can tell

    collector.post("/intake/http-log", json.dumps(entry).encode())
    collector.post("/intake/event-hooks", body, x_kong_signature=signature(body, "sha1"))

    assert rows(collector.database, "SELECT count(*) FROM violations WHERE ip = ?", hook["ip"]) == [(1,)]
    assert of_kind(collector, 1) == 2


def test_a_publisher_and_an_alert_are_understood(collector: Signed) -> None:
    change = {"entity_type": "consumer", "operation": "create", "entity": {"id": "c9", "username": "nina"}}
    alert = {"event_type": "rate_limit_exceeded", "consumer": "acme", "ip": "198.51.100.7"}

    one = collector.post("/intake/events", json.dumps(change).encode(), x_kong_event="crud")
    other = collector.post(
        "/intake/events", json.dumps([alert, {"kind": "plugin", "event": "quota"}]).encode()
    )

    assert (one[0], one[1]["events"]) == (200, 1)
    assert (other[0], other[1]["events"], other[1]["violations"]) == (200, 2, 1)
    assert rows(collector.database, "SELECT operation FROM config_changes WHERE entity_name = 'nina'") == [
        ("create",)
    ]


@pytest.mark.parametrize("path", ["/intake/http-log", "/intake/events"])
def test_what_cannot_be_read_is_refused_with_its_reason_and_kept(collector: Signed, path: str) -> None:
    (before,) = rows(collector.database, "SELECT count(*) FROM quarantine")[0]

    status, answer = collector.post(path, f'{{"apikey": "{CANARY}", "broken'.encode())

    assert status == 400
    assert "not JSON" in answer["error"]
    assert CANARY not in answer["error"]
    assert rows(collector.database, "SELECT count(*) FROM quarantine") == [(before + 1,)]


def test_no_secret_that_was_posted_is_in_the_file_or_the_log(collector: Signed) -> None:
    ping = json.loads((PAYLOADS / "event-hook.kong-event_hooks.ping.json").read_bytes())
    ping["event_hooks"]["config"]["secret"] = CANARY
    body = json.dumps(ping).encode()
    collector.post("/intake/event-hooks", body, x_kong_signature=signature(body, "sha1"))
    credential = {"entity_type": "key-auth", "operation": "create", "entity": {"id": "k", "key": CANARY}}
    collector.post("/intake/events", json.dumps(credential).encode())

    files = [collector.database, collector.database.with_name("g.db-wal"), collector.log]

    for path in files:
        if path.exists():
            assert CANARY.encode() not in path.read_bytes(), path.name
            assert SECRET.encode() not in path.read_bytes(), path.name
