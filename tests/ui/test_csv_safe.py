from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.csv_safe import FORMULA_STARTS, csv_cell, csv_line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (-3, "-3"),
        (1.5, "1.5"),
        ("acme", "acme"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ('=HYPERLINK("https://evil.example")', '"\'=HYPERLINK(""https://evil.example"")"'),
        ("a,b", '"a,b"'),
        ("a\nb", '"a\nb"'),
        ("", ""),
    ],
)
def test_a_cell_is_never_a_formula(value: object, expected: str) -> None:
    assert csv_cell(value) == expected


@given(st.lists(st.text() | st.none() | st.integers(), min_size=1))
def test_what_a_spreadsheet_reads_back_is_what_was_there_and_calculates_nothing(
    values: list[str | int | None],
) -> None:
    text = csv_line(values)

    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))

    expected = [
        "" if v is None else "'" + v if isinstance(v, str) and v[:1] in FORMULA_STARTS and v else str(v)
        for v in values
    ]
    assert rows == [expected] or (expected == [""] and rows == [[]])
    for value, cell in zip(values, rows[0] or [""], strict=True):
        assert not isinstance(value, str) or cell[:1] not in FORMULA_STARTS or not cell
