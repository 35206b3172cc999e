"""JSONTestSuite by every way in: what is JSON is kept, the rest is refused for a reason, nothing breaks.

Each text is a whole message once, and once a value inside a message that is right in everything else.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.batching import read_batch
from collector.playing import Player
from collector.recording import Recording
from collector.sources.session import Close, Limits, Session, Store
from collector.wire.event_hooks import decode_event_hook
from collector.wire.generic import decode_generic
from collector.wire.http_log import decode_http_log
from collector.wire.payloads import quarantined
from collector.wire.recorded import decode_recorded
from domain.errors import DecodeError, excerpt
from domain.events import Decoded
from tests.collector.wire.test_hostile_input import check_storable

NOW_MS = 1_795_384_700_000
SUITE = Path(__file__).parents[2] / "fixtures/suites/JSONTestSuite.zip"
AS_FLOATS = {
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
}
"""Of the texts that a parser may take or refuse, those that we take: numbers past what a float holds exactly,
as the nearest one. All others, and so what is no UTF-8, a lone surrogate, a byte order mark or too big for a
float, are refused."""
TOO_DEEP = "i_structure_500_nested_arrays"
"""Is JSON to the parser, and deeper than we take."""


@functools.cache
def cases() -> dict[str, bytes]:
    """Each text by its name."""
    with zipfile.ZipFile(SUITE) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        return {Path(name).stem: archive.read(name) for name in names}


def by_stream(body: bytes) -> Decoded:
    """As one frame of a stream that said hello; one that closes it raises its reason."""
    session = Session(None, Limits(window=10, max_batch=5, max_bytes=1_048_576))
    session.receive('{"t":"hello","source":"gw-1","epoch":"e"}')
    session.know_cursor(0)
    try:
        text = body.decode()
    except UnicodeDecodeError:  # the library closes with 1007 before anything of ours sees it
        raise DecodeError("stream frame", "not JSON (no UTF-8, at byte 0): x") from None
    whole = Decoded()
    for command in session.receive(text):
        if isinstance(command, Close):
            assert command.code == 4400
            raise DecodeError("stream frame", command.reason)
        assert isinstance(command, Store)
        gathered = read_batch(command.items, received_ms=NOW_MS)
        for _, why in gathered.unreadable:
            if why.startswith(
                "stream item: not JSON ("
            ):  # a number too big for a float: its item is set aside
                raise DecodeError("stream frame", why.removeprefix("stream item: "))
        whole.take(gathered.decoded)
    return whole


def by_file(folder: Path, body: bytes) -> Decoded:
    """As a recorded file, line by line, as `replay` does it."""
    file = folder / "recorded.jsonl"
    file.write_bytes(body)
    recording = Recording(file)
    whole = Decoded()
    for line in Player(None, None, lambda: NOW_MS).lines(recording, 0):
        try:
            whole.take(decode_recorded(line.raw, received_ms=line.received_ms, place=line.place))
        except DecodeError as error:
            whole.quarantined.append(quarantined(str(error), line.raw))
    recording.close()
    return whole


WAYS: dict[str, tuple[Callable[[bytes], Decoded], str, bytes]] = {
    "stream": (
        by_stream,
        "stream frame",
        b'{"t":"batch","first":1,"events":[{"kind":"plugin","event":"e","id":"1","x":%s}]}',
    ),
    "http-log": (
        lambda body: decode_http_log(body, received_ms=NOW_MS),
        "http_log",
        b'{"response":{"status":429,"headers":{"retry-after":"1"}},"source":"kong","x":%s}',
    ),
    "event hooks": (
        lambda body: decode_event_hook(body, received_ms=NOW_MS),
        "event_hook",
        b'{"source":"acme","event":"e","x":%s}',
    ),
    "events": (
        lambda body: decode_generic(body, received_ms=NOW_MS),
        "event",
        b'{"kind":"plugin","event":"e","x":%s}',
    ),
    "file": (
        lambda body: decode_recorded(body, received_ms=NOW_MS, place="f:1"),
        "recorded line",
        b'{"kind":"plugin","event":"e","x":%s}',
    ),
}
"""How a message is read, what its refusals begin with, and a message with room for one value."""


def kept(decoded: Decoded) -> Any:
    """The value that stands at `x` in what is kept of the one event."""
    check_storable(decoded)
    assert decoded.quarantined == []
    (event,) = decoded.events
    assert event.payload is not None
    return orjson.loads(event.payload)["x"]


def outcome(way: str, body: bytes) -> tuple[Decoded | None, str]:
    """What a message is read as, or what it is refused with."""
    try:
        return WAYS[way][0](body), ""
    except DecodeError as error:
        return None, str(error)


def as_read(value: Any) -> Any:
    """What Python's own parser reads, as we keep it: NUL replaced, whole numbers past 64 bits as floats."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [as_read(item) for item in value]
    return {as_read(k): as_read(v) for k, v in value.items()} if isinstance(value, dict) else value


