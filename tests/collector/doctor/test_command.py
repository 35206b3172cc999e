"""The command against a stand-in Admin API on a real socket, and a real database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from collector.doctor.command import main
from domain.events import Decoded
from storage.batches import Batch
from tests.collector.poller.kong_node import KongNode, limit_plugin
from tests.storage.filling import NOW_MS, opened, refusal


@contextlib.contextmanager
def served(node: KongNode) -> Iterator[str]:
    """A stand-in node on a free port of loopback."""
    config = uvicorn.Config(node, host="127.0.0.1", port=0, log_level="error", lifespan="off")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)


def test_it_looks_at_kong_and_at_the_store_and_its_status_tells_scripts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = KongNode()
    node.lists["plugins"] = [limit_plugin(hide_client_headers=True)]
    database = tmp_path / "g.db"
    with opened(database) as store:
        store.write(
            [Batch(source="x", way="stream", received_ms=NOW_MS, decoded=Decoded(events=[refusal()]))]
        )

    with served(node) as url:
        status = main(["--database", str(database), "--admin-url", url])

    told = capsys.readouterr().out
    assert status == 1
    assert f"✕ missing: nothing in {url} reports requests" in told
    assert "· note: limits that hide their headers: everywhere" in told
    assert f"✕ missing: the collector never ran on {database}" in told
    assert told.splitlines()[0] == f"looked at {database} and {url}"
    assert node.calls[0] == "/"
    assert all(call.startswith("/") for call in node.calls)


def test_it_can_speak_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--database", str(tmp_path / "g.db"), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert {finding["severity"] for finding in told["findings"]} == {"missing"}
    assert told["summary"].startswith("3 missing")


def test_looking_makes_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--database", str(tmp_path / "g.db")])

    assert "nothing has ever arrived" in capsys.readouterr().out
    assert not (tmp_path / "g.db").exists()


def test_a_file_that_is_no_database_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.db").write_bytes(b"not a database, but long enough to be read as one" * 20)

    assert main(["--database", str(tmp_path / "g.db")]) == 1
    assert "cannot be read" in capsys.readouterr().out


def test_names_from_kong_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = KongNode()
    node.version = "3.5.\x1b[31m"
    node.lists["plugins"] = [limit_plugin() | {"route": {"id": "\x1b]0;x\x07"}}]

    with served(node) as url:
        main(["--database", str(tmp_path / "g.db"), "--admin-url", url])

    assert "\x1b" not in capsys.readouterr().out
