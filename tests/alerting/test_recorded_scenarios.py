"""A recorded cluster with fourteen labelled scenarios: each raises what it should, and nothing else rings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.ranges.scenario_table import Scenario, false_alarms, scenario_of, shown, table

pytestmark = [pytest.mark.e2e, pytest.mark.shown]

KEYS = ["rule", "shape", "severity", "entity_type", "entity", "opened_ms", "resolved_ms", "count", "why"]


@pytest.fixture(scope="session")
def recorded_database(alpha: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that was recorded, played into one file by the real command."""
    database = tmp_path_factory.mktemp("recorded") / "gatewatch.db"
    files = [str(alpha / f"{name}.jsonl.gz") for name in ("kong-events", "admin-polls", "http-log")]
    command = [sys.executable, "-m", "collector", "replay", "--database", str(database), *files]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=100)
    return database


@pytest.fixture(scope="session")
def incidents(recorded_database: Path, root: Path) -> list[dict[str, Any]]:
    """What the promised command prints."""
    command = [sys.executable, "-m", "alerting", "replay", "--database", str(recorded_database)]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=60, text=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def scenarios(alpha: Path) -> list[Scenario]:
    truth = json.loads((alpha / "truth.json").read_text(encoding="utf-8"))
    return [scenario_of(s) for s in truth["scenarios"]]


def test_every_scenario_raises_its_shape_on_its_actor_within_its_delay(
    incidents: list[dict[str, Any]], scenarios: list[Scenario], capsys: pytest.CaptureFixture[str]
) -> None:
    rows, alarms = table(scenarios, incidents), false_alarms(scenarios, incidents)
    with capsys.disabled():
        sys.stdout.write(f"\n{shown(rows, alarms)}\n")

    assert [row.scenario.name for row in rows if not row.is_right] == []


def test_nothing_rings_without_a_reason(incidents: list[dict[str, Any]], scenarios: list[Scenario]) -> None:
    assert false_alarms(scenarios, incidents) == []


def test_the_printed_lines_keep_their_promise(incidents: list[dict[str, Any]]) -> None:
    assert all(list(incident) == KEYS for incident in incidents)
    assert [i["opened_ms"] for i in incidents] == sorted(i["opened_ms"] for i in incidents)
    assert all(i["resolved_ms"] is None or i["resolved_ms"] > i["opened_ms"] for i in incidents)


def test_the_lowered_limit_is_named_as_the_cause(incidents: list[dict[str, Any]]) -> None:
    (surge,) = [i for i in incidents if i["rule"] == "surge"]

    assert "most likely cause: rate-limiting on service orders: config.minute 60 \u2192 5" in surge["why"]
