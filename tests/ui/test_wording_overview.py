"""Sentences above the lists of consumers and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from domain.filters import UNKNOWN_TOKEN, Dimension
from storage.rows import CellRow
from tests.ui.scripted_reader import totals
from ui import wording_overview as words


def cell(token: str, limited: int) -> CellRow:
    return CellRow(
        token=token,
        label=token,
        requests=9,
        limited=limited,
        probable=0,
        unauthorized=0,
        first_ms=0,
        last_ms=0,
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, "No consumer was refused in 1 h."),
        (
            {"limited": 1, "consumers": 1, "requests": 3},
            "1 consumer was refused in 1 h: 1 violation, 33 % of 3 requests. acme alone makes 100 %",
        ),
        (
            {"limited": 90, "probable": 10, "consumers": 2, "requests": None, "at_least": True},
            "At least 2 consumers were refused in 1 h: at least 100 violations. acme alone makes 1.0 %",
        ),
    ],
)
def test_the_answer_stands_first(found: dict[str, Any], expected: str) -> None:
    cells = (cell(UNKNOWN_TOKEN, 50), cell("acme", 1))

    sentence = words.leading(Dimension.CONSUMER, totals(**found), cells, "in 1 h")

    assert sentence.removesuffix(" of the violations.") == expected


def test_addresses_are_counted_as_such() -> None:
    sentence = words.leading(Dimension.IP, totals(limited=5, addresses=3, consumers=1), (), "in 1 h")

    assert sentence == "3 addresses were refused in 1 h: 5 violations."


def test_a_list_that_was_cut_says_so() -> None:
    assert words.shown_of(1, 50, 812, is_cut=False) == "1 to 50 of 812"
    assert words.shown_of(1, 50, None, is_cut=False) == "1 to 50, more follow"
    assert words.shown_of(1, 50, 5_000, is_cut=True) == "1 to 50 of the 5,000 with most violations"


def test_none_is_only_said_of_what_is_looked_at_and_known() -> None:
    filtered = words.leading(Dimension.CONSUMER, totals(), (), "in 1 h", is_filtered=True)
    blind = words.leading(Dimension.IP, totals(), (), "in 1 h", is_known=False)

    assert filtered == "None of the consumers that the filters leave was refused in 1 h."
    assert blind == "No address was refused in 1 h, as far as we know."
