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


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
@pytest.mark.parametrize("name", ["textColor", "linkColor", "redColor"])
def test_what_is_read_stands_out_from_its_ground(
    config: dict[str, Any], theme: str, ground: str, name: str
) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    colours = config["theme"][theme]
    dark, light = sorted((luminance(colours[name]), luminance(colours[ground])))

    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_pages_and_charts_have_the_same_colours(config: dict[str, Any]) -> None:
    assert tuple(config["theme"]["chartCategoricalColors"]) == PALETTE
