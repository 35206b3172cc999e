"""200 browsers on one live view at once: what each refresh costs the server, and whether any is missed.

    python -m bench viewers -- [--viewers 200] [--seconds 30]

A real `streamlit run dashboard.py` with a real collector, ten events a second over the stream all the while,
and viewers that speak the live WebSocket as a browser does, from a process of their own. CPU is the dashboard
process's own time from /proc; what one viewer alone costs (noticing commits, reading the view, making the
figure) is measured first and told apart from what each further viewer adds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

ROOT = Path(__file__).resolve().parent.parent
LATE_S = 2.0
"""A picture comes once a second, at the next look for commits; one that comes later than this was missed."""


class Running(NamedTuple):
    """A dashboard and how to reach it."""

    pid: int
    host: str
    stream: str


class Seen(NamedTuple):
    """What one viewer got."""

    pictures: int
    messages: int
    received_bytes: int
    gaps_s: list[float]
    """Seconds between two pictures."""


def free_port() -> int:
    """A port that nothing listens on now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def dashboard(folder: Path) -> Iterator[Running]:
    """`streamlit run dashboard.py` on free ports."""
    port, stream, http = free_port(), free_port(), free_port()
    environ = os.environ | {  # noqa: TID251 - the dashboard is our child and inherits ours
        "GATEWATCH_DATABASE": str(folder / "gatewatch.db"),
        "GATEWATCH_SAMPLE_DATABASE": str(folder / "sample.db"),
        "GATEWATCH_WS_LISTEN": f"127.0.0.1:{stream}",
        "GATEWATCH_HTTP_LISTEN": f"127.0.0.1:{http}",
    }
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    try:
        for url in (f"http://127.0.0.1:{port}/_stcore/health", f"http://127.0.0.1:{http}/healthz"):
            wait_for(url)
        yield Running(process.pid, f"127.0.0.1:{port}", f"ws://127.0.0.1:{stream}/v1/stream")
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str) -> None:
    """Until it answers."""
    for _ in range(300):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


def cpu_s(pid: int) -> float:
    """Seconds that the process has computed, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def page_ticket(host: str) -> str:
    """What the Live page gives its board: one run of the page, read from Streamlit's own messages."""
    options = {"origin": Origin(f"http://{host}"), "subprotocols": [Subprotocol("streamlit")]}
    async with connect(f"ws://{host}/_stcore/stream", proxy=None, max_size=None, **options) as page:
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        await page.send(asked.SerializeToString())
        async for raw in page:
            if not isinstance(raw, bytes):
                continue
            message = ForwardMsg()
            message.ParseFromString(raw)
            part = message.delta.new_element.bidi_component
            if "ticket" in part.json:
                return str(json.loads(part.json)["ticket"])
    raise SystemExit("the Live page gave no ticket")


async def watch(host: str, ticket: str, until: float) -> Seen:
    """One viewer."""
    pictures, messages, size, gaps, last = 0, 0, 0, [], None
    origin = Origin(f"http://{host}")
    async with connect(f"ws://{host}/gatewatch/live", proxy=None, origin=origin, max_size=None) as viewer:
        await viewer.send(json.dumps({"t": "watch", "ticket": ticket}))
        while (left := until - time.monotonic()) > 0:
            try:
                raw = await asyncio.wait_for(viewer.recv(), left)
            except TimeoutError:
                break
            messages, size = messages + 1, size + len(raw)
            if str(raw).startswith('{"t":"full"'):
                now = time.monotonic()
                gaps += [] if last is None else [now - last]
                pictures, last = pictures + 1, now
    return Seen(pictures, messages, size, gaps)


async def send_events(url: str, until: float) -> None:
    """Ten refusals a second, so that every picture is a new one."""
    async with connect(url, proxy=None, subprotocols=[Subprotocol("gatewatch.ingest.v1")]) as stream:
        hello = {
            "t": "hello",
            "source": "bench",
            "epoch": uuid.uuid4().hex,
            "oldest": 1,
            "next": 1,
            "node": {"id": "bench", "hostname": "bench", "version": "3.9.1"},
        }
        await stream.send(json.dumps(hello))
        await stream.recv()
        reading = asyncio.create_task(drain(stream))
        number = 0
        while time.monotonic() < until:
            number += 1
            event = {
                "kind": "rate-limiting",
                "event": "exceeded",
                "id": uuid.uuid4().hex,
                "at_ms": time.time_ns() // 1_000_000,
                "consumer": f"consumer-{number % 40}",
                "ip": f"203.0.113.{number % 200}",
                "service": f"service-{number % 6}",
                "limit_value": 20,
                "limit_name": "minute",
                "window_s": 60,
                "status": 429,
            }
            await stream.send(json.dumps({"t": "batch", "first": number, "events": [event]}))
            await asyncio.sleep(0.1)
        reading.cancel()


async def drain(stream: ClientConnection) -> None:
    """Take the acknowledgements."""
    async for _ in stream:
        pass


async def measure(running: Running, viewers: int, seconds: float) -> tuple[float, list[Seen]]:
    """(CPU seconds of the dashboard, what each viewer saw) while so many watch for so long."""
    ticket = await page_ticket(running.host)
    started = time.monotonic()
    before = cpu_s(running.pid)
    until = started + seconds
    sending = asyncio.create_task(send_events(running.stream, until))
    seen = await asyncio.gather(*(watch(running.host, ticket, until) for _ in range(viewers)))
    spent = cpu_s(running.pid) - before
    await sending
    return spent, list(seen)


def report(alone: tuple[float, list[Seen]], together: tuple[float, list[Seen]], seconds: float) -> None:
    """Say what came of it."""
    spent, seen = together
    viewers = len(seen)
    refreshes = sum(s.pictures for s in seen)
    added = (spent - alone[0]) / max(1, refreshes - alone[1][0].pictures)
    gaps = sorted(gap for s in seen for gap in s.gaps_s)
    fewest, most = min(s.pictures for s in seen), max(s.pictures for s in seen)
    late = sum(gap > LATE_S for gap in gaps)
    share = 100 * spent / seconds
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {seconds:g} s")
    print(f"one viewer:  {alone[0]:6.2f} s CPU ({100 * alone[0] / seconds:.1f} % of a core)")
    print(f"{viewers} viewers: {spent:6.2f} s CPU ({share:.1f} % of a core)")
    print(f"each further viewer-refresh: {1000 * added:.3f} ms CPU")
    size_mb = sum(s.received_bytes for s in seen) / 1e6
    print(f"messages {sum(s.messages for s in seen):,}, {size_mb:.1f} MB")
    print(
        f"pictures {refreshes:,}, {fewest} to {most} a viewer; "
        f"between two: median {statistics.median(gaps):.2f} s, p99 {gaps[int(len(gaps) * 0.99) - 1]:.2f} s, "
        f"most {gaps[-1]:.2f} s; missed (later than {LATE_S:g} s): {late}"
    )


def main(arguments: list[str]) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m bench viewers --", description=__doc__)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, dashboard(Path(folder)) as running:
        asyncio.run(measure(running, 1, 5))
        alone = asyncio.run(measure(running, 1, options.seconds))
        together = asyncio.run(measure(running, options.viewers, options.seconds))
    report(alone, together, options.seconds)
