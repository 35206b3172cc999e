"""Whose turn it is, with a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from collector import duty as duties
from collector.duty import Duty, Part
from domain.errors import StoreBusy
from storage.leadership import LEASE_S, Leadership, OnlyOne


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "EVERY_S", 0.005)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class ScriptedLeadership:
    """Says what it is told to."""

    takeover_s = LEASE_S + 0.5

    def __init__(self, *, is_held: bool) -> None:
        self.is_held, self.is_away = is_held, False
        self.asked = self.released = 0

    def hold(self) -> bool:
        self.asked += 1
        if self.is_away:
            raise StoreBusy("no server answers")
        return self.is_held

    def release(self) -> None:
        self.released += 1


class RecordingPart:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def start(self) -> None:
        self._told.append("start")

    async def stop(self) -> None:
        self._told.append("stop")


@contextlib.asynccontextmanager
async def running(leadership: Leadership, told: list[str], clock: Clock) -> AsyncIterator[Duty]:
    def make(_may_act: Callable[[], bool]) -> Sequence[Part]:
        return [RecordingPart(told)]

    duty = Duty(leadership, make, clock)
    duty.start()
    try:
        yield duty
    finally:
        await duty.stop()


async def asked_again(leadership: ScriptedLeadership) -> None:
    wanted = leadership.asked + 2
    async with asyncio.timeout(5):
        while leadership.asked < wanted:  # noqa: ASYNC110 - a thread asks
            await asyncio.sleep(0.002)


async def test_where_there_is_nobody_else_the_duties_begin_at_once() -> None:
    told: list[str] = []
    async with running(OnlyOne(), told, Clock()) as duty:
        await asyncio.sleep(0.05)
        assert told == ["start"]
        assert (duty.is_on, duty.may_act()) == (True, True)

    assert told == ["start", "stop"]


async def test_they_begin_when_whoever_had_them_before_must_have_noticed() -> None:
    told: list[str] = []
    clock = Clock()
    leadership = ScriptedLeadership(is_held=True)
    async with running(leadership, told, clock) as duty:
        await asked_again(leadership)
        clock.now_s += LEASE_S
        await asked_again(leadership)
        assert told == []

        clock.now_s += 0.6
        await asked_again(leadership)
        assert told == ["start"]
        assert duty.is_on

    assert leadership.released == 1


@pytest.mark.parametrize("how", ["another has it", "the store is away"])
async def test_they_end_when_they_are_not_surely_held_and_begin_again_after_the_wait(how: str) -> None:
    told: list[str] = []
    clock = Clock()
    leadership = ScriptedLeadership(is_held=True)
    async with running(leadership, told, clock) as duty:
        await asked_again(leadership)
        clock.now_s += leadership.takeover_s
        await asked_again(leadership)

        leadership.is_held, leadership.is_away = False, how == "the store is away"
        await asked_again(leadership)
        assert told == ["start", "stop"]
        assert not duty.may_act()

        leadership.is_held, leadership.is_away = True, False
        await asked_again(leadership)
        assert told == ["start", "stop"]
        clock.now_s += leadership.takeover_s
        await asked_again(leadership)
        assert told == ["start", "stop", "start"]


async def test_a_process_that_was_stopped_for_a_while_does_not_act_when_it_wakes() -> None:
    """Its lock may be somebody else's by now, and nothing in it has noticed yet."""
    told: list[str] = []
    clock = Clock()
    leadership = ScriptedLeadership(is_held=True)
    duty = Duty(leadership, lambda _: [RecordingPart(told)], clock)
    duty.start()
    await asked_again(leadership)
    clock.now_s += leadership.takeover_s
    await asked_again(leadership)
    assert duty.may_act()

    clock.now_s += LEASE_S
    may_act = duty.may_act()

    assert not may_act
    await duty.stop()


async def test_without_the_others_turn_nothing_begins() -> None:
    told: list[str] = []
    clock = Clock()
    leadership = ScriptedLeadership(is_held=False)
    async with running(leadership, told, clock):
        await asked_again(leadership)
        clock.now_s += 100
        await asked_again(leadership)

    assert told == []


async def test_duties_that_cannot_begin_here_are_left_to_another(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    leadership = ScriptedLeadership(is_held=True)

    def fail(_may_act: Callable[[], bool]) -> Sequence[Part]:
        raise ValueError("the file of receivers is gone")

    duty = Duty(leadership, fail, clock)
    duty.start()
    await asked_again(leadership)
    clock.now_s += leadership.takeover_s
    await asked_again(leadership)
    released, is_on = leadership.released, duty.is_on
    await duty.stop()

    assert released >= 1
    assert not is_on
    assert "the file of receivers is gone" in caplog.text
