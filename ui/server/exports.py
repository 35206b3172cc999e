"""Downloads of events without a limit: read on the way, so that a million rows cost no memory.

The URL carries the question in the words of the page's own URL, and a ticket that a page of ours made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from domain.errors import StoreError
from domain.filters import Filters
from domain.windows import Window
from storage.audit_trail import digest_of
from storage.protocol import Reader
from storage.rows import EventQuery, EventRow
from ui.csv_safe import csv_line
from ui.server.export_files import PURPOSE, TYPES, blocks, file_name, iso
from ui.server.name_exports import NAMES, name_lines
from ui.server.tickets import EXPORT_LIFETIME_MS, TicketRefused, Tickets
from ui.state import NEVER_MS

EXPORTED = frozenset({"events", *NAMES})
"""What can be downloaded, by its place in the URL."""
MOST_DIGITS = 15
COLUMNS = ("at", *EventRow.__struct_fields__)
"""`at` is ISO 8601 in UTC; the rest are the fields of a stored event."""


def export_url(tickets: Tickets, form: str, query: EventQuery, *, sample: bool = False, who: str = "") -> str:
    """The address of a download, good for 15 minutes.

    Args:
        tickets: The server's.
        form: `csv` or `jsonl`.
        query: Which events.
        sample: Whether of the sample's database.
        who: Whom the page was made for; the audit trail names them.
    """
    params: dict[str, list[str]] = {
        "from": [str(query.window.from_ms)],
        "to": [str(query.window.to_ms)],
        **query.filters.to_params(),
        "kind": list(query.kinds),
        "event": list(query.events),
        "certainty": list(query.certainties),
        "violations": ["1"] if query.violations_only else [],
        "text": [query.text] if query.text else [],
        "sample": ["1"] if sample else [],
    }
    params["ticket"] = [tickets.issue(PURPOSE, who, EXPORT_LIFETIME_MS)]
    return f"/gatewatch/export/events.{form}?{urlencode(params, doseq=True)}"


def read_query(params: Mapping[str, Sequence[str]]) -> EventQuery:
    """The question of a URL.

    Raises:
        ValueError: The window is missing or is none.
    """

    def one(name: str) -> str:
        return next(iter(params.get(name, ())), "")

    return EventQuery(
        window=Window(_moment(one("from")), _moment(one("to"))),
        filters=Filters.from_params(params),
        kinds=tuple(params.get("kind", ())),
        events=tuple(params.get("event", ())),
        certainties=tuple(params.get("certainty", ())),
        violations_only=one("violations") == "1",
        text=one("text"),
    )


def _moment(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS and int(text) < NEVER_MS):
        raise ValueError("from and to are milliseconds since 1970, before the year 10000")
    return int(text)


def events_file(query: EventQuery, form: str, *, sample: bool) -> str:
    """The name of a file of events."""
    what = "violations" if query.violations_only else "events"
    return file_name(what, query.window, query.filters, form, sample=sample, more=query.kinds)


def csv_rows(rows: Iterator[EventRow]) -> Iterator[str]:
    """A header row, then one line per event, newest first."""
    yield csv_line(COLUMNS)
    for row in rows:
        yield csv_line((iso(row.at_ms), *(getattr(row, name) for name in COLUMNS[1:])))


def jsonl_rows(rows: Iterator[EventRow]) -> Iterator[str]:
    """One JSON object per event, newest first."""
    for row in rows:
        values = {name: getattr(row, name) for name in COLUMNS[1:]}
        yield orjson.dumps({"at": iso(row.at_ms), **values}).decode() + "\n"


def _record_nothing(_who: str, _what: str, _which: str) -> None:
    """Where there is no trail: in tests."""


class Exports:
    """Answers `/gatewatch/export/events.csv`, `consumers.csv`, `addresses.csv`, and the same as `.jsonl`."""

    def __init__(
        self,
        tickets: Tickets,
        reader_of: Callable[[bool], Reader],
        record: Callable[[str, str, str], None] = _record_nothing,
    ) -> None:
        """Answer from these readers.

        Args:
            tickets: The server's.
            reader_of: Gives the reader of our own database, or of the sample's.
            record: Told (who, which file, which rows) before the first row of our own leaves.
        """
        self._tickets = tickets
        self._reader_of = reader_of
        self._record = record

    async def serve(self, request: Request) -> Response:
        """Stream what the URL asks for; a read that fails on the way breaks the download visibly."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return PlainTextResponse("another site asked for this download", 403)
        params = {name: request.query_params.getlist(name) for name in request.query_params}
        try:
            who = str(
                self._tickets.check(next(iter(params.get("ticket", ())), ""), PURPOSE) or "nobody known"
            )
        except TicketRefused as error:
            return PlainTextResponse(error.reason, 403)
        try:
            query = read_query(params)
        except ValueError as error:
            return PlainTextResponse(str(error), 400)
        sample = params.get("sample") == ["1"]
        what, form = request.path_params["what"], request.path_params["form"]
        if not sample:
            # by its hash: the trail must not hold names that are to be erased one day
            asked = urlencode({**params, "ticket": "", "from": "", "to": ""}, doseq=True)
            which = f"{query.window.from_ms} to {query.window.to_ms}, asked {digest_of(asked)}"
            try:
                await run_in_threadpool(self._record, who, f"{what}.{form}", which)
            except StoreError as error:
                return PlainTextResponse(f"nothing was exported, as it cannot be recorded now: {error}", 503)
        reader = self._reader_of(sample)
        if what in NAMES:
            lines = name_lines(reader, what, query.window, query.filters, form)
            name = file_name(what, query.window, query.filters, form, sample=sample)
        else:
            rows = reader.stream_events(query)
            lines = csv_rows(rows) if form == "csv" else jsonl_rows(rows)
            name = events_file(query, form, sample=sample)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingResponse(blocks(lines), headers=headers, media_type=TYPES[form])
