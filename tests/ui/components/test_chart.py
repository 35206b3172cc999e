from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.scripted_reader import params_of
from ui.components.chart import Click, _click, _show_span
from ui.zones import Zone


def drawn(zone: str = "UTC") -> dict[str, Any]:
    def script(zone: str) -> None:
        from ui.components.chart import show_chart  # noqa: PLC0415 - run as a script
        from ui.zones import Zone  # noqa: PLC0415 - as above

        figure = {"data": [], "layout": {"xaxis": {"range": [0, 1_768_296_600_000]}}}
        show_chart(figure, key="c", label="Violations over time", zone=Zone(zone), clickable=True)

    page = AppTest.from_function(script, kwargs={"zone": zone}, default_timeout=30).run()
    assert not page.exception
    found: dict[str, Any] = json.loads(page.get("bidi_component")[0].proto.json)
    return found


def test_a_chart_carries_its_figure_its_zone_and_its_label() -> None:
    data = drawn("Europe/Rome")

    assert data["label"] == "Violations over time"
    assert (data["zone"], data["zoneLabel"]) == ("Europe/Rome", Zone("Europe/Rome").label(1_768_296_600_000))
    assert data["figure"]["layout"]["xaxis"]["range"][0] == 0
    assert data["module"].startswith("/gatewatch/browser/")
    assert data["plotly"].startswith("/gatewatch/plotly.js")


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (
            {"trace": "acme", "token": "c-1", "x": 5, "y": 2, "custom": [1]},
            Click(trace="acme", token="c-1", x=5, y=2, custom=[1]),  # noqa: S106 - a name in a URL
        ),
        ({"token": 7}, Click(trace="", token=None, x=None, y=None, custom=None)),
    ],
)
def test_what_a_browser_reports_is_read_with_care(point: dict[str, Any], expected: Click) -> None:
    assert _click(point) == expected


@pytest.mark.parametrize(
    "span",
    [None, {}, {"from_ms": "x", "to_ms": 5}, {"from_ms": 9, "to_ms": 5}, {"from_ms": -9, "to_ms": 5}],
)
def test_a_span_that_is_none_changes_nothing(span: Any) -> None:
    def script(span: object) -> None:
        from types import SimpleNamespace  # noqa: PLC0415 - run as a script

        import streamlit as st  # noqa: PLC0415 - as above

        from ui.components.chart import _show_span  # noqa: PLC0415 - as above

        st.session_state["c"] = SimpleNamespace(span=span)
        _show_span("c")

    page = AppTest.from_function(script, kwargs={"span": span}, default_timeout=30).run()

    assert not page.exception
    assert params_of(page) == {}


def test_a_dragged_span_is_shown_on_the_whole_page() -> None:
    def script() -> None:
        from types import SimpleNamespace  # noqa: PLC0415 - run as a script

        import streamlit as st  # noqa: PLC0415 - as above

        from ui.components.chart import _show_span  # noqa: PLC0415 - as above

        st.session_state["c"] = SimpleNamespace(span={"from_ms": 1_000, "to_ms": 61_000})
        _show_span("c")

    page = AppTest.from_function(script, default_timeout=30).run()

    assert params_of(page) == {"from": ["1970-01-01T00:00:01Z"], "to": ["1970-01-01T00:01:01Z"]}
    assert callable(_show_span)
