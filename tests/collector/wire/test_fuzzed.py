"""What a fuzzer once found, again; and the fuzzer itself for a minute."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.load import measured
from tests.fuzz.reading import read

ROOT = Path(__file__).resolve().parents[3]
FOUND = sorted((ROOT / "tests/fixtures/fuzzed").glob("*.json"))
"""Inputs that broke something, named after what they broke."""
PAYLOADS = ROOT / "tests/fixtures/payloads"
SECONDS = 120


@pytest.mark.parametrize("file", FOUND, ids=[file.stem for file in FOUND])
def test_what_once_broke_something_does_not(file: Path) -> None:
    read(file.read_bytes())


def test_there_is_something_to_try() -> None:
    assert len(FOUND) >= 6


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fuzzer_breaks_no_decoder(tmp_path: Path) -> None:
    """From Kong's own payloads on, changed again and again where that reaches new lines of ours."""
    pytest.importorskip("atheris", reason="atheris has wheels for Linux only")
    corpus = tmp_path / "corpus"
    shutil.copytree(PAYLOADS, corpus, ignore=shutil.ignore_patterns("*.md"))
    for file in FOUND:
        shutil.copy(file, corpus)

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.decoders", corpus, f"-max_total_time={SECONDS}",
         f"-artifact_prefix={tmp_path}/", "-print_final_stats=1"],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    runs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    reached = re.findall(r" cov: (\d+)", done.stderr)
    measured(
        f"{runs and runs[1]} inputs in {SECONDS} s, {reached and reached[-1]} places of our code reached"
    )

    assert done.returncode == 0, done.stderr[-3_000:]
    assert runs is not None
    assert int(runs[1]) > 1_000
    assert int(reached[-1]) > 800
