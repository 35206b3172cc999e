"""The real collector and a file that is damaged, not ours, or copied while it is written."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.kong_plugin.processes import ROOT, Collector
from tests.storage.filling import NOW_MS, one, opened, put, refusal, stored_again

pytestmark = pytest.mark.e2e


def get(collector: Collector, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{collector.http}{path}", timeout=5) as answer:
        return dict(json.load(answer))


def post_event(collector: Collector, event_id: str) -> int:
    body = json.dumps({"id": event_id, "kind": "plugin", "event": "validation-failed", "at_ms": NOW_MS})
    request = urllib.request.Request(
        f"http://{collector.http}/intake/events", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("damage", ["text", "zeros", "garbled pages"])
def test_a_damaged_database_is_kept_and_a_new_one_begun_loudly(tmp_path: Path, damage: str) -> None:
    collector = Collector(tmp_path)
    with opened(collector.database) as store:
        put(store, *(refusal(n) for n in range(300)))
    content = bytearray(collector.database.read_bytes())
    if damage == "text":
        content = bytearray(b"this is no database " * 500)
    elif damage == "zeros":
        content = bytearray(len(content))
    else:
        content[4096:] = b"\xa5" * (len(content) - 4096)
    collector.database.write_bytes(content)

    collector.start()
    try:
        status = post_event(collector, "e-1")
        notice = json.dumps(get(collector, "/healthz"))
    finally:
        collector.kill()

    (kept,) = tmp_path.glob("gatewatch.db.corrupt-*Z")
    assert kept.read_bytes() == content
    assert status == 200
    assert one(collector.database, "SELECT count(*) FROM events") == 1
    assert "the database was damaged" in notice
    assert "CRITICAL" in collector.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("PRAGMA user_version=999", "was made by a newer version (schema 999"),
        ("PRAGMA application_id=7", "is a database of another program"),
    ],
    ids=["a newer version's", "another program's"],
)
def test_a_database_that_is_not_ours_stops_the_start_and_is_left_alone(
    tmp_path: Path, change: str, message: str
) -> None:
    path = tmp_path / "g.db"
    with opened(path):
        pass
    with contextlib.closing(stored_again(path)) as other:
        other.execute(change)
    before = path.read_bytes()

    ended = run("--database", str(path), "--ws-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")

    assert ended.returncode == 2
    assert message in ended.stderr
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.corrupt-*"))


def test_a_copy_is_taken_checked_and_put_back_around_a_running_collector(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    copy = str(tmp_path / "copy.db")
    collector.start()
    try:
        post_event(collector, "e-1")
        backup = run("backup", "--database", str(collector.database), copy)
        check = run("check", "--database", str(collector.database))
        post_event(collector, "e-2")
        too_early = run("restore", "--database", str(collector.database), copy)
    finally:
        collector.kill()
    restored = run("restore", "--database", str(collector.database), copy)
    collector.start()
    try:
        again = post_event(collector, "e-2")
    finally:
        collector.kill()

    assert [done.returncode for done in (backup, check, too_early, restored)] == [0, 0, 2, 0]
    assert again == 200
    assert one(collector.database, "SELECT count(*) FROM events") == 2
