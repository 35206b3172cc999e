"""From sent to acknowledged, and from sent to seen in a real browser, at shares of the maximum rate.

    python -m bench latency -- [--seconds 20] [--viewers 200]

A real `streamlit run dashboard.py` with its collector, alerts evaluated all the while; refusals of a recorded
trace as our Kong plugin sends them, from a process of its own. First the maximum: as fast as the collector
grants. Then 10, 50 and 90 % of it: each frame's time from when it was due to its acknowledgement, waiting
included. Then, at 50 %, one refusal of a consumer of its own every few hundred milliseconds, and when its row
stands on the Live page of a real Chromium that watches that consumer; once alone, once with 200 others
watching everything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from playwright.sync_api import sync_playwright
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from bench.input.meter import machine
from bench.input.sender import Sent, sending
from bench.viewers import Running, dashboard, page_ticket, watch

PROBE = "latency-probe"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")  # noqa: TID251 - where the browser is
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WATCH_ROWS = """() => {
  const find = root => root.querySelector('.tail tbody')
    ?? [...root.querySelectorAll('*')].map(e => e.shadowRoot && find(e.shadowRoot)).find(Boolean)
  window.rowsSeen = []
  new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => {
    if (node.nodeName === 'TR') window.rowsSeen.push(Date.now())
  }))).observe(find(document), { childList: true })
}"""


def main(arguments: list[str]) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench latency --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--viewers", type=int, default=200)
    options = parser.parse_args(arguments)
    print(machine())
    with tempfile.TemporaryDirectory() as folder, dashboard(Path(folder)) as running:
        most = _sent(running, 0, options.seconds)
        top = most.events / most.seconds
        print(f"most: {top:,.0f} events/s ({most.events:,} in {most.seconds:.1f} s)")
        for share in (0.1, 0.5, 0.9):
            _tell_acks(share, _sent(running, top * share, options.seconds))
        for viewers in (0, options.viewers):
            with _watching(running, viewers, options.seconds + 60):
                took = _seen(running, top / 2, options.seconds)
            print(
                f"seen at 50 %, {viewers + 1} viewers: p50 {statistics.median(took):.0f} ms,"
                f" p95 {_quantile(took, 0.95):.0f} ms, most {took[-1]:.0f} ms, {len(took)} rows"
            )


def _sent(running: Running, rate: float, seconds: float) -> Sent:
    pool, future = sending(running.stream, rate, seconds)
    with pool:
        return future.result()


def _tell_acks(share: float, sent: Sent) -> None:
    took = sorted(sent.acked_ms)
    print(
        f"acknowledged at {share:4.0%} ({sent.events / sent.seconds:,.0f} events/s):"
        f" p50 {statistics.median(took):.0f} ms, p99 {_quantile(took, 0.99):.0f} ms, most {took[-1]:.0f} ms"
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextlib.contextmanager
def _watching(running: Running, viewers: int, seconds: float) -> Iterator[None]:
    """So many viewers of everything, in a process of their own."""
    if not viewers:
        yield
        return
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_watch_all, args=(running.host, viewers, seconds), daemon=True)
    process.start()
    time.sleep(5)
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _watch_all(host: str, viewers: int, seconds: float) -> None:
    async def all_of_them() -> None:
        ticket = await page_ticket(host)
        until = time.monotonic() + seconds
        await asyncio.gather(*(watch(host, ticket, until) for _ in range(viewers)))

    asyncio.run(all_of_them())


def _seen(running: Running, rate: float, seconds: float) -> list[float]:
    """Milliseconds from each probe's sending to its row on the page, in order."""
    with (
        sync_playwright() as playwright,
        connect(running.stream, proxy=None, subprotocols=[Subprotocol("gatewatch.ingest.v1")]) as stream,
    ):
        node = {"id": "probe", "hostname": "probe", "version": "3.9.3"}
        hello = {"t": "hello", "source": "probe", "epoch": uuid.uuid4().hex, "oldest": 1, "next": 1}
        stream.send(orjson.dumps(hello | {"node": node}), text=True)
        stream.recv(10)
        _probe(stream, 1)
        with playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS)) as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"http://{running.host}/?consumer={PROBE}")
            page.locator(".tail tbody tr").first.wait_for(timeout=30_000)
            time.sleep(5)
            page.evaluate(WATCH_ROWS)
            pool, future = sending(running.stream, rate, seconds + 3)
            with pool:
                time.sleep(2)
                sent_ms = _probes(stream, seconds)
                future.result()
            page.wait_for_timeout(2_000)
            seen_ms = page.evaluate("window.rowsSeen")
    if len(seen_ms) != len(sent_ms):
        print(f"latency: {len(sent_ms)} probes were sent, {len(seen_ms)} rows came", file=sys.stderr)
    return sorted(float(seen - sent) for sent, seen in zip(sent_ms, sorted(seen_ms), strict=False))


def _probes(stream: Any, seconds: float) -> list[int]:
    chance, until = random.Random(1), time.monotonic() + seconds  # noqa: S311 - not a secret
    sent: list[int] = []
    while time.monotonic() < until:
        sent.append(_probe(stream, len(sent) + 2))
        _read_for(stream, chance.uniform(0.2, 0.6))
    return sent


def _read_for(stream: Any, seconds: float) -> None:
    """Read what the collector says: a stream whose answers nobody reads cannot be closed in order."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            stream.recv(left)


def _probe(stream: Any, number: int) -> int:
    """Send one refusal; when, in milliseconds since 1970."""
    at_ms = time.time_ns() // 1_000_000
    event = {
        "kind": "rate-limiting",
        "event": "exceeded",
        "id": uuid.uuid4().hex,
        "at_ms": at_ms,
        "consumer": PROBE,
        "ip": "203.0.113.7",
        "service": "orders",
        "status": 429,
        "limit_name": "minute",
        "limit_value": 20,
        "window_s": 60,
    }
    stream.send(orjson.dumps({"t": "batch", "first": number, "events": [event]}), text=True)
    return at_ms
