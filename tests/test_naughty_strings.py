"""The big list of naughty strings: in by every way, through the store, and out by all that shows text."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

import orjson
import pytest

from alerting.notifiers.email import mail_of
from alerting.notifiers.slack import escaped
from alerting.outgoing import Outgoing, incident_message, plain
from alerting.receivers import Receiver
from collector.batching import gather
from collector.wire.event_hooks import decode_event_hook
from collector.wire.fields import text
from collector.wire.generic import decode_generic
from collector.wire.http_log import decode_http_log
from collector.wire.stream import decode_stream_items
from domain.detectors.findings import Severity
from domain.events import Decoded
from domain.filters import Dimension, Filters
from domain.incident_flow import Move, What
from domain.incidents import Incident
from domain.redaction import redact, redact_text
from domain.windows import Window
from storage.rows import EventQuery, EventRow
from storage.sqlite_reader import SqliteReader
from tests.naughty_strings import naughty_strings
from tests.storage.filling import NOW_MS, batch, opened
from tests.ui.test_safe_text import letters, rendered
from ui.csv_safe import FORMULA_STARTS
from ui.safe_text import in_markdown, in_plotly, visible
from ui.server.exports import COLUMNS, csv_rows, jsonl_rows

STRINGS = naughty_strings()
WINDOW = Window(NOW_MS - 60_000, NOW_MS + 60_000)
NAMES = ("consumer", "service", "route", "node", "request_id", "limit_name", "entity_type", "entity_id")
"""Texts of an event that are kept as they are."""
SENTENCES = ("evidence", "actor", "entity_name", "upstream", "target")
"""Texts that people write, out of which credentials are cut."""


def items(place: int, naughty: str) -> list[dict[str, Any]]:
    """A violation, an unknown kind, a change, a target and a lost key whose every text is one string."""
    every = dict.fromkeys((*NAMES, *SENTENCES), naughty) | {"at_ms": NOW_MS}
    state = {"id": f"s-{place}", "name": naughty, naughty: naughty}
    return [
        {"kind": "rate-limiting", "event": "exceeded", "id": f"v-{place}", "x": naughty, **every},
        {"kind": naughty, "event": naughty, "id": f"k-{place}", "at_ms": NOW_MS},
        {"kind": "crud", "event": "services.updated", "id": f"change:{place}", "entity_type": "services",
         "operation": "update", "actor": naughty, "before": None, "after": state, "at_ms": NOW_MS},
        {"kind": "cluster", "event": "target_unhealthy", "id": f"t-{place}", "health": naughty, **every},
        {"kind": "cache", "event": "invalidated", "id": f"i-{place}", "cache": naughty, "key": naughty,
         **every},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteReader]:
    """A database into which a stream has brought every string in every field."""
    path = tmp_path_factory.mktemp("naughty") / "g.db"
    sent = [item for place, naughty in enumerate(STRINGS) for item in items(place, naughty)]
    travelled = orjson.loads(orjson.dumps(sent))
    decoded = gather(decode_stream_items(travelled, received_ms=NOW_MS)).decoded
    assert decoded.quarantined == []
    with opened(path) as store:
        written = store.write([batch(decoded=decoded)])[0]
        assert (written.events, written.quarantined) == (5 * len(STRINGS), 0)
        found = SqliteReader(path, 60_000)
        yield found
        found.close()


@pytest.fixture(scope="module")
def rows(reader: SqliteReader) -> dict[str, EventRow]:
    """Every event by its id, as pages and downloads read them."""
    return {row.id: row for row in reader.stream_events(EventQuery(window=WINDOW))}


def test_the_list_is_whole() -> None:
    assert len(STRINGS) == 528
    assert all(naughty.encode() for naughty in STRINGS)


def test_names_come_back_as_they_were(rows: dict[str, EventRow]) -> None:
    for place, naughty in enumerate(STRINGS):
        row = rows[f"v-{place}"]
        kept = text(naughty)

        assert {name: getattr(row, name) for name in NAMES} == dict.fromkeys(NAMES, kept)
        assert rows[f"k-{place}"].kind == kept
        assert rows[f"t-{place}"].health == kept
        assert rows[f"i-{place}"].cache == kept


def test_sentences_come_back_without_credentials_and_else_as_they_were(rows: dict[str, EventRow]) -> None:
    for place, naughty in enumerate(STRINGS):
        row, kept = rows[f"v-{place}"], redact_text(text(naughty) or "")

        assert {name: getattr(row, name) for name in SENTENCES} == dict.fromkeys(SENTENCES, kept)
        assert rows[f"change:{place}"].actor == kept
        assert rows[f"k-{place}"].event == kept


def test_what_is_kept_whole_comes_back_whole(reader: SqliteReader, rows: dict[str, EventRow]) -> None:
    for place, naughty in enumerate(STRINGS):
        if place % 3:
            continue
        detail = reader.event(rows[f"v-{place}"].seq)
        change = reader.event(rows[f"change:{place}"].seq)

        assert detail is not None
        assert change is not None
        assert detail.payload["x"] == redact(naughty)
        assert naughty in change.after


def test_a_filter_finds_the_string_that_it_names_and_no_other(
    reader: SqliteReader, rows: dict[str, EventRow]
) -> None:
    """Quotes, wildcards and everything else that SQL reads otherwise."""
    for naughty in STRINGS[::7]:
        wanted = {key for key, row in rows.items() if row.consumer == text(naughty)}
        query = EventQuery(window=WINDOW, filters=Filters().adding(Dimension.CONSUMER, naughty))

        assert {row.id for row in reader.events(query, limit=1_000).rows} == wanted, naughty


def test_a_search_for_any_string_is_a_search(reader: SqliteReader) -> None:
    for naughty in STRINGS[::23]:
        for row in reader.events(EventQuery(window=WINDOW, text=naughty), limit=10).rows:
            assert row.id
        assert len(reader.search(naughty)) <= 20


def test_a_download_reads_back_as_it_was_and_calculates_nothing(rows: dict[str, EventRow]) -> None:
    whole = "".join(csv_rows(iter(rows.values())))
    header, *lines = csv.reader(io.StringIO(whole, newline=""), strict=True)

    assert header == list(COLUMNS)
    for row, cells in zip(rows.values(), lines, strict=True):
        for name, cell in zip(COLUMNS[1:], cells[1:], strict=True):
            value = getattr(row, name)
            if isinstance(value, str):
                assert cell == (f"'{value}" if value[:1] in FORMULA_STARTS else value)
                assert cell[:1] not in FORMULA_STARTS or not cell


def test_a_download_of_lines_is_one_json_value_a_line(rows: dict[str, EventRow]) -> None:
    lines = "".join(jsonl_rows(iter(rows.values()))).split("\n")[:-1]

    assert [orjson.loads(line)["consumer"] for line in lines] == [row.consumer for row in rows.values()]


def test_labels_show_every_string_letter_by_letter() -> None:
    for naughty in STRINGS:
        shown = visible(naughty)
        drawn = rendered(in_markdown(naughty))

        assert shown.isprintable()
        if shown.strip():
            assert letters(drawn).strip() == shown.strip(), naughty
            assert drawn.count("<") == 2, drawn
        assert html.unescape(in_plotly(naughty)) == shown
        assert "<" not in in_plotly(naughty)


def incident(naughty: str) -> Incident:
    """About somebody of this name."""
    return Incident(
        fingerprint="f", rule=naughty, detector="none", shape="s", severity=Severity.CRITICAL,
        entity_type="consumer", entity_id=naughty, entity=naughty, opened_ms=NOW_MS, from_ms=NOW_MS,
        last_ms=NOW_MS, count=1, why=f"{naughty} was refused", reason=naughty,
    )  # fmt: skip


def told(naughty: str) -> Outgoing:
    """What is sent about somebody of this name."""
    return incident_message(Move(What.OPENED, NOW_MS, None, incident(naughty)), 1, "https://dash.example.com")


def test_a_message_about_anybody_has_its_own_lines_and_no_other() -> None:
    for naughty in STRINGS:
        message = told(naughty)

        assert message.title.isprintable()
        assert all(line.isprintable() for line in message.lines)
        assert message.data["entity"] == plain(naughty)


def letters_of(subject: str) -> str:
    """Without its spaces: folding a long subject, Python's library may lose one between two alphabets."""
    return "".join(subject.split())


