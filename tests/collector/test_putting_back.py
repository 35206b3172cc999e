"""`python -m collector put-back`: what was laid aside goes back, and what it says about it."""

from __future__ import annotations

import pytest

from collector import putting_back
from collector.__main__ import main
from collector.bus.parcels import Message
from collector.putting_back import put_all_back
from settings import SettingValueError
from tests.collector.bus.memory_bus import MemoryBus


async def with_dead(n: int) -> MemoryBus:
    bus = MemoryBus()
    for number in range(n):
        await bus.publish(Message("gatewatch.batches.a", f"{number}", b"%d" % number))
    for delivered in await bus.take(n, 1):
        await bus.lay_aside(delivered, "no message")
    return bus


async def test_all_that_were_laid_aside_are_given_out_again_in_order() -> None:
    bus = await with_dead(3)

    told = await put_all_back(bus)

    assert told.startswith("put back 3 of 3 messages")
    assert [delivered.body for delivered in await bus.take(9, 1)] == [b"0", b"1", b"2"]
    assert bus.dead == []


async def test_nothing_to_put_back_is_said() -> None:
    assert await put_all_back(MemoryBus()) == "nothing is laid aside"


async def test_a_bus_that_is_full_keeps_them_apart() -> None:
    bus = await with_dead(2)
    bus.is_full = True

    with pytest.raises(SettingValueError, match="did not take back what was laid aside: maximum bytes"):
        await put_all_back(bus)

    assert [body for body, _ in bus.dead] == [b"0", b"1"]


async def test_a_bus_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(putting_back, "CONNECT_WAIT_S", 0.0)
    bus = await with_dead(1)
    bus.is_away = True

    with pytest.raises(SettingValueError, match="did not take back what was laid aside"):
        await put_all_back(bus)


def test_without_a_bus_it_says_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["put-back"]) == 2
    assert "bus is not set" in capsys.readouterr().err
