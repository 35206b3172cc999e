"""The order of a list, and what the URL asks of it."""

from __future__ import annotations

import pytest

from storage.rows import CellRow
from ui.components.overview import Asked, ordered_by
from ui.state import PageState


def cell(token: str, limited: int, requests: int | None, last_ms: int = 0) -> CellRow:
    return CellRow(
        token=token,
        label=token,
        requests=requests,
        limited=limited,
        probable=0,
        unauthorized=0,
        first_ms=0,
        last_ms=last_ms,
    )


CELLS = (cell("a", 9, 100, 5), cell("b", 8, 8, 9), cell("c", 2, None, 7), cell("d", 0, 500, 1))


@pytest.mark.parametrize(
    ("sort", "order"),
    [("violations", "abcd"), ("ratio", "badc"), ("requests", "dabc"), ("spread", "cabd"), ("last", "bcad")],
)
def test_most_stands_first_and_unknown_last(sort: str, order: str) -> None:
    assert "".join(found.token for found in ordered_by(CELLS, sort, {"c": 3, "a": 1})) == order


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({}, Asked(sort="violations", page=1, text="")),
        (
            {"sort": ["ratio"], "page": ["3"], "q": ["ac me"]},
            Asked(sort="ratio", page=3, text="ac me"),
        ),
        ({"sort": ["evil"], "page": ["0"]}, Asked(sort="violations", page=1, text="")),
        ({"page": ["-1"]}, Asked(sort="violations", page=1, text="")),
        ({"page": ["9" * 50]}, Asked(sort="violations", page=1, text="")),
        ({"page": ["\u0661"]}, Asked(sort="violations", page=1, text="")),
    ],
)
def test_what_cannot_be_understood_counts_as_not_given(params: dict[str, list[str]], asked: Asked) -> None:
    assert Asked.of(PageState.from_params(params)) == asked
