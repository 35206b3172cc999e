"""Evidence packs: what is in them, and that nothing in them can be altered unseen."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.wire.kong_events import decode_change
from domain.events import Decoded
from domain.filters import Filters
from domain.windows import Window
from settings import load_settings
from storage.alerts_reader import AlertsReader
from storage.batches import Batch
from storage.change_book import ChangeBook
from storage.changes_reader import ChangesReader
from storage.sqlite_reader import SqliteReader
from storage.sqlite_store import SqliteStore
from ui import evidence_check
from ui.evidence_pack import Pack, Sources, make_pack

NOW_MS = 1_795_384_800_000
LIMIT = {"id": "p", "name": "rate-limiting", "config": {"minute": 60}, "enabled": True}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pack]:
    settings = load_settings({"database": str(tmp_path_factory.mktemp("pack") / "g.db")}, {})
    decoded = Decoded()
    for minute in (600, 60, 5):
        event = {
            "operation": "update",
            "entity": {**LIMIT, "config": {"minute": minute}},
            "old_entity": {**LIMIT, "config": {"minute": minute * 2}},
        }
        decoded.events += decode_change(
            event, "t", collection="plugins", at_ms=NOW_MS - minute * 1000, run=f":{minute}"
        ).events
    store = SqliteStore(settings.database, settings)
    store.write([Batch(source="gw-1", way="stream", received_ms=NOW_MS, decoded=decoded)])
    store.close()
    with ChangeBook(settings.database) as book:
        book.ask("p1", "rollback", "ana", "too low", {"change": 3}, NOW_MS - 1_000)
    sources = Sources(
        reader=SqliteReader(settings.database, settings.query_deadline_ms),
        changes=ChangesReader(settings.database, settings.query_deadline_ms),
        alerts=AlertsReader(settings.database, settings.query_deadline_ms),
    )
    yield make_pack(sources, Window(NOW_MS - 3_600_000, NOW_MS), Filters(), "ana", NOW_MS)
    for source in (sources.reader, sources.changes, sources.alerts):
        source.close()


def files(pack: Pack) -> tuple[list[bytes], dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(pack.content)) as found:
        lines = found.read(evidence_check.TIMELINE).splitlines()
        return lines, json.loads(found.read(evidence_check.MANIFEST))


def test_a_pack_tells_the_span_in_order_and_is_whole(pack: Pack) -> None:
    lines, manifest = files(pack)
    entries = [json.loads(line) for line in lines]

    assert [e["kind"] for e in entries] == ["change", "change", "change", "decision"]
    assert "config.minute 1200 → 600" in entries[0]["says"]
    assert [e["at"] for e in entries] == sorted(e["at"] for e in entries)
    assert entries[2]["data"]["actor"]["how"] == "unknown"
    assert (manifest["entries"], manifest["head"], manifest["made_by"]) == (4, pack.head, "ana")
    assert manifest["left_out"] == []
    assert check(lines, manifest) == []
    assert check(lines, manifest, pack.head) == []


def check(lines: list[bytes], manifest: dict[str, Any], head: str | None = None) -> list[str]:
    return evidence_check.problems(b"\n".join(lines), json.dumps(manifest).encode(), head)


ALTERATIONS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a word": lambda lines: [lines[0].replace(b"600", b"900"), *lines[1:]],
    "left out": lambda lines: [lines[0], *lines[2:]],
    "the last left out": lambda lines: lines[:-1],
    "said twice": lambda lines: [*lines, lines[-1]],
    "another order": lambda lines: [lines[1], lines[0], *lines[2:]],
    "nothing at all": lambda _: [],
    "garbage": lambda lines: [*lines[:1], b"\xff{", *lines[2:]],
    "a number": lambda lines: [b"7", *lines[1:]],
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_whatever_is_altered_shows(pack: Pack, alter: Callable[[list[bytes]], list[bytes]]) -> None:
    lines, manifest = files(pack)

    assert check(alter(lines), manifest)


def test_a_whole_new_chain_shows_by_the_recorded_head(pack: Pack) -> None:
    lines, manifest = files(pack)
    forged = list(evidence_check.chained(json.loads(line) for line in lines[1:]))
    manifest |= {"entries": len(forged), "head": forged[-1]["chain"]}
    new = [json.dumps(entry).encode() for entry in forged]

    assert check(new, manifest) == []
    assert "this is another pack" in check(new, manifest, pack.head)[0]


def test_a_manifest_that_cannot_be_read_is_said(pack: Pack) -> None:
    lines, manifest = files(pack)

    assert "cannot be read" in evidence_check.problems(b"", b"{")[0]
    assert "of format other" in check(lines, manifest | {"format": "other"})[0]


def test_the_verifier_in_the_pack_needs_nothing_but_python(pack: Pack, tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(pack.content)
    with zipfile.ZipFile(file) as found:
        found.extract("verify.py", tmp_path)

    def verify(*arguments: str) -> tuple[int, str]:
        run = subprocess.run(
            [sys.executable, "-I", "verify.py", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout + run.stderr

    assert verify("pack.zip", "--head", pack.head) == (0, f"whole: 4 entries, head {pack.head}\n")
    assert verify("pack.zip", "--head", "0" * 64)[0] == 1
    assert verify("verify.py")[0] == 2
    assert verify()[0] == 2
