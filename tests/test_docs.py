"""Docs say what the program does: settings, commands and links are checked against it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from settings import SETTINGS, Settings, SettingValueError, load_settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_stands_in_its_page_with_its_help(setting: object) -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    row = next((line for line in page.splitlines() if line.startswith(f"| `{setting.name}` ")), "")  # type: ignore[attr-defined]

    assert setting.help in row  # type: ignore[attr-defined]
    assert setting.unit in row  # type: ignore[attr-defined]


def test_settings_have_the_fields_that_the_table_names() -> None:
    assert [f.name for f in dataclasses.fields(Settings)] == [s.name for s in SETTINGS]


def test_an_option_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "gatewatch.toml"
    config.write_text('window_events = 10\nkeepalive_s = 9\ndatabase = "file.db"\n', encoding="utf-8")
    environ = {"GATEWATCH_CONFIG": str(config), "GATEWATCH_WINDOW_EVENTS": "20", "GATEWATCH_KEEPALIVE_S": "8"}

    settings = load_settings({"window_events": 30}, environ)

    assert (settings.window_events, settings.keepalive_s, settings.database) == (30, 8, "file.db")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"GATEWATCH_KEEPALIVE_S": "0"},
            "GATEWATCH_KEEPALIVE_S is 0, expected 1 to 60 seconds",
        ),
        (
            {"GATEWATCH_KEEPALIVE_S": "soon"},
            "GATEWATCH_KEEPALIVE_S is 'soon', expected a whole number, 1 to 60 seconds",
        ),
        (
            {"GATEWATCH_START_COLLECTOR": "maybe"},
            "GATEWATCH_START_COLLECTOR is 'maybe', expected true or false",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingValueError, match=re.escape(message)):
        load_settings(environ=environ)


def test_an_unknown_setting_in_the_file_stops_the_start(tmp_path: Path) -> None:
    config = tmp_path / "g.toml"
    config.write_text("databse = 'x'\n", encoding="utf-8")

    with pytest.raises(SettingValueError, match="no setting is called 'databse'"):
        load_settings(environ={"GATEWATCH_CONFIG": str(config)})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_our_own_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_make_commands_in_the_docs_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name} names make {target}"


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_pinned_package_stands_in_the_lock_with_hashes(name: str) -> None:
    """The lock is what is installed; `make lock` writes it."""
    pinned = re.findall(
        r"^([A-Za-z0-9_-]+)==([^;\s]+)", (ROOT / f"{name}.txt").read_text("utf-8"), re.MULTILINE
    )
    lock = (ROOT / f"{name}.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^;\s]+)[^\\\n]*\\\n    --hash=sha256:", lock, re.MULTILINE))

    assert pinned
    assert {(p, locked.get(p.lower().replace("_", "-"))) for p, _ in pinned} == set(pinned)
    assert len(re.findall(r"^[a-z0-9-]+==", lock, re.MULTILINE)) == len(locked), "a package without a hash"
