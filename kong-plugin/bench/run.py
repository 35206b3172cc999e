#!/usr/bin/env python3
"""Requests per second and latency with and without the plugin, collector up and down, in one interleaved run.

    kong-plugin/bench/run.py [--rounds 20] [--seconds 1] [--write]

Four nodes run at the same time and rest while they are not asked: without the plugin (twice: the second one
shows the noise of the machine), with the plugin and a collector, with the plugin and none. Each round asks
each of them with the same wrk for the same time, in a new order. First bare nodes, then some that work as
hard as Kong. Needs nginx and wrk (`kong-plugin/test setup`); standard library only.
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
        self.figures = {mix: Figures() for mix in MIXES}
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
    parser.add_argument("--rounds", type=int, default=20)
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
    work, has_upstream = KINDS[kind]
    place = folder / str(work)
    common = {"UPSTREAM": str(upstream.port + 1)} if has_upstream else {}
    without = {**common, "HANDLER": "none"}
    nodes = [
        Node("without the plugin", 0, place, without, work),
        Node("without it, again", 1, place, without, work),
        Node(
            "with it, collector up",
            2,
            place,
            {**common, "GATEWATCH_URL": f"ws://127.0.0.1:{sink.port}/v1/stream"},
            work,
        ),
        Node(
            "with it, collector down",
            3,
            place,
            {**common, "GATEWATCH_URL": "ws://127.0.0.1:9/v1/stream"},
            work,
        ),
    ]
    try:
        for node in nodes:
            node.wait()
        for mix in MIXES:
            for node in nodes:  # the compiler warms up, the buffer of the last one fills
                node.ask(mix, 2, Figures())
            _interleave(nodes, f"{kind}, {mix}", mix, options)
        return [line for mix in MIXES for line in _rows(kind, mix, nodes)]
    finally:
        for node in nodes:
            node.stop()


def _interleave(nodes: list[Node], title: str, mix: str, options: argparse.Namespace) -> None:
    for number in range(options.rounds):
        for node in random.Random(number).sample(nodes, len(nodes)):  # noqa: S311 - an order
            node.ask(mix, options.seconds, node.figures[mix])
        sys.stderr.write(f"{title}: round {number + 1} of {options.rounds}\n")


def _head(options: argparse.Namespace) -> list[str]:
    text = (
        f"{options.rounds} rounds of {options.seconds} s for each row, {os.cpu_count()} cores shared with "
        f"wrk and the collector, load {os.getloadavg()[0]:.1f} at the end. Ratios are medians of the rounds, "
        "each round against its own first row; us/request is the worker's processor time; MiB is its memory "
        "after the first round and after the last."
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
        "MiB",
    ]
    return [text, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _rows(kind: str, mix: str, nodes: list[Node]) -> list[str]:
    base = nodes[0].figures[mix]
    rows = []
    for node in nodes:
        found = node.figures[mix]
        cells = [
            kind,
            mix,
            node.name,
            f"{statistics.median(found.rates):,.0f}",
            _ratio(found.rates, base.rates),
            f"{statistics.median(found.p50_ms):.2f}",
            f"{statistics.median(found.p99_ms):.2f}",
            _ratio(found.p99_ms, base.p99_ms),
            f"{statistics.median(found.cpu_us):.1f}",
            f"{found.memory_mib[0]:.0f}, {found.memory_mib[-1]:.0f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _ratio(ours: list[float], theirs: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.3f}"


if __name__ == "__main__":
    main()
