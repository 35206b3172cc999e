"""What .streamlit/config.toml must never lose: each line closes a door."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from ui.charts.axes import PALETTE
from ui.exposure import is_loopback


@pytest.fixture(scope="module")
def config(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


def test_it_is_served_to_this_computer_by_names_of_this_computer(config: dict[str, Any]) -> None:
    assert is_loopback(config["server"]["address"])
    assert all(is_loopback(name) for name in config["server"]["allowedHosts"])


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("server", "enableCORS", True),
        ("server", "enableXsrfProtection", True),
        ("server", "enableStaticServing", False),
        ("server", "enableAgentApi", False),
        ("client", "showErrorDetails", "none"),
        ("client", "showErrorLinks", False),
        ("client", "disableDataExport", True),
        ("browser", "gatherUsageStats", False),
    ],
)
def test_doors_that_are_closed_stay_closed(
    config: dict[str, Any], section: str, name: str, value: object
) -> None:
    assert config[section][name] == value


def test_pages_and_charts_have_the_same_colours(config: dict[str, Any]) -> None:
    assert tuple(config["theme"]["chartCategoricalColors"]) == PALETTE
