"""Requests made from docs/openapi*.yaml, right and wrong ones, against a running collector and dashboard.

schemathesis checks that nothing is answered with 5xx, with a status, header, type or body that is not written
down, that what is right is taken and what is wrong is not, and that nothing passes without its token.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Dashboard
from tests.e2e.load import health, measured
from tests.kong_plugin.processes import ROOT, Collector
from tests.storage.filling import rows

TOKEN = "t0ken-of-the-test"  # noqa: S105 - made up
EXAMPLES = 200
SEED = os.environ.get("SEED", "1")  # noqa: TID251 - tests are their own root
"""The same requests every time, unless another is asked for."""


def written(name: str) -> Any:
    """What is written down in a page of ours."""
    return yaml.safe_load((ROOT / "docs" / name).read_text(encoding="utf-8"))


@pytest.fixture
def specification() -> Any:
    """Of the collector."""
    return written("openapi.yaml")


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """Anybody on this machine may post to it."""
    found = Collector(tmp_path)
    found.start()
    yield found
    found.kill()


def checked(folder: Path, specification: Any, http: str, *options: str) -> int:
    """How many requests were made; fails with what schemathesis found wrong."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(specification), encoding="utf-8")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            file,
            *("--url", f"http://{http}"),
            *("--checks", "all", "--max-examples", str(EXAMPLES), "--seed", SEED, "--continue-on-failure"),
            *options,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("= FAILURES") :]
    made = re.search(r"([\d,]+) generated", done.stdout)
    assert made is not None, done.stdout
    return int(made[1].replace(",", ""))


def silent(collector: Collector) -> bool:
    """Whether its log complains of nothing but peers that it turned away."""
    lines = collector.log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if " turned away " not in line and " INFO " not in line] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_written_down_is_what_is_answered(
    collector: Collector, specification: Any, tmp_path: Path
) -> None:
    """Without `X-Kong-Event`: with it, more bodies have a meaning than a schema of bodies can say."""
    del specification["paths"]["/intake/events"]["post"]["parameters"]

    made = checked(tmp_path, specification, collector.http)
    stored = rows(
        collector.database, "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM quarantine)"
    )
    measured(f"{made} requests; events and things set aside: {stored[0]}")

    assert made > 500
    assert health(collector.http)[1]["state"] == "ok"
    assert silent(collector)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_header_that_names_the_event_changes_none_of_it(
    collector: Collector, specification: Any, tmp_path: Path
) -> None:
    only = ("--include-path", "/intake/events", "--exclude-checks", "negative_data_rejection")

    made = checked(tmp_path, specification, collector.http, *only)
    measured(f"{made} requests")

    assert made > 150
    assert silent(collector)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_taken_without_its_token(specification: Any, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"gw-1:{TOKEN}\n", encoding="utf-8")
    tokens.chmod(0o600)
    collector = Collector(tmp_path, (sys.executable, "-m", "collector"), "--token-file", str(tokens))
    collector.start()
    del specification["paths"]["/intake/events"]["post"]["parameters"]
    for path in specification["paths"].values():
        for operation in path.values():
            operation["security"] = [{"token": []}] if operation["security"] else []
    try:
        made = checked(tmp_path, specification, collector.http, "--header", f"Authorization: Bearer {TOKEN}")
        measured(f"{made} requests, with and without a token")

        assert made > 500
        assert silent(collector)
    finally:
        collector.kill()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_dashboards_own_addresses_answer_as_is_written_down(dashboard: Dashboard, tmp_path: Path) -> None:
    made = checked(tmp_path, written("openapi-dashboard.yaml"), dashboard.url.removeprefix("http://"))
    log = dashboard.log.read_text(encoding="utf-8")
    measured(f"{made} requests")

    assert made > 300
    assert "Traceback" not in log
