#!/usr/bin/env python3
"""Requests per second and latency with and without the plugin, collector up and down, in one interleaved run.

    kong-plugin/bench/run.py [--generations 4] [--rounds 5] [--seconds 1] [--write]

Four nodes run at the same time and rest while they are not asked: without the plugin (twice: the second one
shows the noise of the machine), with the plugin and a collector, with the plugin and none. Each round asks
each of them with the same wrk for the same time, in a new order. After some rounds all are started anew: what
LuaJIT compiles differs from process to process. First bare nodes, then some that work as hard as Kong. Needs
nginx and wrk (`kong-plugin/test setup`); standard library only.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUGIN = HERE.parent
README = PLUGIN / "README.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
FIRST_PORT = 19600
CONNECTIONS = 16
MIXES = {"ordinary, one request in 50 refused": 50, "attack, one in 8": 8}
# How often a request does the stand-in's work, some 4 us, and whether its upstream is another process.
KINDS = {"bare nginx": (1, False), "with Kong's work": (25, True)}
ROWS = ("without the plugin", "without it, again", "with it, collector up", "with it, collector down")


class Figures:
    """What the rounds of one node and mix came to, one number a round."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.p50_ms: list[float] = []
        self.p99_ms: list[float] = []
        self.cpu_us: list[float] = []
        self.memory_mib: list[float] = []


