"""One pool of memory for all threads."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
import sys

import pytest

from collector.arenas import share_one_arena

THREADS = """
import ctypes, sys, threading
from collector.arenas import share_one_arena
if sys.argv[1] == "one":
    assert share_one_arena()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
here = threading.Barrier(8)
def work():
    library.malloc(ctypes.c_size_t(1000))
    here.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
library.malloc_stats()
"""


def arenas(how: str) -> int:
    """How many pools glibc says it has after eight threads took memory at once."""
    done = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
    return len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a pool for each thread")
def test_threads_share_one_pool() -> None:
    assert arenas("one") == 1
    assert arenas("many") > 1


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert share_one_arena() is False
