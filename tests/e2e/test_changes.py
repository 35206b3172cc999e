"""Approved changes with real processes: a collector, an Admin API on a socket, kill -9, and restarts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from domain.blocks import Block, BlockScope
from domain.proposals import Answer
from settings import load_settings
from storage.block_book import ask_block, get_block
from storage.change_book import ChangeBook
from storage.sqlite_store import SqliteStore
from tests.changes.kong_admin import KongAdmin
from tests.e2e.conftest import wait_for
from tests.kong_plugin.processes import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.e2e
BAD = "203.0.113.7"
LISTEN = ("--ws-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")


class Served:
    """A Kong on a socket that can be told to do what it is asked and then not to answer for a while."""

    def __init__(self) -> None:
        self.kong = KongAdmin()
        self.hold_writes = False
        self.done = threading.Event()
        self.release = threading.Event()
        self.port = free_port()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a held one is carried out first."""
        self.kong.now_s = time.time()  # noqa: TID251 - a real Kong has a clock
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        await self.kong(scope, receive, keep)
        if self.hold_writes and scope["method"] != "GET":
            self.done.set()
            while not self.release.is_set():  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.02)
        for message in answer:
            await send(message)


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    config = uvicorn.Config(found, port=found.port, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the Admin API's start", 10)
    yield found
    found.release.set()
    server.should_exit = True
    thread.join(5)


@contextlib.contextmanager
def collecting(path: Path, served: Served) -> Iterator[subprocess.Popen[str]]:
    with path.with_suffix(".log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "collector", "--database", str(path), *LISTEN],
            cwd=ROOT,
            env={**os.environ, "GATEWATCH_CHANGE_URL": f"http://127.0.0.1:{served.port}"},  # noqa: TID251
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    with process.stdout as said:
        line = said.readline()
        assert line.startswith("collector ready"), path.with_suffix(".log").read_text(encoding="utf-8")
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    SqliteStore(found, load_settings({}, {})).close()
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ask(path: Path, duration_ms: int = 3_600_000) -> None:
    block = Block(
        block_id="b1", state="requested", subject_type="address", subject=BAD, label=BAD, scope=BlockScope(),
        reason="floods", asked_by="ana", asked_ms=now_ms(), duration_ms=duration_ms, proposal_id="p1",
    )  # fmt: skip
    with ChangeBook(path) as book:
        ask_block(book, block, now_ms())


def state(path: Path) -> str:
    with ChangeBook(path) as book:
        return book.get("p1").state


def approve(path: Path) -> Answer:
    with ChangeBook(path) as book:
        found = book.get("p1")
        return book.approve("p1", "bob", found.plan_hash or "", now_ms(), own_allowed=False)


def test_a_block_is_planned_approved_applied_and_undone_by_running_processes(
    path: Path, served: Served
) -> None:
    with collecting(path, served):
        ask(path, duration_ms=3_000)
        wait_for(lambda: state(path) == "proposed", "the plan", 15)
        assert approve(path) is Answer.GIVEN
        wait_for(lambda: state(path) == "applied", "the change", 15)
        [plugin] = served.kong.store.rows["plugins"].values()
        assert plugin["config"]["deny"] == [BAD]
        wait_for(lambda: not served.kong.store.rows["plugins"], "the undoing", 20)

    with ChangeBook(path) as book:
        assert get_block(book, "b1").state == "expired"


def test_kill_9_while_kong_works_is_found_out_after_a_restart_and_nothing_is_sent_twice(
    path: Path, served: Served
) -> None:
    with collecting(path, served) as first:
        ask(path)
        wait_for(lambda: state(path) == "proposed", "the plan", 15)
        served.hold_writes = True
        approve(path)
        assert served.done.wait(15)
        first.send_signal(signal.SIGKILL)
        first.wait(20)
    assert state(path) == "applying"
    served.hold_writes = False
    served.release.set()

    with collecting(path, served):
        wait_for(lambda: state(path) == "applied", "what became of it", 60)

    assert [method for method, _, _ in served.kong.writes] == ["PUT"]
    with ChangeBook(path) as book:
        assert get_block(book, "b1").state == "active"


def test_a_stop_in_the_middle_ends_in_time_and_is_looked_after(path: Path, served: Served) -> None:
    with collecting(path, served) as first:
        ask(path)
        wait_for(lambda: state(path) == "proposed", "the plan", 15)
        served.hold_writes = True
        approve(path)
        assert served.done.wait(15)
        began = time.monotonic()
        first.terminate()
        first.wait(20)
        assert time.monotonic() - began < 5.0
    served.hold_writes = False
    served.release.set()

    with collecting(path, served):
        wait_for(lambda: state(path) == "applied", "what became of it", 60)

    assert len(served.kong.writes) == 1
