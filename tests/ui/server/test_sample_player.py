from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import Settings, load_settings
from tests.ui.server.scripted_process import ScriptedProcess, ScriptedStart
from ui.server.log_file import LogFile
from ui.server.sample_player import SamplePlayer, apart
from ui.server.status import ChildState


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "trace.jsonl.gz").write_bytes(b"")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"sample_database": str(tmp_path / "sample.db")}, {})


def player(settings: Settings, samples: Path, start: ScriptedStart) -> SamplePlayer:
    return SamplePlayer(settings, {}, samples, LogFile(samples / "sample.log"), start=start, pause_s=0.0)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not check():  # noqa: ASYNC110 - looks at a state that no event tells of
            await asyncio.sleep(0.001)


async def test_it_plays_into_a_database_of_its_own_over_and_over(settings: Settings, samples: Path) -> None:
    collector, played, playing = ScriptedProcess(), ScriptedProcess(ends_with=0), ScriptedProcess()
    start = ScriptedStart(collector, played, playing)
    made = player(settings, samples, start)

    made.play()
    made.play()
    await until(lambda: len(start.started) == 3)
    await made.stop()

    first, *rounds = (arguments for arguments, _ in start.started)
    assert first[first.index("--database") + 1] == settings.sample_database
    assert first.count("127.0.0.1:0") == 2
    for arguments in rounds:
        assert arguments[0] == "replay"
        assert arguments[arguments.index("--to") + 1] == f"ws://{collector.ws}/v1/stream"
        assert arguments[-1].endswith("trace.jsonl.gz")
    assert collector.stopped == playing.stopped == 1
    assert made.status.state == ChildState.OFF


async def test_without_a_sample_it_says_so(settings: Settings, tmp_path: Path) -> None:
    start = ScriptedStart(ScriptedProcess())
    made = player(settings, tmp_path / "none", start)

    made.play()
    await until(lambda: bool(made.status.detail))

    assert "there is no sample" in made.status.detail
    assert start.started == []


@pytest.mark.parametrize("broken", ["start", "ready"])
async def test_a_collector_that_does_not_come_up_is_told(
    settings: Settings, samples: Path, broken: str
) -> None:
    process = OSError(13, "Permission denied") if broken == "start" else ScriptedProcess(is_ready=False)
    made = player(settings, samples, ScriptedStart(process))

    made.play()
    await until(lambda: bool(made.status.detail))

    assert made.status.state == ChildState.OFF
    assert "cannot be played" in made.status.detail


async def test_it_can_be_played_again_after_it_stopped(settings: Settings, samples: Path) -> None:
    start = ScriptedStart(ScriptedProcess())
    made = player(settings, samples, start)

    made.play()
    await until(lambda: made.status.state == ChildState.RUNNING)
    await made.stop()
    made.play()
    await until(lambda: made.status.state == ChildState.RUNNING)
    await made.stop()

    assert [a[0] for a, _ in start.started].count("--database") == 2


def test_the_sample_knows_nothing_of_the_real_kong_and_real_people() -> None:
    environ = {"PATH": "/bin", "GATEWATCH_ADMIN_URL": "http://kong:8001", "GATEWATCH_TOKEN_FILE": "t"}

    assert apart(environ) == {"PATH": "/bin", "GATEWATCH_CONFIG": os.devnull}
    assert load_settings(environ=apart(environ)) == load_settings(environ={"GATEWATCH_CONFIG": os.devnull})
