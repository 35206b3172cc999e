#!/usr/bin/env python3
"""Requests per second and latency with and without the plugin, collector up and down, in one interleaved run.

    kong-plugin/bench/run.py [--rounds 5] [--seconds 3] [--write]

Four nodes run at the same time and rest while they are not asked: without the plugin (twice, the second one shows the
noise of the machine), with the plugin and a collector, with the plugin and none. Each round asks each of them with the
same wrk for the same time, in a new order. The figures are medians over the rounds. Needs nginx and wrk
(`kong-plugin/test setup`); standard library only.
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
WORKERS = 1
CONNECTIONS = 16


class Node:
    """One nginx with the stand-in for Kong."""

    def __init__(self, name: str, number: int, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.port = FIRST_PORT + 10 * number
        self.folder = folder / str(number)
        self.rates: list[float] = []
        self.p50: list[float] = []
        self.p99: list[float] = []
        self.cpu_us: list[float] = []
        env = {**os.environ, "WORKERS": str(WORKERS), "MAIN": "user root;", "LEVEL": "error", **environment}
        self.process = subprocess.Popen(
            [PLUGIN / "spec/stand_in/nginx", self.folder, str(self.port)], env=env, start_new_session=True
        )

    def get(self, path: str) -> str:
        """What the node answers to a GET."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read().decode()

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

    def ask(self, seconds: int) -> None:
        """One wrk run; keeps its figures."""
        before = self._cpu_s()
        out = subprocess.run(
            ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", HERE / "mix.lua",
             f"http://127.0.0.1:{self.port}"],
            check=True, capture_output=True, text=True,
        ).stdout
        self.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]))
        served = int(re.search(r"(\d+) requests in", out)[1])
        self.cpu_us.append(1e6 * (self._cpu_s() - before) / served)
        self.p50.append(_ms(re.search(r"50%\s+([\d.]+\w+)", out)[1]))
        self.p99.append(_ms(re.search(r"99%\s+([\d.]+\w+)", out)[1]))

    def _worker(self) -> Path:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return Path(f"/proc/{children[0]}")

    def _cpu_s(self) -> float:
        """Processor time of the worker so far."""
        fields = (self._worker() / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Resident memory of the worker."""
        status = (self._worker() / "status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(timeout=20)


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def _plugin(url: str) -> dict[str, str]:
    return {"HANDLER": "plugin", "GATEWATCH_URL": url}


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    options = parser.parse_args()
    if not shutil.which("wrk") or not shutil.which("nginx"):
        raise SystemExit("wrk and nginx are needed: kong-plugin/test setup")
    with tempfile.TemporaryDirectory(prefix="gatewatch-bench.") as folder:
        table = _run(options, Path(folder))
    print(table)
    if options.write:
        text = README.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN, 1)
        README.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def _run(options: argparse.Namespace, folder: Path) -> str:
    sink = Node("collector", 9, folder, {"HANDLER": "none"})
    nodes = [
        Node("without the plugin", 0, folder, {"HANDLER": "none"}),
        Node("without the plugin, again", 1, folder, {"HANDLER": "none"}),
        Node("with, collector up", 2, folder, _plugin(f"ws://127.0.0.1:{sink.port}/v1/stream")),
        Node("with, collector down", 3, folder, _plugin("ws://127.0.0.1:9/v1/stream")),
    ]
    try:
        for node in [sink, *nodes]:
            node.wait()
        for node in nodes:  # the compiler warms up
            node.ask(1)
            node.rates.clear(), node.p50.clear(), node.p99.clear(), node.cpu_us.clear()
        for number in range(options.rounds):
            random.Random(number).shuffle(nodes)
            for node in nodes:
                node.ask(options.seconds)
                sys.stderr.write(f"round {number + 1}: {node.name}: {node.rates[-1]:.0f}/s, p99 {node.p99[-1]:.2f} ms\n")
                sink.get("/_collector?flush=1")
        nodes.sort(key=lambda node: node.port)
        return _table(nodes, options)
    finally:
        for node in [sink, *nodes]:
            node.stop()


def _table(nodes: list[Node], options: argparse.Namespace) -> str:
    base = nodes[0]

    def ratio(ours: list[float], theirs: list[float]) -> float:
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    lines = [
        f"{options.rounds} rounds of {options.seconds} s each, one worker, {CONNECTIONS} connections, one refusal in "
        f"eight; ratios are medians of the rounds against the first row. {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}.",
        "",
        "| node | requests/s | ratio | p50 ms | p99 ms | p99 ratio | processor us/request | worker MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for node in nodes:
        lines.append(
            f"| {node.name} | {statistics.median(node.rates):,.0f} | {ratio(node.rates, base.rates):.3f} "
            f"| {statistics.median(node.p50):.2f} | {statistics.median(node.p99):.2f} "
            f"| {ratio(node.p99, base.p99):.3f} | {statistics.median(node.cpu_us):.1f} | {node.memory_mib():.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
