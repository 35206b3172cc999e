"""Frames of one event each, beside a bare `websockets` server that only decodes them.

    python -m bench frames -- [--events 20000] [--rounds 4]

Both sides are servers in processes of their own, on real sockets, and the same sender feeds them in turns
from this process, the very same frames: refusals of a recorded trace as our Kong plugin sends them. Ours
decodes, redacts, tells duplicates apart, stores with every total and `synchronous=FULL`, and acknowledges
after the commit; its sender keeps to the window that it grants. The bare one reads each frame with
`orjson.loads`, keeps nothing, and answers the last.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.sync.client import ClientConnection, connect

from bench.engines.contest import answers, free_port, process_cpu_s, wait_until
from bench.engines.ours import Gatewatch
from bench.ingest import entries_of, frames
from bench.input.meter import machine


class Bare:
    """The bare server, and the connection to it."""

    def __init__(self) -> None:
        port = free_port()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(port,), daemon=True)
        self._process.start()
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the bare server")
        self._socket: ClientConnection = connect(f"ws://127.0.0.1:{port}", proxy=None, compression=None)

    def feed_frames(self, frames: list[tuple[int, bytes]]) -> None:
        """Send everything, and wait until the last was read."""
        for _, frame in frames:
            self._socket.send(frame, text=True)
        self._socket.send(b"{}", text=True)
        self._socket.recv(60)

    def cpu_s(self) -> float:
        """The server's."""
        return process_cpu_s(self._process.pid or 0)

    def stop(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        self._process.join()


def _serve(port: int) -> None:
    async def handle(connection: ServerConnection) -> None:
        async for message in connection:
            if not orjson.loads(message):
                await connection.send("read")

    def health(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(200, "ok") if request.path == "/healthz" else None

    async def run() -> None:
        async with serve(handle, "127.0.0.1", port, compression=None, process_request=health):
            await asyncio.get_running_loop().create_future()

    asyncio.run(run())


def main(arguments: list[str]) -> None:
    """Measure, and print one line per side."""
    parser = argparse.ArgumentParser(
        prog="python -m bench frames --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--events", type=int, default=20_000, help="in all")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each side")
    options = parser.parse_args(arguments)
    sent = [
        (number, frame)
        for number, (_, frame) in enumerate(frames(entries_of("plugin"), options.events, 1), start=1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), sent, options)


def _run(folder: Path, sent: list[tuple[int, bytes]], options: argparse.Namespace) -> None:
    ours, bare = Gatewatch(folder), Bare()
    each = len(sent) // options.rounds
    walls: dict[str, list[float]] = {"bare": [], "ours": []}
    cpus = dict.fromkeys(walls, 0.0)
    try:
        for number in range(options.rounds):
            part = sent[number * each : (number + 1) * each]
            turns: list[tuple[str, Bare | Gatewatch]] = [("bare", bare), ("ours", ours)]
            for name, side in turns if number % 2 else reversed(turns):
                before_s, since = side.cpu_s(), time.perf_counter()
                side.feed_frames(part)
                walls[name].append(time.perf_counter() - since)
                cpus[name] += side.cpu_s() - before_s
    finally:
        bare.stop()
        ours.stop()
    total = each * options.rounds
    print(machine())
    print(f"{total} frames of one event, {sum(len(frame) for _, frame in sent) / len(sent):.0f} bytes each")
    for name, took in walls.items():
        rate = each / statistics.median(took)
        print(f"{name:6} {rate:10,.0f} frames/s (median round)  {cpus[name] / total * 1e6:6.1f} us CPU each")
    wall = statistics.median(b / o for b, o in zip(walls["bare"], walls["ours"], strict=True))
    print(f"bare / ours {wall:5.2f} by wall, {cpus['bare'] / cpus['ours']:5.2f} by CPU of the server")