class Node:
    """One nginx with one worker and the stand-in for Kong."""

    def __init__(
        self, name: str, number: int, folder: Path, environment: dict[str, str], work: int = 0
    ) -> None:
        self.name = name
        self.port = FIRST_PORT + 10 * number
        self.folder = folder / str(number)
        self.folder.mkdir(parents=True)
        env = {
            **os.environ,  # noqa: TID251 - this script is its own root
            "WORKERS": "1",
            "MAIN": "user root;",
            "LEVEL": "error",
            "OPTIONS": f"work = {work}",
        }
        self.process = subprocess.Popen(  # noqa: S603 - our own script
            [PLUGIN / "spec/stand_in/nginx", self.folder, str(self.port)],
            env={**env, **environment},
            start_new_session=True,
        )

    def get(self, path: str) -> None:
        """Send a GET."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            answer.read()

    def wait(self) -> None:
        """Until it answers."""
        for _ in range(100):
            try:
                self.get("/_collector?get=stored")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"nginx for {self.name!r} did not start: {self.folder}/error.log")

    def ask(self, mix: str, seconds: int, figures: Figures) -> None:
        """One wrk run, its figures kept."""
        before_s = self._cpu_s()
        options = [f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(HERE / "mix.lua")]
        out = subprocess.run(  # noqa: S603 - fixed words and numbers
            ["wrk", "-t1", "--latency", *options, f"http://127.0.0.1:{self.port}"],  # noqa: S607 - wherever it is
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "REFUSED_ONE_IN": str(MIXES[mix])},  # noqa: TID251 - this script is its own root
        ).stdout
        served = int(re.search(r"(\d+) requests in", out)[1])
        figures.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]))
        figures.p50_ms.append(_ms(re.search(r"50%\s+([\d.]+\w+)", out)[1]))
        figures.p99_ms.append(_ms(re.search(r"99%\s+([\d.]+\w+)", out)[1]))
        figures.cpu_us.append(1e6 * (self._cpu_s() - before_s) / served)
        status = (self._worker() / "status").read_text()
        figures.memory_mib.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)

    def _worker(self) -> Path:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return Path(f"/proc/{children[0]}")

    def _cpu_s(self) -> float:
        """Processor time of the worker so far."""
        return int((self._worker() / "schedstat").read_text().split()[0]) / 1e9

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=20)


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--generations", type=int, default=4, help="how often all nodes are started anew")
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise SystemExit("wrk and nginx are needed: kong-plugin/test setup")
    with tempfile.TemporaryDirectory(prefix="gatewatch-bench.") as folder:
        table = _run(options, Path(folder))
    print(table)  # noqa: T201 - what it is run for
    if options.write:
        text = README.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN, 1)
        README.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def _run(options: argparse.Namespace, folder: Path) -> str:
    sink = Node("collector", 9, folder, {"HANDLER": "none"})
    upstream = Node("upstream", 8, folder, {"HANDLER": "none"})
    lines = []
    try:
        sink.wait()
        upstream.wait()
        sink.get("/_collector?set=unread")
        for kind in KINDS:
            lines += _ask_kind(kind, sink, upstream, folder, options)
    finally:
        sink.stop()
        upstream.stop()
    return "\n".join([*_head(options), *lines])


def _ask_kind(kind: str, sink: Node, upstream: Node, folder: Path, options: argparse.Namespace) -> list[str]:
    figures: dict[tuple[str, str], Figures] = {}
    for generation in range(options.generations):
        nodes = _start(kind, sink, upstream, folder / f"{KINDS[kind][0]}-{generation}")
        try:
            for node in nodes:
                node.wait()
            for mix in MIXES:
                for node in nodes:  # the compiler warms up, the buffer of the last one fills
                    node.ask(mix, 2, Figures())
                for number in range(options.rounds):
                    for node in random.Random(number).sample(nodes, len(nodes)):  # noqa: S311 - an order
                        node.ask(mix, options.seconds, figures.setdefault((mix, node.name), Figures()))
                    sys.stderr.write(f"{kind}, start {generation + 1}, {mix}: round {number + 1}\n")
        finally:
            for node in nodes:
                node.stop()
    return [line for mix in MIXES for line in _rows(kind, mix, figures)]


def _start(kind: str, sink: Node, upstream: Node, place: Path) -> list[Node]:
    work, has_upstream = KINDS[kind]
    common = {"UPSTREAM": str(upstream.port + 1)} if has_upstream else {}
    up = {"GATEWATCH_URL": f"ws://127.0.0.1:{sink.port}/v1/stream"}
    down = {"GATEWATCH_URL": "ws://127.0.0.1:9/v1/stream"}
    environments = [{"HANDLER": "none"}, {"HANDLER": "none"}, up, down]
    return [
        Node(name, number, place, {**common, **environment}, work)
        for number, (name, environment) in enumerate(zip(ROWS, environments, strict=True))
    ]


def _head(options: argparse.Namespace) -> list[str]:
    text = (
        f"{options.generations * options.rounds} rounds of {options.seconds} s for each row, "
        f"{options.generations} starts, {os.cpu_count()} cores shared with wrk and the collector, load "
        f"{os.getloadavg()[0]:.1f} at the end. Ratios are medians of the rounds, each round against its own "
        "first row; us/request is the worker's processor time; MiB is the most memory that it took."
    )
    columns = [
        "node",
        "mix",
        "plugin",
        "requests/s",
        "ratio",
        "p50 ms",
        "p99 ms",
        "p99 ratio",
        "us/request",
        "us ratio",
        "MiB",
    ]
    return [text, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _rows(kind: str, mix: str, figures: dict[tuple[str, str], Figures]) -> list[str]:
    base = figures[mix, ROWS[0]]
    rows = []
    for name in ROWS:
        found = figures[mix, name]
        cells = [
            kind,
            mix,
            name,
            f"{statistics.median(found.rates):,.0f}",
            _ratio(found.rates, base.rates),
            f"{statistics.median(found.p50_ms):.2f}",
            f"{statistics.median(found.p99_ms):.2f}",
            _ratio(found.p99_ms, base.p99_ms),
            f"{statistics.median(found.cpu_us):.1f}",
            _ratio(found.cpu_us, base.cpu_us),
            f"{max(found.memory_mib):.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _ratio(ours: list[float], theirs: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.3f}"


if __name__ == "__main__":
    main()
