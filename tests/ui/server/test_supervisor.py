from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import Settings, load_settings
from tests.ui.server.scripted_process import ScriptedProcess, ScriptedStart
from ui.server.log_file import LogFile
from ui.server.status import ChildState
from ui.server.supervisor import Probe, Supervisor, judge_answer, look, pause_s


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"database": str(tmp_path / "gw.db")}, {})


class Sleeps:
    """Sleeps that take no time and are written down; after the last one everything waits."""

    def __init__(self, most: int) -> None:
        self.slept: list[float] = []
        self.most = most
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        """Sleep."""
        self.slept.append(seconds)
        if len(self.slept) >= self.most:
            self.over.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


def supervisor(
    settings: Settings, tmp_path: Path, probe: Probe, start: ScriptedStart, sleeps: Sleeps
) -> Supervisor:
    return Supervisor(
        settings,
        {},
        LogFile(tmp_path / "collector.log"),
        probe=lambda _address, _database: (probe, "taken by another" if probe == Probe.OTHER else ""),
        start=start,
        sleep=sleeps,
    )


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not check():  # noqa: ASYNC110 - looks at a state that no event tells of
            await asyncio.sleep(0.001)


async def test_a_collector_is_started_when_none_answers(settings: Settings, tmp_path: Path) -> None:
    process = ScriptedProcess()
    start = ScriptedStart(process)
    made = supervisor(settings, tmp_path, Probe.SILENT, start, Sleeps(1))

    made.start()
    await until(lambda: made.status.state == ChildState.RUNNING)
    await made.stop()

    arguments = start.started[0][0]
    assert arguments[arguments.index("--database") + 1] == settings.database
    assert process.stopped == 1


async def test_one_that_ends_is_started_again_with_growing_pauses(settings: Settings, tmp_path: Path) -> None:
    start = ScriptedStart(ScriptedProcess(is_ready=False))
    sleeps = Sleeps(4)
    (tmp_path / "collector.log").write_text("the database is damaged\n", encoding="utf-8")
    made = supervisor(settings, tmp_path, Probe.SILENT, start, sleeps)

    made.start()
    await asyncio.wait_for(sleeps.over.wait(), 2)
    await made.stop()

    assert sleeps.slept == [1.0, 2.0, 4.0, 8.0]
    assert made.status.state == ChildState.RESTARTING
    assert (made.status.detail, made.status.restarts) == ("the database is damaged", 4)


async def test_a_collector_of_someone_else_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    start, sleeps = ScriptedStart(ScriptedProcess()), Sleeps(1)
    made = supervisor(settings, tmp_path, Probe.OURS, start, sleeps)

    made.start()
    await asyncio.wait_for(sleeps.over.wait(), 2)
    await made.stop()

    assert made.status.state == ChildState.EXTERNAL
    assert start.started == []


async def test_an_address_taken_by_another_is_a_conflict_with_a_reason(
    settings: Settings, tmp_path: Path
) -> None:
    sleeps = Sleeps(1)
    made = supervisor(settings, tmp_path, Probe.OTHER, ScriptedStart(ScriptedProcess()), sleeps)

    made.start()
    await asyncio.wait_for(sleeps.over.wait(), 2)
    await made.stop()

    assert (made.status.state, made.status.detail) == (ChildState.CONFLICT, "taken by another")


async def test_where_none_is_wanted_none_is_started(tmp_path: Path) -> None:
    settings = load_settings({"database": str(tmp_path / "gw.db"), "start_collector": False}, {})
    start, sleeps = ScriptedStart(ScriptedProcess()), Sleeps(1)
    made = supervisor(settings, tmp_path, Probe.SILENT, start, sleeps)

    made.start()
    await asyncio.wait_for(sleeps.over.wait(), 2)
    await made.stop()

    assert made.status.state == ChildState.OFF
    assert start.started == []


async def test_one_that_cannot_be_started_says_why(settings: Settings, tmp_path: Path) -> None:
    sleeps = Sleeps(1)
    start = ScriptedStart(OSError(13, "Permission denied"))
    made = supervisor(settings, tmp_path, Probe.SILENT, start, sleeps)

    made.start()
    await asyncio.wait_for(sleeps.over.wait(), 2)
    await made.stop()

    assert made.status.detail == "the collector cannot be started: Permission denied"


def test_pauses_grow_to_half_a_minute_and_no_further() -> None:
    assert [pause_s(n) for n in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pause_s(10_000) == 30


@pytest.mark.parametrize(
    ("body", "probe", "word"),
    [
        (b"<html>", Probe.OTHER, "not a collector"),
        (b"[]", Probe.OTHER, "not a collector"),
        (b'{"state":"ok"}', Probe.OTHER, "another database"),
        (b'{"state":"ok","database":"/elsewhere.db"}', Probe.OTHER, "/elsewhere.db"),
    ],
)
def test_only_a_collector_of_our_database_is_ours(body: bytes, probe: Probe, word: str) -> None:
    found, sentence = judge_answer(body, "127.0.0.1:1", "/data/gw.db")

    assert found == probe
    assert word in sentence


def test_a_collector_in_trouble_is_still_ours(tmp_path: Path) -> None:
    body = json.dumps({"state": "degraded", "database": str(tmp_path / "a" / ".." / "gw.db")}).encode()

    assert judge_answer(body, "127.0.0.1:1", str(tmp_path / "gw.db")) == (Probe.OURS, "")


def test_what_does_not_speak_http_is_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_say, args=(listener, b"SSH-2.0-OpenSSH_9.2\r\n"))
        answering.start()

        found, sentence = look(f"127.0.0.1:{listener.getsockname()[1]}", "gw.db")
        answering.join()

    assert found == Probe.OTHER
    assert "not a collector" in sentence


def _say(listener: socket.socket, text: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1_000)
        connection.sendall(text)


def test_where_nothing_listens_it_is_silent() -> None:
    assert look("127.0.0.1:9", "gw.db") == (Probe.SILENT, "")
    assert look("no address at all", "gw.db") == (Probe.SILENT, "")
