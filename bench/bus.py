"""Events a second into SQLite, into PostgreSQL, and over NATS JetStream into it with one and two writers.

    python -m bench bus -- [--entries 8000] [--rounds 3] [--mix plugin|refusals|recorded]

Needs requirements-cluster-dev.lock: three JetStream nodes (three replicas, `sync_interval: always`) and one
PostgreSQL (`synchronous_commit=on`) are started on loopback. All ways are given the same decoded batches of
100 and take turns, round by round. Straight into a store one process writes 20 batches in a transaction. Over
the bus this process publishes, writers are processes of their own, and the time ends when all is stored. On
one machine all of it shares the processors, so this says what a bus costs, not what more machines gain.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.ingest import decoded, entries_of, frames
from bench.input.meter import Meter, machine
from settings import load_settings
from storage.batches import Batch, Member
from storage.opening import open_store

GROUP = 20
WAYS = ("SQLite", "PostgreSQL", "bus, published", "bus, one writer", "bus, two writers")
MEMBER = Member(member="bench:1", role="collector", beat_ms=1, started_ms=1, version="1", state="ok")


class Site:
    """The servers, and the databases that each way fills."""

    def __init__(self, folder: Path, server_url: str, bus_url: str) -> None:
        self.sqlite, self.postgres, self.bus = str(folder / "g.db"), server_url, bus_url
        self.meter, self.sent, self.bytes = Meter(), 0, 0


def direct(database: str, batches: list[Batch]) -> float:
    """Seconds to store batches, 20 in a transaction."""
    store = open_store(database, load_settings({}, {}))
    began = time.monotonic()
    for start in range(0, len(batches), GROUP):
        store.write(batches[start : start + GROUP])
    took = time.monotonic() - began
    store.close()
    return took


async def published(site: Site, batches: list[Batch]) -> tuple[float, float]:
    """When everything was published, and when it was stored, in seconds after the beginning."""
    from collector.bus.nats_bus import NatsBus  # noqa: PLC0415 - the list of benches needs no server
    from collector.bus.outbox import Outbox  # noqa: PLC0415
    from collector.bus.publisher import Publisher  # noqa: PLC0415

    async def nothing(_source: str, _epoch: str) -> int:
        return 0

    bus = NatsBus(site.bus.split(","), 1 << 30)
    publisher = Publisher(bus, Outbox(bus, None), 64, "bench", nothing, lambda: MEMBER)
    await publisher.start()
    while not (await bus.state()).is_connected:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.05)
    began = time.monotonic()
    with site.meter:
        lanes = [[b for b in batches if b.source == source] for source in {b.source for b in batches}]
        await asyncio.gather(*(_one_after_another(publisher, lane) for lane in lanes))
    sent_s = time.monotonic() - began
    is_stored = False
    while not is_stored:
        await asyncio.sleep(0.02)
        state = await bus.state()
        is_stored = state.waiting == 0 and state.in_hand == 0
    stored_s = time.monotonic() - began
    await publisher.stop(1.0)
    return sent_s, stored_s


async def _one_after_another(publisher: object, lane: list[Batch]) -> None:
    futures = []
    for batch in lane:
        await publisher.room()  # type: ignore[attr-defined]
        futures.append(publisher.submit(batch))  # type: ignore[attr-defined]
    await asyncio.gather(*futures)


@contextlib.contextmanager
def writers(site: Site, folder: Path, n: int) -> Iterator[None]:
    """So many writers, ready."""
    from tests.cluster.processes import Process, running  # noqa: PLC0415

    environ = {"GATEWATCH_DATABASE": site.postgres, "GATEWATCH_BUS": site.bus}
    with running(*(Process(folder, f"writer-{place}", "writer", **environ) for place in range(n))):
        yield


def measure(site: Site, folder: Path, way: str, batches: list[Batch]) -> float:
    """Seconds that a way takes."""
    if way == "SQLite":
        return direct(site.sqlite, batches)
    if way == "PostgreSQL":
        return direct(site.postgres, batches)
    with writers(site, folder, 2 if "two" in way else 1):
        sent_s, stored_s = asyncio.run(published(site, batches))
    return sent_s if "published" in way else stored_s


def batches_of(mix: str, wanted: int, number: int) -> list[Batch]:
    """New batches of four sources, as a collector decodes them."""
    given = list(frames(entries_of(mix), wanted, skip=number * wanted))
    made = [decoded(*frame) for frame in given]
    return [
        msgspec.structs.replace(batch, source=f"gw-{place % 4}", epoch=f"e-{number}", first=place, upto=place)
        for place, batch in enumerate(made, 1)
    ]


def main(arguments: list[str]) -> None:
    """Measure, and print one line per way."""
    from collector.bus.publisher import message_of  # noqa: PLC0415
    from tests.jetstream import jetstream  # noqa: PLC0415
    from tests.postgres import running  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="python -m bench bus --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--entries", type=int, default=8_000, help="in a round, of each way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mix", choices=("plugin", "refusals", "recorded"), default="plugin")
    options = parser.parse_args(arguments)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    number = itertools.count(0)
    with tempfile.TemporaryDirectory() as name, running() as server, jetstream(3) as bus:
        site = Site(Path(name), server.url(), bus.url)
        for turn in range(options.rounds):
            for way in WAYS if not turn % 2 else WAYS[::-1]:
                given = batches_of(options.mix, options.entries, next(number))
                rates[way].append(options.entries / measure(site, Path(name), way, given))
                if way.startswith("bus"):
                    site.sent += options.entries
                    site.bytes += sum(len(message_of([b], "s", 1 << 30).body) for b in given)
    print(machine())
    print(f"{options.entries} entries ({options.mix}) a round, {options.rounds} rounds; medians")
    base = statistics.median(rates["SQLite"])
    for way, found in rates.items():
        middle = statistics.median(found)
        every = ", ".join(f"{rate:,.0f}" for rate in found)
        print(f"{way:18} {middle:8,.0f} entries/s  {middle / base:5.2f} x SQLite  ({every})")
    cpu_us, held = 1e6 * site.meter.cpu_s / site.sent, site.bytes / site.sent
    print(f"publishing takes {cpu_us:.0f} us CPU an entry; the bus holds {held:.0f} bytes of it")
