"""What every bus does, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest

from collector.bus import redis_bus as redis_buses
from collector.bus.bus import Bus
from collector.bus.nats_bus import NatsBus
from collector.bus.parcels import Message
from collector.bus.redis_bus import RedisBus
from domain.errors import BusError, BusFull
from tests.jetstream import jetstream
from tests.valkey import valkey

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]
MOST = 1_000_000
SUBJECT = "gatewatch.batches.a"


class Served(NamedTuple):
    """A server, and how to make a bus of it."""

    kind: str
    make: Callable[[], Bus]
    kill: Callable[[], None]
    start: Callable[[], None]


@pytest.fixture(params=["nats", "redis"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    if request.param == "nats":
        with jetstream(1) as cluster:

            def make_nats() -> Bus:
                return NatsBus(cluster.url.split(","), MOST, cluster.monitors.split(","))

            yield Served("nats", make_nats, cluster.nodes[0].kill, cluster.start)
    else:
        with valkey() as server:
            yield Served("redis", lambda: RedisBus(server.url, MOST), server.kill, server.start)


@contextlib.asynccontextmanager
async def opened(make: Callable[[], Bus]) -> AsyncIterator[Bus]:
    bus = make()
    await bus.start()
    try:
        await until(lambda: connected(bus))
        yield bus
    finally:
        await bus.stop()


async def connected(bus: Bus) -> bool:
    return (await bus.state()).is_connected


async def until(check: Callable[[], Awaitable[object]], limit_s: float = 20) -> None:
    async with asyncio.timeout(limit_s):
        while not await check():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


def message(name: str, body: bytes = b"body", subject: str = SUBJECT) -> Message:
    return Message(subject, name, body)


async def take(bus: Bus, n: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < n:
            found += await bus.take(10, 0.5)
    return found


async def test_a_message_is_there_until_it_is_done(served: Served) -> None:
    async with opened(served.make) as bus:
        assert await bus.newest(SUBJECT) is None
        await bus.publish(message("1", b"first"))
        await bus.publish(message("2", b"second"))
        await bus.publish(message("3", b"other", "gatewatch.batches.b"))
        assert await bus.newest(SUBJECT) == b"second"

        taken = await take(bus, 3)
        assert sorted(d.body for d in taken) == [b"first", b"other", b"second"]
        assert [d.deliveries for d in taken] == [1, 1, 1]
        assert len({d.number for d in taken}) == 3
        assert (await bus.state()).in_hand == 3
        assert await bus.newest(SUBJECT) == b"second"

        for delivered in taken:
            await bus.keep(delivered)
            await bus.done(delivered)
        await until(lambda: empty(bus))
        assert await bus.newest(SUBJECT) is None
        assert (await bus.state()).stored_bytes == 0


async def empty(bus: Bus) -> bool:
    state = await bus.state()
    return state.waiting == 0 and state.in_hand == 0


async def test_a_message_that_comes_again_under_its_name_is_there_once(served: Served) -> None:
    async with opened(served.make) as bus:
        await bus.publish(message("1"))
        await bus.publish(message("1"))

        assert len(await take(bus, 1)) == 1
        assert await bus.take(10, 0.3) == []


async def test_a_full_bus_says_so_and_keeps_what_it_has(served: Served) -> None:
    async with opened(served.make) as bus:
        with pytest.raises(BusFull):
            await fill(bus)
        held = (await bus.state()).waiting
        assert held is not None
        assert held >= 5

        taken = await take(bus, held)
        await bus.done(taken[0])
        await until(lambda: accepts(bus))


async def fill(bus: Bus) -> None:
    for number in range(20):
        await bus.publish(message(str(number), bytes(100_000)))


async def accepts(bus: Bus) -> bool:
    try:
        await bus.publish(message("again", bytes(50_000)))
    except BusFull:
        return False
    return True


async def test_what_is_given_back_goes_to_another_writer(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_buses, "CLAIM_EVERY_S", 0.1)
    async with opened(served.make) as one, opened(served.make) as other:
        await one.publish(message("1"))
        (first,) = await take(one, 1)
        await one.give_back(first)

        (again,) = await take(other, 1)

        assert (again.number, again.body) == (first.number, b"body")
        assert again.deliveries >= 2


async def test_what_is_laid_aside_is_kept_and_given_out_no_more(served: Served) -> None:
    async with opened(served.make) as bus:
        await bus.publish(message("1"))
        (delivered,) = await take(bus, 1)

        await bus.lay_aside(delivered, "no\nmessage é")

        await until(lambda: empty(bus))
        assert (await bus.state()).dead == 1


async def test_what_is_laid_aside_can_be_put_back_where_it_was(served: Served) -> None:
    async with opened(served.make) as bus:
        for number in range(3):
            await bus.publish(message(f"{number}", f"body {number}".encode()))
        for delivered in await take(bus, 3):
            await bus.lay_aside(delivered, "no message")
        await until(lambda: empty(bus))

        assert await bus.put_back(2) == 2
        assert (await bus.state()).dead == 1
        assert await bus.newest(SUBJECT) == b"body 1"
        assert [(d.body, d.deliveries) for d in await take(bus, 2)] == [(b"body 0", 1), (b"body 1", 1)]
        assert await bus.put_back(5) == 1
        assert [d.body for d in await take(bus, 1)] == [b"body 2"]
        assert ((await bus.state()).dead, await bus.put_back(5)) == (0, 0)


async def test_what_was_acknowledged_is_there_after_the_server_was_killed(served: Served) -> None:
    async with opened(served.make) as bus:
        await bus.publish(message("1", b"first"))
        served.kill()
        with pytest.raises(BusError):
            await bus.publish(message("2", b"second"))
        assert not (await bus.state()).is_connected

        served.start()
        await until(lambda: connected(bus))
        await until(lambda: holds(bus, b"first"))
        await bus.publish(message("2", b"second"))

        assert sorted({d.body for d in await take(bus, 2)}) == [b"first", b"second"]


async def holds(bus: Bus, body: bytes) -> bool:
    try:
        return await bus.newest(SUBJECT) == body
    except BusError:
        return False


async def test_a_bus_that_writes_to_disk_first_is_known_as_such(served: Served) -> None:
    async with opened(served.make) as bus:
        state = await bus.state()

    assert state.is_synced is True
    assert state.problem == ""


async def test_a_node_that_does_not_write_to_disk_first_is_said() -> None:
    with jetstream(1, sync='"2m"') as cluster:
        async with opened(lambda: NatsBus([cluster.url], MOST, [cluster.monitors])) as bus:
            state = await bus.state()

    assert state.is_synced is False
    assert "does not write to disk before it acknowledges" in state.problem


async def test_where_nobody_can_be_asked_it_is_unknown(caplog: pytest.LogCaptureFixture) -> None:
    with jetstream(1) as cluster:
        async with opened(lambda: NatsBus([cluster.url], MOST)) as bus:
            state = await bus.state()

    assert state.is_synced is None
    assert "set bus_monitor_url" in caplog.text


async def test_redis_without_its_file_acknowledges_nothing() -> None:
    with valkey("--appendonly", "no") as server:
        async with opened(lambda: RedisBus(server.url, MOST)) as bus:
            with pytest.raises(BusError, match="what is on its disk"):
                await bus.publish(message("1"))
            assert "nothing is acknowledged" in (await bus.state()).problem
