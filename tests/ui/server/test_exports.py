from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from domain.errors import StoreBusy
from domain.filters import Dimension, Filters
from domain.windows import Window
from storage.rows import EventPage, EventQuery, EventRow
from tests.ui.event_rows import event_row
from tests.ui.scripted_reader import NOW_MS, ScriptedReader
from ui.server.export_files import PURPOSE
from ui.server.exports import COLUMNS, Exports, events_file, export_url, read_query
from ui.server.tickets import Tickets

WINDOW = Window(1_768_296_600_000, 1_768_298_400_000)
QUERY = EventQuery(
    window=WINDOW,
    filters=Filters(((Dimension.CONSUMER, "a&b"),), ((Dimension.IP, "203.0.113.7"),)),
    kinds=("rate-limiting",),
    certainties=("certain",),
    violations_only=True,
    text="x y",
)
TICKETS = Tickets(b"k" * 32, lambda: NOW_MS)


class ManyRows(ScriptedReader):
    """A million events, made as they are asked for; `made` says how many that was."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def stream_events(self, _query: Any) -> Iterator[EventRow]:
        """Newest first."""
        row = event_row()
        for _ in range(1_000_000):
            self.made += 1
            yield row


async def get(path: str, reader: Any, **headers: str) -> httpx.Response:
    exports = (
        reader
        if isinstance(reader, Exports)
        else Exports(TICKETS, lambda sample: reader[sample] if isinstance(reader, dict) else reader)
    )
    app = Starlette(routes=[Route("/gatewatch/export/{what}.{form}", exports.serve)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get(path, headers=headers)


def reader_of(*rows: EventRow) -> ScriptedReader:
    return ScriptedReader(events=EventPage(rows=rows, next_seq=None, total=len(rows)))


@pytest.mark.parametrize(("sample", "recorded"), [(False, 1), (True, 0)], ids=["our own", "the sample's"])
async def test_an_export_is_recorded_before_its_first_row_without_names(
    *, sample: bool, recorded: int
) -> None:
    told: list[tuple[str, str, str]] = []
    exports = Exports(TICKETS, lambda _sample: reader_of(event_row()), lambda *entry: told.append(entry))

    answer = await get(export_url(TICKETS, "csv", QUERY, sample=sample, who="ana"), exports)

    assert answer.status_code == 200
    assert len(told) == recorded
    assert all(who == "ana" and what == "events.csv" for who, what, _ in told)
    assert "203.0.113.7" not in str(told)


async def test_what_cannot_be_recorded_is_not_exported() -> None:
    def full(*_entry: str) -> None:
        raise StoreBusy("the disk is full")

    answer = await get(
        export_url(TICKETS, "csv", QUERY), Exports(TICKETS, lambda _sample: reader_of(event_row()), full)
    )

    assert answer.status_code == 503
    assert answer.text == "nothing was exported, as it cannot be recorded now: the disk is full"


def test_a_question_comes_back_from_its_own_url() -> None:
    url = httpx.URL(export_url(TICKETS, "csv", QUERY))

    assert url.path == "/gatewatch/export/events.csv"
    assert read_query({key: url.params.get_list(key) for key in url.params}) == QUERY


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "\u0663", "\u00b2", "253402300800000", "9" * 5000])
async def test_a_window_that_no_calendar_has_is_refused(text: str) -> None:
    ticket = TICKETS.issue(PURPOSE, "ana", 60_000)
    params = {"from": "0", "to": text, "ticket": ticket}

    answer = await get(f"/gatewatch/export/events.csv?{urlencode(params)}", reader_of())

    assert answer.status_code == 400
    assert answer.text == "from and to are milliseconds since 1970, before the year 10000"


async def test_the_widest_window_is_none_of_them() -> None:
    params = {"from": "0", "to": "253402300799999", "ticket": TICKETS.issue(PURPOSE, "ana", 60_000)}

    answer = await get(f"/gatewatch/export/events.csv?{urlencode(params)}", reader_of(event_row()))

    assert answer.status_code == 200


async def test_csv_has_a_heading_and_cells_that_are_no_formulas() -> None:
    answer = await get(
        export_url(TICKETS, "csv", QUERY), reader_of(event_row(consumer='=HYPERLINK("https://evil.example")'))
    )

    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["consumer"] == '\'=HYPERLINK("https://evil.example")'
    assert rows[0]["at"] == "2026-11-22T22:00:00.000Z"


async def test_json_lines_keep_types_and_unknowns() -> None:
    answer = await get(export_url(TICKETS, "jsonl", QUERY), reader_of(event_row(route=None, status=429)))

    (line,) = answer.text.splitlines()
    found = orjson.loads(line)
    assert (found["route"], found["status"]) == (None, 429)


async def test_the_file_says_what_is_inside() -> None:
    answer = await get(export_url(TICKETS, "csv", QUERY), reader_of())

    assert answer.headers["content-disposition"] == (
        'attachment; filename="gatewatch-violations_20260113T093000Z_20260113T100000Z'
        '_consumer-a-b_not_ip-203.0.113.7_rate-limiting_UTC.csv"'
    )
    assert events_file(QUERY, "csv", sample=True).startswith("sample-violations")


async def test_the_sample_is_read_from_its_own_database() -> None:
    readers = {False: reader_of(), True: reader_of(event_row(consumer="sampled"))}

    answer = await get(export_url(TICKETS, "csv", QUERY, sample=True), readers)

    assert "sampled" in answer.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda url: url.split("&ticket=")[0], 403),
        (lambda url: url[:-3] + "abc", 403),
        (lambda url: url.replace(f"from={WINDOW.from_ms}", "from=yesterday"), 400),
        (lambda url: url.replace(f"from={WINDOW.from_ms}", f"from={WINDOW.to_ms + 1}"), 400),
    ],
    ids=["no ticket", "changed ticket", "no window", "backwards"],
)
async def test_what_no_page_of_ours_made_is_refused(change: Any, status: int) -> None:
    reader = reader_of(event_row())

    answer = await get(change(export_url(TICKETS, "csv", QUERY)), reader)

    assert answer.status_code == status
    assert reader.asked == []


async def test_another_site_gets_nothing() -> None:
    url = export_url(TICKETS, "csv", QUERY)

    answer = await get(url, reader_of(), **{"sec-fetch-site": "cross-site"})

    assert answer.status_code == 403


async def test_an_export_reads_on_as_it_is_taken() -> None:
    """A million rows are not gathered first: whoever stops reading stops the work."""
    reader = ManyRows()
    exports = Exports(TICKETS, lambda _sample: reader)
    url = httpx.URL(export_url(TICKETS, "csv", QUERY))
    scope = {
        "type": "http",
        "method": "GET",
        "path": url.path,
        "query_string": url.query,
        "headers": [],
        "path_params": {"what": "events", "form": "csv"},
    }
    from starlette.requests import Request  # noqa: PLC0415 - only here

    answer: Any = await exports.serve(Request(scope))
    first = await anext(aiter(answer.body_iterator))

    assert len(first) > 1000
    assert reader.made < 2_000
