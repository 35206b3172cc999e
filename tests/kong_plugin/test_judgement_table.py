"""The plugin judges in the node, the collector has the last word: both are held to one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.violations import Answer, judge

TABLE = Path(__file__).parents[2] / "kong-plugin/spec/fixtures/judgements.json"
ROWS: list[dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=[row["label"] for row in ROWS])
def test_collector_and_plugin_judge_alike(row: dict[str, Any]) -> None:
    """`kong-plugin/spec/02-unit/01-judgement_spec.lua` runs the same rows."""
    answer = Answer(
        status=row["status"],
        source=row["source"],
        upstream_status=row["upstream_status"],
        has_request_id=row["has_request_id"],
        headers=row["headers"],
    )

    assert judge(answer).certainty == row["expected"]
