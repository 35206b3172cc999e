"""`python -m collector topology`: which processes there are, the bus, the database, and what is not well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from collector.bus.assembly import make_bus
from collector.options import topology_parser
from domain.errors import DeadlineExceeded, StoreError
from settings import Settings, SettingValueError, load_settings
from storage.batches import BusState, Member
from storage.location import located
from storage.opening import open_reader

NOT_WELL = 1
SILENT_MS = 15_000
"""A process tells about itself every two seconds."""
BUS_WAIT_S = 5.0
DEADLINE_MS = 5_000


def topology_command(arguments: list[str]) -> int:
    """Print it; returns the exit status.

    Raises:
        SettingValueError: The database does not answer, or a setting cannot be used.
    """
    settings = load_settings(vars(topology_parser().parse_args(arguments)))
    now_ms = time.time_ns() // 1_000_000
    members, head = _from_database(settings)
    bus = asyncio.run(_look_at(settings)) if settings.bus else None
    for line in (*head, *_shown_members(members, now_ms), *_shown_bus(bus)):
        _say(line)
    found = list(problems(members, bus, now_ms, has_bus=bool(settings.bus)))
    for sentence in found:
        _say(f"not well: {sentence}")
    if not found:
        _say("all is well")
    return NOT_WELL if found else 0


def problems(
    members: tuple[Member, ...], bus: BusState | None, now_ms: int, *, has_bus: bool
) -> Iterator[str]:
    """What keeps this from being a deployment that may lose a machine, one sentence each."""
    heard = [m for m in members if now_ms - m.beat_ms <= SILENT_MS]
    for member in members:
        if member not in heard and member.state != "stopping":
            silent_s = (now_ms - member.beat_ms) // 1000
            yield f"the {member.role} {member.member} was last heard {silent_s} s ago"
        elif member.state == "degraded":
            yield f"the {member.role} {member.member} cannot go on: {member.detail}"
        if member.bus is not None and member.bus.spooled:
            yield f"{member.bus.spooled} messages of {member.member} wait on its own disk"
    on_duty = [m.member for m in heard if m.is_on_duty]
    if len(on_duty) != 1:
        yield f"alerts and approved changes are done by {len(on_duty)} processes, expected 1"
    if has_bus:
        yield from _problems_of_bus(bus, heard)


def _problems_of_bus(bus: BusState | None, heard: list[Member]) -> Iterator[str]:
    writers = sum(m.role == "writer" for m in heard)
    if writers < 2:  # noqa: PLR2004 - one may die
        yield f"{writers} writers are heard of, expected 2 or more: nothing is stored when the last one dies"
    if bus is None or not bus.is_connected:
        yield f"the bus does not answer: {bus.problem if bus else 'no word'}"
        return
    if bus.problem:
        yield f"the bus: {bus.problem}"
    if bus.is_synced is None:
        yield "nobody can tell whether the bus writes to disk first: set bus_monitor_url"
    if (bus.replicas or 0) < 3:  # noqa: PLR2004 - one of three may die
        yield f"the bus holds each message {bus.replicas or 0} times, expected 3"
    if bus.dead:
        yield f"{bus.dead} messages of the bus were laid aside"


def _from_database(settings: Settings) -> tuple[tuple[Member, ...], list[str]]:
    place = located(settings.database)
    reader = open_reader(settings.database, DEADLINE_MS)
    try:
        freshness, health = reader.freshness(), reader.health()
    except (StoreError, DeadlineExceeded) as error:
        raise SettingValueError(f"database {place} does not answer: {error}") from error
    finally:
        reader.close()
    return freshness.members, [
        f"database {place}: schema {health.schema_version}, {health.events} events one by one"
    ]


async def _look_at(settings: Settings) -> BusState:
    """The bus as it is seen from here."""
    bus = make_bus(settings)
    await bus.start()
    try:
        until_s = time.monotonic() + BUS_WAIT_S
        while True:
            found = await bus.state()
            if found.is_connected or time.monotonic() > until_s:
                return found
            await asyncio.sleep(0.1)
    finally:
        await bus.stop()


def _shown_members(members: tuple[Member, ...], now_ms: int) -> Iterator[str]:
    for member in members:
        seconds = (now_ms - member.beat_ms) // 1000
        duty = ", on duty" if member.is_on_duty else ""
        detail = f", {member.detail}" if member.detail else ""
        yield (
            f"{member.role} {member.member}: {member.state}{duty}, version {member.version},"
            f" {member.listens}, heard {seconds} s ago{detail}"
        )
    if not members:
        yield "no process was heard of in the last hour"


def _shown_bus(bus: BusState | None) -> Iterator[str]:
    if bus is None:
        return
    hosts = ", ".join(urlsplit(url).netloc for url in bus.url.split(","))
    if not bus.is_connected:
        yield f"bus {hosts}: away"
        return
    synced = {True: "written to disk first", False: "written to disk later", None: "unknown when on disk"}
    yield (
        f"bus {hosts}: {bus.replicas_current} of {bus.replicas} replicas, leader {bus.leader or 'none'},"
        f" {synced[bus.is_synced]}; messages: {_known(bus.waiting)} waiting, {_known(bus.in_hand)} with"
        f" writers, {_known(bus.redelivered)} given out again, {_known(bus.dead)} laid aside"
    )


def _known(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - for the operator
