"""A real collector as our child: waited for, ended politely, ended firmly."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ui.server.child import Child
from ui.server.log_file import LogFile

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT), "GATEWATCH_CONFIG": os.devnull}  # noqa: TID251 - tests are their own root

pytestmark = pytest.mark.e2e


def apart(work: Coroutine[Any, Any, None]) -> None:
    """Run in a thread of its own: the browser of other tests keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def arguments(folder: Path) -> list[str]:
    return ["--database", str(folder / "gw.db"), "--ws-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]


def test_it_is_ready_when_it_says_so_and_ends_when_asked(tmp_path: Path) -> None:
    apart(_it_is_ready_when_it_says_so_and_ends_when_asked(tmp_path))


async def _it_is_ready_when_it_says_so_and_ends_when_asked(tmp_path: Path) -> None:
    child = await Child.start(arguments(tmp_path), ENVIRON, LogFile(tmp_path / "log"))

    assert await child.ready()
    assert child.ws.startswith("127.0.0.1:")
    await child.stop()

    assert await child.ended() == 0


def test_one_that_ends_by_itself_is_not_ready_and_its_log_says_why(tmp_path: Path) -> None:
    apart(_one_that_ends_by_itself_is_not_ready_and_its_log_says_why(tmp_path))


async def _one_that_ends_by_itself_is_not_ready_and_its_log_says_why(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")

    child = await Child.start([*arguments(tmp_path), "--ws-listen", "nowhere"], ENVIRON, log)
    is_ready = await child.ready()
    await child.stop()

    assert not is_ready
    assert "nowhere" in log.last_line()


def test_one_that_does_not_listen_is_ended_firmly(tmp_path: Path) -> None:
    apart(_one_that_does_not_listen_is_ended_firmly(tmp_path))


async def _one_that_does_not_listen_is_ended_firmly(tmp_path: Path) -> None:
    child = await Child.start(arguments(tmp_path), ENVIRON, LogFile(tmp_path / "log"))
    assert await child.ready()
    os.kill(child.pid, signal.SIGSTOP)

    await child.stop()

    assert await child.ended() == -signal.SIGKILL
