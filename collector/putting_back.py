"""`python -m collector put-back`: messages that writers laid aside, to be tried again."""

from __future__ import annotations

import asyncio
import time

from collector.bus.assembly import make_bus
from collector.bus.bus import Bus
from collector.options import put_back_parser
from domain.errors import BusError
from settings import SettingValueError, load_settings

CONNECT_WAIT_S = 10.0


def put_back_command(arguments: list[str]) -> int:
    """Put them back; returns the exit status.

    Raises:
        SettingValueError: There is no bus, it does not answer, or it took only some of them.
    """
    settings = load_settings(vars(put_back_parser().parse_args(arguments)))
    if not settings.bus:
        raise SettingValueError(
            "bus is not set: without one nothing is laid aside; what could not be read is in the quarantine"
        )
    _say(asyncio.run(put_all_back(make_bus(settings))))
    return 0


async def put_all_back(bus: Bus) -> str:
    """Put back as many as are laid aside now, each once; returns a sentence about it.

    Raises:
        SettingValueError: It does not answer, or it took only some of them.
    """
    await bus.start()
    try:
        dead = await _count_dead(bus)
        done = await bus.put_back(dead)
    except BusError as error:
        raise SettingValueError(
            f"the bus did not take back what was laid aside: {error}; run it again, each is stored once"
        ) from error
    finally:
        await bus.stop()
    if not dead:
        return "nothing is laid aside"
    return f"put back {done} of {dead} messages; what cannot be stored now either is laid aside again"


async def _count_dead(bus: Bus) -> int:
    until_s = time.monotonic() + CONNECT_WAIT_S
    while True:
        found = await bus.state()
        if found.is_connected and found.dead is not None:
            return found.dead
        if time.monotonic() > until_s:
            raise BusError(found.problem or "it does not say how many there are")
        await asyncio.sleep(0.1)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the operator
