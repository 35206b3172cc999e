"""Wall and CPU time of one side of a comparison."""

from __future__ import annotations

import platform
import sqlite3
import time
from pathlib import Path


class Meter:
    """Sums what its `with` blocks take. Wall time holds waiting for the disk and for other programs."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self._wall_s = self._cpu_s = 0.0

    def __enter__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter() - self._wall_s
        self.cpu_s += time.process_time() - self._cpu_s

    def told(self, name: str, n: int) -> str:
        """One line: entries a second, and microseconds each."""
        each = f"{self.wall_s / n * 1e6:6.1f} us wall, {self.cpu_s / n * 1e6:6.1f} us CPU each"
        return f"{name:16} {n / self.wall_s:10,.0f} entries/s  {each}"


def ratio(name: str, ceiling: Meter, *parts: Meter) -> str:
    """One line: how near the parts together come to the ceiling."""
    wall = ceiling.wall_s / sum(part.wall_s for part in parts)
    cpu = ceiling.cpu_s / sum(part.cpu_s for part in parts)
    return f"{name:42} {wall:5.2f} by wall, {cpu:5.2f} by CPU"


def machine() -> str:
    """What it ran on, and with what."""
    cpus = Path("/proc/cpuinfo")
    text = cpus.read_text(encoding="utf-8") if cpus.exists() else ""
    model = next((line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line), "")
    return (
        f"{platform.system()} {platform.machine()}, {text.count('processor	:')} x {model or 'unknown CPU'},"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