def test_the_suite_is_whole() -> None:
    assert [sum(name[0] == letter for name in cases()) for letter in "yni"] == [95, 188, 35]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_json_is_kept_as_it_is(way: str) -> None:
    decode, _, message = WAYS[way]
    found = {name: kept(decode(message % body)) for name, body in cases().items() if name[0] == "y"}

    assert found == {name: as_read(json.loads(cases()[name])) for name in found}
    assert len(found) == 95


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_json_is_refused_with_the_place_and_what_stands_there(way: str) -> None:
    _, where, message = WAYS[way]
    bad = {name: message % body for name, body in cases().items() if name[0] == "n"}
    wrong = {}
    for name, body in bad.items():
        decoded, said = outcome(way, body)
        assert decoded is None, name
        shown = excerpt(body[:400])
        if not (said.startswith(f"{where}: not JSON (") and "at byte " in said and len(said) < 500):
            wrong[name] = said
        elif way != "stream" and not said.endswith(shown):
            wrong[name] = f"{said}, expected at its end {shown}"

    assert wrong == {}
    assert len(bad) == 188


@pytest.mark.parametrize("way", WAYS)
def test_what_may_be_either_is_decided(way: str) -> None:
    _, where, message = WAYS[way]
    bodies = {name: message % body for name, body in cases().items() if name[0] == "i" and name != TOO_DEEP}
    found = {name: outcome(way, body) for name, body in bodies.items()}
    taken = {name: kept(decoded) for name, (decoded, _) in found.items() if decoded is not None}
    refused = [said for decoded, said in found.values() if decoded is None]

    assert [said for said in refused if not said.startswith(f"{where}: not JSON (")] == []
    assert len(refused) == 34 - len(AS_FLOATS)
    assert taken == {name: [float(json.loads(cases()[name])[0])] for name in AS_FLOATS}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_too_deep_is_refused_or_set_aside(way: str) -> None:
    _, where, message = WAYS[way]
    decoded, said = outcome(way, message % cases()[TOO_DEEP])
    if decoded is not None:
        assert decoded.events == []
        (bad,) = decoded.quarantined
        said = bad.why

    assert said.startswith(where.split()[0])
    assert said.endswith(": nested deeper than 32 levels")


def test_a_message_that_is_too_deep_is_set_aside_by_the_stream_and_not_its_neighbours() -> None:
    body = WAYS["stream"][2] % (cases()[TOO_DEEP] + b'},{"kind":"plugin","event":"e","id":"2"')
    decoded = by_stream(body)

    assert [event.id for event in decoded.events] == ["2"]
    assert [bad.why for bad in decoded.quarantined] == ["stream item: nested deeper than 32 levels"]


WORDS = {
    "n_structure_no_data": "(Input is a zero-length, empty document, at byte 0): nothing",
    "n_array_extra_comma": '(trailing comma is not allowed, at byte 3): ["",]',
    "n_number_NaN": "(unexpected character, expected a JSON value, at byte 1): [NaN]",
    "n_structure_lone-invalid-utf-8": (r"(str is not valid UTF-8: surrogates not allowed, at byte 0): \\xe5"),
    "n_structure_UTF8_BOM_no_data": r"(UTF-8 byte order mark (BOM) is not supported, at byte 0): \ufeff",
    "n_structure_100000_opening_arrays": "(depth limit exceeded, at byte 1025): " + "[" * 120 + "...",
}


@pytest.mark.parametrize("name", WORDS)
def test_some_refusals_word_by_word(name: str) -> None:
    """What is read at night says what was wrong, where, and what was found there."""
    assert outcome("http-log", cases()[name]) == (None, f"http_log: not JSON {WORDS[name]}")


@pytest.mark.parametrize("way", WAYS)
def test_no_text_as_a_whole_message_breaks_anything(way: str) -> None:
    """`y_` texts are JSON and not messages: they are refused for that, or set aside."""
    _, where, _ = WAYS[way]
    for name, body in cases().items():
        decoded, said = outcome(way, body)

        if decoded is not None:
            assert name[0] != "n", name
            check_storable(decoded)
            assert decoded.events == []
        else:
            assert said.startswith(where), name
            assert name[0] == "i" or ("not JSON (" in said) == (name[0] == "n"), name


def test_a_file_of_it_is_read_to_its_end(tmp_path: Path) -> None:
    """By lines, with whatever stands in one; a line after it is an event all the same."""
    good = b'\n{"kind":"plugin","event":"e","id":"last"}\n'
    for name, body in cases().items():
        decoded = by_file(tmp_path, body + good)

        check_storable(decoded)
        assert [event.id for event in decoded.events] == ["last"], name
        if name[0] == "n" and body.strip():
            assert decoded.quarantined, name
