from __future__ import annotations

from pathlib import Path

import ui.pages
from domain.filters import Dimension
from ui import navigation
from ui.navigation import PAGES, existing, exists, href, path
from ui.state import ALL, RANGES, PageState


def test_every_page_file_has_its_line_and_a_render() -> None:
    folder = Path(ui.pages.__file__).parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__"}

    assert files == {entry.name for entry in existing()}
    for file in files:
        assert "\ndef render() -> None:" in (folder / f"{file}.py").read_text(encoding="utf-8"), file


def test_every_page_has_a_span_that_exists_and_a_path_of_its_own() -> None:
    assert all(entry.default_range in RANGES or entry.default_range == ALL for entry in PAGES)
    assert len({path(entry.name) for entry in PAGES}) == len(PAGES)


def test_what_has_no_file_or_no_line_is_not_there() -> None:
    assert not exists("state")
    assert not exists("../main")


def test_an_address_is_encoded_and_stays_on_this_host() -> None:
    state = PageState().adding(Dimension.CONSUMER, "//evil.example/?a=b&c#d")

    assert href("live", state) == "/?consumer=//evil.example/%3Fa%3Db%26c%23d"
    assert href("consumers", PageState()) == "/consumers"


def test_the_landing_page_comes_first() -> None:
    assert existing()[0].name == navigation.LANDING
