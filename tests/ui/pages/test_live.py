from __future__ import annotations

import json

import pytest

from domain.errors import StoreError
from tests.ui.scripted_reader import NO_FRESHNESS, ScriptedReader, live_freshness, run_page


@pytest.mark.parametrize("freshness", [NO_FRESHNESS, live_freshness()], ids=["empty", "live"])
def test_live_is_a_filter_bar_and_a_board_whatever_the_store_holds(freshness: object) -> None:
    page = run_page("live", ScriptedReader(freshness=freshness))

    assert not page.exception
    assert not page.warning
    assert page.selectbox(key="gw-range").value == "15m"
    assert len(page.get("bidi_component")) == 1


def test_the_script_that_is_sent_with_every_run_is_small() -> None:
    """Streamlit sends a component's inline script with every change; the rest is loaded once, by address."""
    proto = run_page("live", ScriptedReader(freshness=live_freshness())).get("bidi_component")[0].proto

    assert len(proto.js_content) < 800
    assert json.loads(proto.json)["module"].endswith("/board.js")


def test_a_database_that_cannot_be_read_is_said_instead_of_an_empty_board() -> None:
    page = run_page("live", ScriptedReader(freshness=StoreError("file is not a database")))

    assert "cannot be read" in page.error[0].value
    assert not page.get("bidi_component")
