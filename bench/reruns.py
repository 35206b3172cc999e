"""What a page that runs again costs, beside plain Streamlit with the same charts and the same answers.

    python -m bench reruns -- [--reruns 60] [--sessions 50] [--every 10]

Two real servers on copies of one file: `streamlit run dashboard.py`, and bench/plain/app.py, which asks the
same questions and shows them with Streamlit's own elements. Sessions speak Streamlit's WebSocket as a browser
does. First one session asks each server in turn to run the page of one consumer, each time another one: the
processor time of the server for one run. Then so many sessions at once, each running its page every few
seconds: the time from asking to the end of the run. In between, what an hour of one session's runs adds to
the server's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from bench import fill
from bench.engines.contest import tree_cpu_s
from bench.input import gateway
from bench.input.meter import machine
from bench.pages import p95
from bench.viewers import ROOT, free_port, wait_for
from domain.windows import DAY_MS

EVENTS, DAYS = 200_000, 10
RUN_LIMIT_S = 60.0
HOUR_RUNS = 360
"""A page that is looked at runs again every ten seconds."""


@dataclasses.dataclass(frozen=True)
class Served:
    """A running server, and what makes it draw one consumer."""

    name: str
    pid: int
    host: str
    page: str
    query: str


@contextlib.contextmanager
def _served(name: str, folder: Path, database: Path) -> Iterator[Served]:
    port = free_port()
    own = folder / f"{name}.db"
    shutil.copy(database, own)
    environ = os.environ | {  # noqa: TID251 - the server is our child and inherits ours
        "GATEWATCH_DATABASE": str(own),
        "GATEWATCH_SAMPLE_DATABASE": str(folder / "sample.db"),
        "GATEWATCH_WS_LISTEN": "127.0.0.1:0",
        "GATEWATCH_HTTP_LISTEN": "127.0.0.1:0",
        "PYTHONPATH": str(ROOT),
    }
    script = "dashboard.py" if name == "ours" else "bench/plain/app.py"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
            cwd=ROOT,
            env=environ,
            stdout=log,
            stderr=log,
        )
    span = f"from={gateway.NOW_MS - 7 * DAY_MS}&to={gateway.NOW_MS}&of="
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        page, query = ("consumers", span) if name == "ours" else ("", "of=")
        yield Served(name, process.pid, f"127.0.0.1:{port}", page, query)
    finally:
        process.terminate()
        process.wait(20)


class Session:
    """One browser's connection."""

    def __init__(self, served: Served, socket: ClientConnection) -> None:
        self._served = served
        self._socket = socket

    async def rerun(self, consumer: int) -> float:
        """Run the page about a consumer; seconds until the run has ended."""
        asked = BackMsg()
        asked.rerun_script.query_string = f"{self._served.query}consumer-{consumer:04}"
        asked.rerun_script.page_name = self._served.page
        since = time.perf_counter()
        await self._socket.send(asked.SerializeToString())
        async with asyncio.timeout(RUN_LIMIT_S):
            async for raw in self._socket:
                message = ForwardMsg()
                message.ParseFromString(raw if isinstance(raw, bytes) else raw.encode())
                if message.WhichOneof("type") == "delta" and message.delta.new_element.HasField("exception"):
                    raise SystemExit(f"{self._served.name}: {message.delta.new_element.exception.message}")
                if message.WhichOneof("type") == "script_finished":
                    return time.perf_counter() - since
        raise SystemExit(f"{self._served.name}: the connection ended")


@contextlib.asynccontextmanager
async def _session(served: Served) -> AsyncIterator[Session]:
    async with connect(
        f"ws://{served.host}/_stcore/stream",
        origin=Origin(f"http://{served.host}"),
        subprotocols=[Subprotocol("streamlit")],
        proxy=None,
        max_size=None,
        ping_interval=None,
    ) as socket:
        yield Session(served, socket)


async def _in_turn(servers: list[Served], reruns: int) -> dict[str, tuple[float, float]]:
    """(processor seconds, seconds) of one run, by server."""
    cpu_s, wall_s = (
        dict.fromkeys((s.name for s in servers), 0.0),
        dict.fromkeys((s.name for s in servers), 0.0),
    )
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(_session(served)) for served in servers]
        for session in sessions:
            await session.rerun(0)
        for number in track(range(reruns), "in turn", console=Console(stderr=True)):
            for served, session in zip(servers, sessions, strict=True):
                before = tree_cpu_s(served.pid)
                wall_s[served.name] += await session.rerun(number * 7 % 200)
                await asyncio.sleep(0.05)
                cpu_s[served.name] += tree_cpu_s(served.pid) - before
    return {name: (cpu_s[name] / reruns, wall_s[name] / reruns) for name in cpu_s}


async def _hour(served: Served) -> tuple[float, float]:
    """Memory of the server before and after an hour's runs of one session, MiB; caches were filled before."""
    async with _session(served) as session:
        for consumer in range(60):
            await session.rerun(consumer % 20)
        before = _resident_mib(served.pid)
        for run in range(HOUR_RUNS):
            await session.rerun(run % 20)
        return before, _resident_mib(served.pid)


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


async def _at_once(
    served: Served, sessions: int, every_s: float, seconds: float
) -> tuple[list[float], float]:
    """(seconds of each run, processor seconds of the server) while so many sessions run every so often."""
    took: list[float] = []

    async def one(number: int, until: float) -> None:
        async with _session(served) as session:
            await asyncio.sleep(every_s * number / sessions)
            while (began := time.monotonic()) < until:
                took.append(await session.rerun(number % 200))
                await asyncio.sleep(max(0.0, began + every_s - time.monotonic()))

    before = tree_cpu_s(served.pid)
    until = time.monotonic() + seconds
    await asyncio.gather(*(one(number, until) for number in range(sessions)))
    return took, tree_cpu_s(served.pid) - before


def main(arguments: list[str]) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(
        prog="python -m bench reruns --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--reruns", type=int, default=60)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--every", type=float, default=10, help="seconds between two runs of a session")
    options = parser.parse_args(arguments)
    print(machine())
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        database = fill.fill(folder / "made.db", EVENTS, DAYS, quiet=True)
        servers = [stack.enter_context(_served(side, folder, database)) for side in ("ours", "plain")]
        cost = asyncio.run(_in_turn(servers, options.reruns))
        for side, (cpu_s, wall_s) in cost.items():
            print(f"{side:6} one run: {cpu_s * 1000:6.1f} ms CPU, {wall_s * 1000:6.1f} ms until it ended")
        print(f"ours / plain, CPU: {cost['ours'][0] / cost['plain'][0]:.2f}")
        for served in servers:
            before, after = asyncio.run(_hour(served))
            print(f"{served.name:6} memory over {HOUR_RUNS} runs: {before:.0f} to {after:.0f} MiB")
        for served in servers:
            seconds = 3 * options.every
            took, spent_s = asyncio.run(_at_once(served, options.sessions, options.every, seconds))
            print(
                f"{served.name:6} {options.sessions} sessions, a run each {options.every:g} s: median"
                f" {statistics.median(took) * 1000:.0f} ms, p95 {p95(took) * 1000:.0f} ms, {len(took)} runs,"
                f" {spent_s / seconds:.2f} cores"
            )