def test_a_mail_about_anybody_can_be_read_back() -> None:
    """Every header is ours: no name makes another one."""
    receiver = Receiver(
        kind="email", host="h", port=25, tls="none", sender="gw@example.com", to=("a@b.example",)
    )
    for naughty in STRINGS[::5]:
        message = told(naughty)
        mail = message_from_bytes(bytes(mail_of(receiver, "msg_1", message)), policy=policy.default)

        assert letters_of(mail["Subject"]) == letters_of(f"[Gatewatch] {message.title}")
        assert mail["To"] == "a@b.example"
        assert len(mail.keys()) == len(set(mail.keys())) == 10
        assert mail.get_content().split("\n\n")[0] == message.lines[0]


def test_a_chat_message_about_anybody_has_no_mention_and_no_link() -> None:
    for naughty in STRINGS:
        shown = escaped(told(naughty).title)

        assert not {"<", ">"} & set(shown)
        assert "://" not in shown
        assert "@here" not in shown
        assert html.unescape(shown.replace("\u200b", "")) == told(naughty).title.replace("\u200b", "")


WAYS: dict[str, tuple[Callable[..., Decoded], Callable[[str], Any]]] = {
    "http-log": (
        decode_http_log,
        lambda s: {
            "response": {"status": 429, "headers": {"retry-after": "1"}},
            "source": "kong",
            "request": {"id": s, "uri": s, "method": s, "headers": {"user-agent": s}},
            "client_ip": s,
            "consumer": {"id": s, "username": s},
            "service": {"id": s, "name": s},
            "route": {"id": s, "name": s},
            "node": s,
        },
    ),
    "event hooks": (
        decode_event_hook,
        lambda s: {
            "source": "rate-limiting-advanced",
            "event": "rate-limit-exceeded",
            "consumer": s,
            "ip": s,
        },
    ),
    "events": (
        decode_generic,
        lambda s: {"event_type": "rate_limit_exceeded", "consumer": s, "ip": s, "route": s},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_other_ways_in_keep_the_same(way: str) -> None:
    decode, message = WAYS[way]
    for naughty in STRINGS:
        decoded = decode(orjson.dumps(message(naughty)), received_ms=NOW_MS)
        (event,) = decoded.events

        assert decoded.quarantined == []
        assert event.consumer == text(naughty)
        assert event.ip is not None
        assert event.ip.isascii()
        assert event.ip.isprintable()
