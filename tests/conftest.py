"""Fixtures that several folders use: recorded input where it is at hand, and the browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time, so that a red run says something about the change; `make test-slow` draws
# new ones.
# A busy machine is no reason to fail: neither a slow example nor slow drawing does.
settings.register_profile(
    "steady",
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("fresh", settings.get_profile("steady"), derandomize=False, max_examples=500)
settings.load_profile("fresh" if os.environ.get("FRESH_EXAMPLES") else "steady")  # noqa: TID251 - tests are their own root

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = (
    "/usr/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


LONGEST = (
    "test_screenshots.py",
    "test_live_page.py",
    "test_changes.py",
    "test_node_killed.py",
    "test_hostile_names.py",
    "test_plugin_e2e.py",
)
"""Files that take longest: they begin first, so that none of them is waited for at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; `--no-loadscope-reorder` keeps that order when files are shared out."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def alpha() -> Path:
    """A folder with a recorded Kong cluster and its ground truth, kept outside the project."""
    folder = ROOT.parent / "shared" / "traces" / "alpha"
    if not folder.exists():
        pytest.skip("the recorded trace alpha is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def all_payloads() -> Path:
    """The whole collection of Kong payloads, kept outside the project."""
    folder = ROOT.parent / "shared" / "payloads"
    if not folder.exists():
        pytest.skip("the collection of Kong payloads is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a real Chromium; `make test` installs one on Debian."""
    for path in (os.environ.get("CHROMIUM", ""), *BROWSERS):  # noqa: TID251 - tests are their own root
        if path and Path(path).exists():
            return path
    pytest.fail("no Chromium: apt-get install chromium, or set CHROMIUM=/path/to/it")
