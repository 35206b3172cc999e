"""Options of `simulate`, and sending its items when they are due."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import signal
import time
from typing import Any

from collector.logs import log_to_stderr
from collector.options import simulate_parser
from collector.simulate.labels import Labels
from collector.simulate.scenarios import SCENARIOS, about
from collector.simulate.traffic import Plan, items
from collector.stream_client import StreamClient
from collector.tokens import own_token
from settings import load_settings

SOURCE = "simulate"
DRAIN_LIMIT_S = 10.0
REFUSED = 429
HISTORY_MS = 5_000
"""What is older than this waits for room at the collector; what happens now does not wait."""
TURN_ITEMS = 50
"""The connection gets its turn after so many items, also when they are late."""


class Counts:
    """What was sent."""

    def __init__(self) -> None:
        self.requests = 0
        self.refused = 0
        self.events = 0
        self.dropped = 0

    def count(self, item: dict[str, Any], *, was_taken: bool) -> None:
        """Count one item."""
        if not was_taken:
            self.dropped += 1
        elif item["kind"] == "http-log":
            self.requests += 1
            self.refused += item["entry"]["response"]["status"] == REFUSED
        else:
            self.events += 1

    def __str__(self) -> str:
        return (
            f"simulated {self.requests} requests: {self.refused} refused; {self.events} events, "
            f"{self.dropped} dropped"
        )


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
        SettingValueError: The collector refuses for good, or an option cannot be used.
    """
    options = simulate_parser(about()).parse_args(arguments)
    settings = load_settings({"token_file": options.token_file})
    log_to_stderr()
    names = tuple(dict.fromkeys(options.scenario or ()))
    plan = Plan(
        seed=secrets.randbelow(2**31) if options.seed is None else options.seed,
        start_ms=now_ms() - round(options.history * 1000),
        rate=options.rate,
        scenarios=tuple(SCENARIOS) if "all" in names else names,
    )
    print(f"simulating with seed {plan.seed} to {options.to}", flush=True)  # noqa: T201 - its output
    with Labels(options.labels) as labels:
        token = own_token(settings.token_file)
        counts = asyncio.run(stream(plan, options.to, token, options.duration, labels))
    print(counts, flush=True)  # noqa: T201 - its output
    return 0


async def stream(plan: Plan, url: str, token: str | None, duration_s: float | None, labels: Labels) -> Counts:
    """Send what the plan gives, as it becomes due, until the duration is over or a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = StreamClient(url, SOURCE, secrets.token_hex(8), random=random.random, now_ms=now_ms, token=token)
    counts = Counts()
    running = asyncio.create_task(client.run())
    feeding = asyncio.create_task(_feed(plan, client, counts, duration_s, labels))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, feeding, stopping}, return_when=asyncio.FIRST_COMPLETED)
    feeding.cancel()
    if not running.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_LIMIT_S):
                await client.drained()
    for task in (running, stopping):
        task.cancel()
    for error in await asyncio.gather(running, feeding, stopping, return_exceptions=True):
        if isinstance(error, Exception):
            raise error
    return counts


async def _feed(
    plan: Plan, client: StreamClient, counts: Counts, duration_s: float | None, labels: Labels
) -> None:
    for number, (at_ms, item) in enumerate(items(plan)):
        if duration_s is not None and at_ms - plan.start_ms >= duration_s * 1000:
            return
        left_ms = at_ms - now_ms()
        if left_ms > 0 or number % TURN_ITEMS == 0:
            await asyncio.sleep(max(0, left_ms) / 1000)
        if left_ms < -HISTORY_MS:
            await client.put(item)
            was_taken = True
        else:
            was_taken = await client.offer(item)
        counts.count(item, was_taken=was_taken)
        if was_taken:
            labels.note(item)


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000
