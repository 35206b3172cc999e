"""Tables of our own: what the browser is sent, and what may come back."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from tests.ui.drawn import part
from ui.components import table
from ui.components.table import COUNT, Cell, Column, Row, without_column
from ui.state import PageState


def page() -> None:
    """One table; run by AppTest as a script."""
    from ui.components.table import COUNT, Cell, Column, Row, show_table  # noqa: PLC0415
    from ui.state import PageState  # noqa: PLC0415

    columns = (Column("Name", wide=True), Column("Count", COUNT, sort=PageState(range="1h"), is_sorted=True))
    rows = [
        Row((Cell("<b>a</b>", href="/consumers?of=a", copy="a"), "1"), href="/consumers?of=a"),
        Row((None, "2")),
    ]
    show_table(columns, rows, key="t", label="Things", height=90)


def test_a_table_is_sent_as_plain_data() -> None:
    run = AppTest.from_function(page).run()
    sent = part(run, "table", "-t")

    assert not run.exception
    assert (sent["label"], sent["height"]) == ("Things", 90)
    assert sent["columns"][1]["sort"] == "?range=1h"
    assert sent["columns"][1]["sorted"] is True
    assert sent["rows"] == [
        {
            "cells": [{"t": "<b>a</b>", "h": "/consumers?of=a", "c": "a"}, {"t": "1"}],
            "h": "/consumers?of=a",
            "chosen": False,
        },
        {"cells": [None, {"t": "2"}], "h": None, "chosen": False},
    ]


def test_characters_that_hide_or_turn_text_become_readable() -> None:
    shown = Cell("a\u202eb", note="c\u200bd", title="e\nf").to_json()

    assert (shown["t"], shown["n"], shown["title"]) == ("a\\u202eb", "c\\u200bd", "e\\nf")


def test_nothing_is_sent_that_is_not_set() -> None:
    assert Cell().to_json() == {}
    assert Cell(0).to_json() == {"t": "0"}


def test_a_sparkline_is_bounded_and_keeps_unknown_apart_from_zero() -> None:
    assert Cell(spark=[0, None, 3]).to_json() == {"spark": [0, None, 3]}
    assert len(Cell(spark=[1] * 500).to_json()["spark"]) == table.MAX_SPARK_POINTS


@pytest.mark.parametrize(
    ("token", "say"),
    [("acme", "consumer acme"), (UNKNOWN_TOKEN, "consumer no consumer"), (OTHER_TOKEN, "consumer Other")],
)
def test_a_filter_names_what_it_filters(token: str, say: str) -> None:
    assert Cell("x", filter_by=(Dimension.CONSUMER, token)).to_json()["f"] == {
        "d": "consumer",
        "v": token,
        "say": say,
    }


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"d": "ip", "v": "10.0.0.1", "excluded": False}, "ip=10.0.0.1"),
        ({"d": "ip", "v": "10.0.0.1", "excluded": True}, "not_ip=10.0.0.1"),
        ({"d": "ip", "v": ""}, None),
        ({"d": "ip", "v": "x" * 301}, None),
        ({"d": "ip", "v": 7}, None),
        ({"d": "nonsense", "v": "x"}, None),
        ({"d": ["ip"], "v": "x"}, None),
        ("text", None),
        (None, None),
    ],
)
def test_what_a_browser_sends_is_checked(
    monkeypatch: pytest.MonkeyPatch, sent: Any, changed: str | None
) -> None:
    class Sent:
        filter = sent

    states: list[PageState] = []
    monkeypatch.setattr(table.st, "session_state", {"t": Sent})
    monkeypatch.setattr(table, "current_state", PageState)
    monkeypatch.setattr(table, "set_state", states.append)

    table._filter("t")

    assert [state.query() for state in states] == ([] if changed is None else [changed])


def test_the_browser_is_told_what_to_leave_out_first() -> None:
    assert table._column_json(Column("A", spare=True))["spare"] is True
    assert table._column_json(Column("A"))["spare"] is False


def test_a_column_can_be_left_out() -> None:
    columns, rows = without_column(
        (Column("A"), Column("B", COUNT), Column("C")), [Row(("1", "2", "3"), href="?x=1")], "B"
    )

    assert [column.title for column in columns] == ["A", "C"]
    assert rows == [Row(("1", "3"), href="?x=1")]
