from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.simulate.labels import Labels
from collector.simulate.scenarios import MANY, SCENARIOS
from collector.simulate.traffic import Plan, items
from settings import SettingValueError

START_MS = 1_800_014_400_000


def played(*scenarios: str) -> list[dict[str, Any]]:
    plan = Plan(seed=7, start_ms=START_MS, rate=20, scenarios=scenarios)
    return [item for _, item in takewhile(lambda found: found[0] < START_MS + 30_000, items(plan))]


def written(path: Path, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with Labels(str(path)) as labels:
        for item in found:
            labels.note(item)
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_every_request_of_an_attack_is_written_down_and_no_other(tmp_path: Path) -> None:
    found = played(*SCENARIOS)

    labels = written(tmp_path / "labels.jsonl", found)

    entries = [item["entry"] for item in found if item["kind"] == "http-log"]
    attacks = [entry for entry in entries if entry["gatewatch_scenario"] != "ordinary"]
    assert [label["request_id"] for label in labels] == [entry["request"]["id"] for entry in attacks]
    assert {label["scenario"] for label in labels} == set(SCENARIOS)
    assert len(attacks) < len(entries)


def test_a_label_says_whose_request_it_was_for_kong(tmp_path: Path) -> None:
    labels = written(tmp_path / "labels.jsonl", played(MANY))

    refused_keys = [label for label in labels if label["status"] == 401]
    assert {label["consumer"] for label in refused_keys} == {None}
    assert len({label["consumer"] for label in labels}) > 5
    assert {(label["episode"], label["service"], label["route"]) for label in labels} == {
        (1, "accounts", "login")
    }


def test_without_a_file_nothing_is_written() -> None:
    with Labels(None) as labels:
        for item in played("burst"):
            labels.note(item)


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match=r"--labels .* cannot be written: Is a directory"):
        Labels(str(tmp_path))
