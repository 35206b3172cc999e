"""Downloads of all consumers or addresses."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.rows import CellRow
from tests.ui.scripted_reader import NOW_MS, ScriptedReader
from ui.server.name_exports import COLUMNS, MAX_NAMES, name_lines, names_export_url
from ui.server.tickets import Tickets

WINDOW = Window(NOW_MS - 3_600_000, NOW_MS)
ACME = Filters(((Dimension.SERVICE, "orders"),))


def cell(label: str, requests: int | None = 4) -> CellRow:
    return CellRow(
        token=label,
        label=label,
        requests=requests,
        limited=2,
        probable=1,
        unauthorized=0,
        first_ms=NOW_MS - 60_000,
        last_ms=NOW_MS,
    )


def lines(form: str, *cells: CellRow) -> list[str]:
    reader: Any = ScriptedReader(breakdown=cells)
    return list(name_lines(reader, "consumers", WINDOW, ACME, form))


def test_a_row_has_every_number_and_iso_times() -> None:
    header, row = lines("csv", cell("acme"))

    assert header == ",".join(COLUMNS) + "\r\n"
    assert row == "acme,acme,3,2,1,4,0.75,0,2026-11-22T21:59:00.000Z,2026-11-22T22:00:00.000Z\r\n"


def test_a_name_that_could_be_a_formula_is_disarmed() -> None:
    _, row = lines("csv", cell("=SUM(A1:A9)"))

    assert row.startswith("'=SUM(A1:A9),'=SUM(A1:A9),")


def test_unknown_is_empty_in_csv_and_null_in_json() -> None:
    _, row = lines("csv", cell("acme", requests=None))
    (line,) = lines("jsonl", cell("acme", requests=None))

    assert row.startswith("acme,acme,3,2,1,,,0,")
    assert json.loads(line)["requests"] is None
    assert json.loads(line)["refusal_ratio"] is None


def test_everyone_is_asked_for_and_nothing_before_the_first_line() -> None:
    reader: Any = ScriptedReader(breakdown=())
    found = name_lines(reader, "addresses", WINDOW, ACME, "csv")

    assert reader.asked == []
    list(found)
    assert reader.asked == [("breakdown", (Dimension.IP, WINDOW, ACME, MAX_NAMES))]


def test_the_address_carries_span_filters_and_a_ticket() -> None:
    url = names_export_url(Tickets(b"k" * 32, lambda: NOW_MS), "csv", Dimension.IP, WINDOW, ACME, sample=True)
    parts = urlsplit(url)
    params = parse_qs(parts.query)

    assert parts.path == "/gatewatch/export/addresses.csv"
    assert params["service"] == ["orders"]
    assert (params["from"], params["to"], params["sample"]) == (
        [str(NOW_MS - 3_600_000)],
        [str(NOW_MS)],
        ["1"],
    )
    assert params["ticket"]
