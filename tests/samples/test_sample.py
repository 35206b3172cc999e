"""The sample that the empty screen offers: small, without secrets, and showing what happens to a gateway."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from collector.playing import Player
from collector.recording import Recording, mover, received_ms, shifted
from collector.replay_stream import Sent, items_of, log_entries
from collector.wire.recorded import decode_recorded
from collector.wire.stream import decode_stream_items
from domain.events import Decoded
from domain.redaction import redact

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples/gateway.jsonl.gz"
MOST_BYTES = 950_000
KEY = re.compile(rb"alpha-(?:\d|rotated)[\w-]*")
"""How the API keys of the recorded cluster look."""


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    with gzip.open(SAMPLE) as stream:
        return stream.read().splitlines()


@pytest.fixture(scope="module")
def whole(lines: list[bytes]) -> Decoded:
    """Everything in it, decoded."""
    decoded = Decoded()
    for number, raw in enumerate(lines):
        at_ms = received_ms(orjson.loads(raw))
        assert at_ms is not None
        decoded.take(decode_recorded(raw, received_ms=at_ms, place=str(number)))
    return decoded


def test_it_is_small_enough_to_be_fetched_with_the_code() -> None:
    assert SAMPLE.stat().st_size < MOST_BYTES


def test_it_is_the_only_sample() -> None:
    assert sorted((ROOT / "samples").glob("*.jsonl.gz")) == [SAMPLE]


def test_no_api_key_is_in_it(lines: list[bytes]) -> None:
    assert [found for raw in lines for found in KEY.findall(raw)] == []


def test_no_key_of_the_recorded_cluster_is_in_it(lines: list[bytes], alpha: Path) -> None:
    text = b"\n".join(lines)
    with gzip.open(alpha / "admin-polls.jsonl.gz") as polls:
        bodies = [orjson.loads(raw)["body"] for raw in polls if b'"/key-auths' in raw]
    keys = {item["key"].encode() for body in bodies for item in body["data"]}

    assert len(keys) > 40
    assert [key for key in keys if key in text] == []


def test_there_is_nothing_left_to_redact(lines: list[bytes]) -> None:
    for raw in lines:
        line = orjson.loads(raw)
        assert redact(line) == line


def test_every_line_can_be_read(whole: Decoded) -> None:
    assert whole.quarantined == []
    assert whole.entries > 15_000


def test_it_is_in_order_of_time_and_lasts_a_few_minutes(lines: list[bytes]) -> None:
    times = [received_ms(orjson.loads(raw)) or 0 for raw in lines]

    assert times == sorted(times)
    assert 200_000 < times[-1] - times[0] < 600_000


def test_it_shows_refusals_of_every_kind_changes_purges_and_a_node_that_dies(whole: Decoded) -> None:
    names = {event.event for event in whole.events}
    certainties = {str(event.certainty) for event in whole.events if event.certainty}
    changed = {event.entity_type for event in whole.events if event.kind == "crud"}
    silent = [seen for seen in whole.nodes if not seen.answered]

    assert certainties == {"certain", "probable", "ruled-out"}
    assert {
        "exceeded",
        "invalidated",
        "purged",
        "target_unhealthy",
        "target_healthy",
        "node_started",
    } <= names
    assert {"plugins", "services", "routes", "consumers", "targets", "upstreams"} <= changed
    assert len({event.consumer for event in whole.events if event.event == "exceeded"}) > 30
    assert len(silent) >= 5
    assert any(plugin.name == "request-termination" for plugin in whole.plugins)


@pytest.mark.e2e
def test_two_playings_of_it_are_two_lives_of_a_gateway() -> None:
    """Nothing of the second is taken for a repetition of the first, and both count alike."""
    runs = [sent_by(start_ms) for start_ms in (1_800_000_000_000, 1_800_000_300_000)]

    assert runs[0][0] == runs[1][0]
    assert not runs[0][1] & runs[1][1]
    assert runs[0][0]["violations"] == 2_375
    assert runs[0][0]["ids"] > 15_000


def sent_by(start_ms: int) -> tuple[dict[str, int], set[str]]:
    """What a playing sends to a collector, and the ids of its events."""
    recording = Recording(SAMPLE)
    player = Player(1.0, start_ms, lambda: start_ms)
    sent, ids = Sent(), set()
    for line in player.lines(recording, 0):
        for decoded in decode_stream_items(items_of(line), received_ms=line.received_ms):
            sent.count(decoded)
            ids |= {event.id for event in decoded.events}
            ids |= {str(request.fingerprint) for request in decoded.traffic}
            assert decoded.quarantined == []
    recording.close()
    totals = sent.totals
    return {"ids": len(ids), "events": totals.events, "violations": totals.violations}, ids


def test_moved_lines_are_still_what_they_were(lines: list[bytes]) -> None:
    for raw in lines[:200] + lines[-200:]:
        line: Any = orjson.loads(raw)
        moved = shifted(line, mover(0, 1_000, 1.0), "-1")
        assert len(list(log_entries(moved))) == len(list(log_entries(line)))


@pytest.mark.e2e
def test_it_can_be_cut_again_from_its_trace(alpha: Path, tmp_path: Path) -> None:
    """The file in the project is what the script makes."""
    out = tmp_path / "again.jsonl.gz"
    command = [sys.executable, "samples/cut.py", str(alpha), "1795384650", "1795384926", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    assert gzip.decompress(out.read_bytes()) == gzip.decompress(SAMPLE.read_bytes())
