"""Recorded files and the moments in them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from collector.recording import Recording, instant_ms, mover, received_ms, shifted
from settings import SettingValueError

NODE = "6f4b7c68-36d8-4c4b-9e4c-9c51d7fa7fca"
NODE_1 = "82a92655-a29b-52a5-ae55-d6380453d8a4"
"""The same node in a later playing."""


def test_plain_and_compressed_files_read_alike(tmp_path: Path) -> None:
    text = b'{"a":1}\n\n{"b":2}\r\n{"c":3}'
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))

    for name in ("a.jsonl", "a.jsonl.gz"):
        recording = Recording(tmp_path / name)
        assert list(recording.lines()) == [b'{"a":1}', b"", b'{"b":2}', b'{"c":3}']
        assert recording.bytes_read == recording.bytes
        recording.close()


def test_the_source_follows_the_content_not_the_name(tmp_path: Path) -> None:
    for name, text in (("a", b"1"), ("b", b"1"), ("c", b"2"), ("d.gz", gzip.compress(b"1"))):
        (tmp_path / name).write_bytes(text)

    sources = []
    for name in ("a", "b", "c", "d.gz"):
        recording = Recording(tmp_path / name)
        sources.append(recording.source)
        recording.close()

    assert sources[0] == sources[1] == sources[3] != sources[2]
    assert sources[0] == "replay:6b86b273ff34"


def test_compressed_data_that_ends_in_the_middle_gives_what_it_has(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(50_000)))
    (tmp_path / "cut.gz").write_bytes(data[: len(data) // 2])
    recording = Recording(tmp_path / "cut.gz")

    lines = list(recording.lines())
    recording.close()

    assert recording.is_cut_short
    assert len(lines) > 1000


def test_damaged_compressed_data_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b"".join(b'{"n":%d}\n' % n for n in range(50_000))))
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    (tmp_path / "bad.gz").write_bytes(data)
    recording = Recording(tmp_path / "bad.gz")

    lines = list(recording.lines())
    recording.close()

    assert recording.is_cut_short
    assert len(lines) > 1000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match=r"none\.jsonl cannot be read: No such file"):
        Recording(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1795384634, 1795384634000),
        (1795384634.208, 1795384634208),
        (1795384634208, 1795384634208),
        ("2026-11-22T21:57:13Z", 1795384633000),
        ("2026-11-22T21:57:13", 1795384633000),
        ("yesterday", None),
        (True, None),
        (-1, None),
        (0, None),
        (10**30, None),
        (float("nan"), None),
        (None, None),
        ({}, None),
    ],
)
def test_instants_are_read_in_the_units_that_recordings_use(value: Any, expected: int | None) -> None:
    assert instant_ms(value) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"received_at": 1795384634.5, "body": {"started_at": 1795384633000}}, 1795384634500),
        ({"ts": 1795384634.5, "kind": "worker_event"}, 1795384634500),
        ([{"started_at": 1795384633000}, {"started_at": 1795384639000}], 1795384639000),
        ({"kind": "http-log", "entry": {"started_at": 1795384633000}}, 1795384633000),
        ({"kind": "crud", "at_ms": 1795384633000}, 1795384633000),
        ({"event_type": "x", "timestamp": 1795384634}, 1795384634000),
        ({"consumer": "x"}, None),
        ("text", None),
    ],
)
def test_a_line_was_received_when_it_says_so_or_when_it_ended(line: Any, expected: int | None) -> None:
    assert received_ms(line) == expected


def test_moving_keeps_distances_and_units_and_makes_requests_new() -> None:
    line = {
        "received_at": 2000000000.5,
        "body": [
            {
                "started_at": 2000000000000,
                "request": {"id": "abc", "uri": "/"},
                "route": {"id": "r", "created_at": 1790000000},
            }
        ],
    }

    moved = shifted(line, mover(2000000000500, 2100000000000, 1.0), "-1")

    assert moved == {
        "received_at": 2100000000.0,
        "body": [
            {
                "started_at": 2099999999500,
                "request": {"id": "abc-1", "uri": "/"},
                "route": {"id": "r", "created_at": 1790000000},
            }
        ],
    }
    assert line["received_at"] == 2000000000.5


def test_a_faster_pace_shortens_distances() -> None:
    move = mover(1_000, 50_000, 10.0)

    assert [move(1_000), move(11_000), move(500)] == [50_000, 51_000, 49_950]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            {"kind": "crud", "id": "a", "at_ms": 2000000000000, "request_id": "q"},
            {"kind": "crud", "id": "a-1", "at_ms": 2000000001000, "request_id": "q-1"},
        ),
        (
            {"kind": "http-log", "id": "i", "entry": {"started_at": 2000000000000}},
            {"kind": "http-log", "id": "i-1", "entry": {"started_at": 2000000001000}},
        ),
        (
            {
                "ts": 2000000000,
                "path": "/services",
                "http_status": 200,
                "body": {"data": [{"id": "e", "name": "x", "updated_at": 1999999990}]},
            },
            {
                "ts": 2000000001.0,
                "path": "/services",
                "http_status": 200,
                "body": {"data": [{"id": "e", "name": "x", "updated_at": 1999999991}]},
            },
        ),
        (
            {"ts": 2000000000, "node": NODE, "data": {"entity": {"id": "e", "updated_at": 1999999999}}},
            {"ts": 2000000001.0, "node": NODE_1, "data": {"entity": {"id": "e", "updated_at": 2000000000}}},
        ),
        (
            {"ts": 2000000000, "node": "a", "path": "/", "http_status": 200, "body": {"node_id": NODE}},
            {"ts": 2000000001.0, "node": "a", "path": "/", "http_status": 200, "body": {"node_id": NODE_1}},
        ),
        (
            {"timestamp": "2033-05-18T03:33:20+00:00", "entity": {"id": "e"}},
            {"timestamp": "2033-05-18T03:33:21+00:00", "entity": {"id": "e"}},
        ),
        ("text", "text"),
    ],
)
def test_every_form_of_line_is_moved_and_entities_keep_their_ids(line: Any, expected: Any) -> None:
    assert shifted(line, lambda at_ms: at_ms + 1000, "-1") == expected
