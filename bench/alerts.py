"""Rules: what evaluating all of them each second costs at 5,000 violations a second and 100,000 addresses.

A database is filled by the store itself with three minutes of refusals from 100,000 addresses, 2,000
consumers and a leaked key among them. Then the evaluation runs against it second by second, with a clock
of its own, reading in the bites that the collector reads. Printed: time per turn, memory, incidents.

    python -m bench alerts -- --rate 5000 --addresses 100000 --seconds 180
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path

from alerting.live import GRACE_MS, Live
from alerting.receivers import Routes
from collector.garbage import look_rarely
from domain.events import Certainty, Decoded, Event
from settings import load_settings
from storage.alert_book import AlertBook
from storage.alert_reads import AlertReads
from storage.batches import Batch
from storage.sqlite_store import SqliteStore

START_MS = 1_800_000_000_000
BUDGET_MS = 100
CONSUMERS = 2_000


def address(number: int) -> str:
    """One of so many addresses, spread over networks."""
    return f"{20 + number % 200}.{number >> 9 & 255}.{number & 255}.{number % 251 + 1}"


def second(rng: random.Random, at_s: int, rate: int, addresses: int, leaks_at_s: int) -> list[Event]:
    """One second of refusals, among them those of a key that leaks."""
    found = []
    for number in range(rate):
        leaked = number % 100 == 0
        own = rng.randrange(CONSUMERS)
        consumer = "leaked" if leaked else f"consumer-{own}"
        place = address(own * (addresses // CONSUMERS) + rng.randrange(max(1, addresses // CONSUMERS)))
        if leaked and at_s < leaks_at_s:
            place = "20.1.1.1"
        elif leaked:
            place = f"45.{rng.randrange(12)}.7.{rng.randrange(3) + 1}"
        found.append(
            Event(
                id=f"request:{rng.getrandbits(128):032x}",
                kind="rate-limiting",
                event="exceeded",
                at_ms=START_MS + at_s * 1000 + number * 1000 // rate,
                consumer_id=f"id-{consumer}",
                consumer=consumer,
                ip=place,
                service_id="s-1",
                service="orders",
                route_id=f"r-{number % 5}",
                route=f"route-{number % 5}",
                status=429,
                limit_name="minute",
                limit_value=60,
                window_s=60,
                certainty=Certainty.CERTAIN.value,
                is_request=True,
            )
        )
    return found


def main(arguments: list[str]) -> None:
    """Fill, evaluate, print."""
    parser = argparse.ArgumentParser(prog="python -m bench alerts")
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=180)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "bench.db", options.rate, options.addresses, options.seconds)


def run(path: Path, rate: int, addresses: int, seconds: int) -> None:
    """Write each second, then let the evaluation have its turn at it, as they alternate in the collector."""
    settings = load_settings({"database": str(path)}, {})
    store = SqliteStore(str(path), settings)
    rng = random.Random(7)  # noqa: S311 - made-up traffic
    clock = [START_MS]
    reads, book = AlertReads(path, 10_000), AlertBook(path)
    numbers = iter(range(10**9))
    live = Live(
        reads, book, Routes(), "", lambda: clock[0], lambda: f"msg_{next(numbers)}", lambda: clock[0] / 1000
    )
    look_rarely()  # as the collector does, in whose process the evaluation runs
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took_ms, cpu_ms = [], []
    for at_s in range(seconds):
        decoded = Decoded(events=second(rng, at_s, rate, addresses, 2 * seconds // 3), entries=rate)
        store.write(
            [Batch(source="bench", way="stream", received_ms=START_MS + at_s * 1000, decoded=decoded)]
        )
        clock[0] = START_MS + (at_s + 1) * 1000 + GRACE_MS
        wall, cpu = time.perf_counter(), time.process_time()
        live.turn()
        took_ms.append(1000 * (time.perf_counter() - wall))
        cpu_ms.append(1000 * (time.process_time() - cpu))
    settled, busy = sorted(took_ms[30:]), sorted(cpu_ms[30:])
    over = sum(1 for ms in busy if ms > BUDGET_MS)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    rules = len(live.evaluator.rules)
    print(f"{rate:,} violations a second, {addresses:,} addresses, {seconds} s, {rules} rules")
    print(
        f"turn each second: mean {statistics.mean(settled):.1f} ms, p50 {settled[len(settled) // 2]:.1f},"
        f" p99 {settled[int(len(settled) * 0.99)]:.1f}, max {settled[-1]:.1f} ms"
        f" (CPU: mean {statistics.mean(busy):.1f}, p90 {busy[int(0.9 * len(busy))]:.1f},"
        f" p99 {busy[int(0.99 * len(busy))]:.1f}, max {busy[-1]:.1f} ms); budget {BUDGET_MS} ms of CPU, over"
        f" it {over} of {len(busy)} turns"
    )
    slow = sorted(live.evaluator.seconds.items(), key=lambda item: -item[1])[:4]
    print("slowest detectors: " + ", ".join(f"{name} {1000 * s / seconds:.1f} ms" for name, s in slow))
    ledger = live.evaluator.ledger
    print(
        f"memory: {grown_mb:.0f} MB more than at the start, the store's caches included; tracks:"
        f" {len(ledger.consumers):,} consumers, {len(ledger.addresses):,} addresses, {len(ledger.sites):,}"
        f" networks, {ledger.uncounted:,} requests not counted by address"
    )
    found = sorted({(i.rule, i.shape, i.entity) for i in live.evaluator.desk.live.values()})
    print(f"incidents: {len(found)}; " + "; ".join(" ".join(parts) for parts in found[:6]))
    assert any(rule == "shared_or_leaked_key" and who == "leaked" for rule, _, who in found)
    book.close()
    reads.close()
    store.close()
