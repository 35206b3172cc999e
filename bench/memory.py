"""What the collector holds in memory at full load, and while ten times as many send as fast as it lets them.

    python -m bench memory -- [--minutes 30] [--burst-minutes 1] [--senders 10]

A real collector. One sender of refusals, as our Kong plugin sends them, as fast as the collector grants; two
thirds into the time further ones join for the burst. Resident memory and its peak are read from /proc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.engines.contest import answers, end, free_port, wait_until
from bench.input.meter import machine
from bench.input.sender import sending

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MIB = 150
KIB_PER_MIB = 1_024


def memory_mib(pid: int) -> tuple[float, float]:
    """(resident now, resident at most since the start) of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(found[name].split()[0]) / KIB_PER_MIB for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def stored_events(http: str) -> int:
    """How many events the collector says it has stored."""
    with urllib.request.urlopen(f"{http}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    name = "gatewatch_stored_events_total"
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith(name)))


def main(arguments: list[str]) -> None:
    """Measure, and print one line every half minute."""
    parser = argparse.ArgumentParser(
        prog="python -m bench memory --", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--burst-minutes", type=float, default=1)
    parser.add_argument("--senders", type=int, default=10, help="in the burst")
    parser.add_argument("--every-s", type=float, default=30)
    parser.add_argument("--folder", type=Path, help="where the database is made: 400 bytes an event")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    stream, http = free_port(), free_port()
    environ = os.environ | {  # noqa: TID251 - the collector is our child and inherits ours
        "GATEWATCH_DATABASE": str(folder / "gatewatch.db"),
        "GATEWATCH_WS_LISTEN": f"127.0.0.1:{stream}",
        "GATEWATCH_HTTP_LISTEN": f"127.0.0.1:{http}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "collector"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{http}/healthz"), "the collector")
        print(machine())
        print(f"at rest: {memory_mib(process.pid)[0]:.0f} MiB")
        _watch(process.pid, f"ws://127.0.0.1:{stream}/v1/stream", f"http://127.0.0.1:{http}", options)
    finally:
        end(process)


def _watch(pid: int, stream: str, http: str, options: argparse.Namespace) -> None:
    began = time.monotonic()
    seconds, burst_s = options.minutes * 60, options.burst_minutes * 60
    senders = [sending(stream, 0, seconds, source="steady")]
    burst_at = seconds * 2 / 3
    before, at_most, held = 0.0, 0.0, 0
    while (now := time.monotonic() - began) < seconds:
        if now >= burst_at and len(senders) == 1:
            before = memory_mib(pid)[1]
            senders += [sending(stream, 0, burst_s, source=f"burst-{n}") for n in range(options.senders - 1)]
        time.sleep(min(options.every_s, max(0.1, seconds - now)))
        resident, at_most = memory_mib(pid)
        now_held = stored_events(http)
        part = "burst" if burst_at <= now < burst_at + burst_s + options.every_s else "steady"
        print(
            f"{now / 60:5.1f} min  {part:6}  {resident:6.1f} MiB now, {at_most:6.1f} at most"
            f"  {now_held:>11,} events, {(now_held - held) / options.every_s:,.0f}/s",
            flush=True,
        )
        held = now_held
    for pool, future in senders:
        with pool:
            if (error := future.exception()) is not None:
                print(f"a sender was cut off: {error}")
    print(f"at most {before:.0f} MiB before the burst, {at_most:.0f} in all; wanted: under {LIMIT_MIB}")
