"""A collector killed between send and record: each notification arrives at least once, known by its id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alerting.outgoing import Outgoing
from alerting.receivers import as_json
from storage.alert_book import NewMessage
from storage.outbox_book import OutboxBook
from tests.alerting.receiving import receiving

pytestmark = pytest.mark.e2e

KILLS = 20
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAA"  # noqa: S105 - of this test alone
PROGRAM = """
import sys, time
from alerting.receivers import read_routes
from alerting.sending import Sender
from storage.outbox_book import OutboxBook

book = OutboxBook(sys.argv[1])
record = book.record

def slow(attempt):
    print(attempt.message_id, flush=True)   # sent, and not yet recorded
    time.sleep(0.02)
    record(attempt)

book.record = slow
now = lambda: time.time_ns() // 1_000_000
sender = Sender(book, read_routes(sys.argv[2]), now, lambda: 0.01, lambda: "x")
while True:
    if not sender.turn():
        time.sleep(0.01)
"""


def test_twenty_kills_lose_nothing_and_repeats_are_known(tmp_path: Path, root: Path) -> None:
    database, secret, notify = tmp_path / "g.db", tmp_path / "secret", tmp_path / "notify.toml"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with receiving() as other:
        notify.write_text(
            f'[receivers.siem]\nkind = "webhook"\nurl = "{other.url}"\nsecret_file = "{secret}"\n'
            "allow_private = true\nper_hour = 100000\n"
        )
        book = OutboxBook(database)
        wanted = [f"msg_{number:03}" for number in range(KILLS * 3)]
        for message_id in wanted:
            body = as_json(Outgoing(kind="incident.opened", at_ms=1, title=message_id))
            book.add(
                NewMessage(
                    message_id=message_id, receiver="siem", kind="incident.opened", body=body, due_ms=1
                )
            )
        for _ in range(KILLS):
            _run_until_sent(root, database, notify)
        _drain(root, database, notify, book)
        book.close()
        got = [headers["webhook-id"] for headers, _ in other.got]
        titles = {json.loads(body)["data"]["title"] for _, body in other.got}

    assert set(got) == set(wanted) == titles
    repeats = len(got) - len(set(got))
    assert repeats >= KILLS // 2, "the kills never fell between send and record"
    sys.stdout.write(
        f"\n{KILLS} kills: {len(wanted)} messages, each arrived; {repeats} repeats, known by their id\n"
    )


def _start(root: Path, database: Path, notify: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(database), str(notify)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def _run_until_sent(root: Path, database: Path, notify: Path) -> None:
    """Kill it the moment that it has sent one, before it has written that down."""
    process = _start(root, database, notify)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def _drain(root: Path, database: Path, notify: Path, book: OutboxBook) -> None:
    process = _start(root, database, notify)
    assert process.stdout is not None
    until = time.monotonic() + 60
    while book.waiting_of("siem", 1) and time.monotonic() < until:
        time.sleep(0.1)
    process.terminate()
    process.wait()
    process.stdout.close()
