"""`python -m collector erase`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.__main__ import main
from collector.claim import DatabaseClaim
from tests.storage.filling import one, opened, put, refusal, request

IP = "203.0.113.7"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "g.db"
    with opened(found) as store:
        put(store, refusal(1), request(2), refusal(3, ip="198.51.100.1", consumer_id="c-2", consumer="other"))
    return found


def test_without_yes_it_says_what_would_go_and_changes_nothing(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["erase", "--database", str(path), "--ip", IP])

    said = capsys.readouterr().out
    assert status == 1
    assert said.startswith("would erase 1 events, 0 payloads, 1 rows that mention it; totals stay")
    assert one(path, "SELECT count(*) FROM events") == 2


@pytest.mark.parametrize(
    ("option", "text"),
    [("--ip", IP), ("--consumer", "c-1"), ("--consumer", "acme")],
    ids=["ip", "id", "name"],
)
def test_with_yes_it_is_gone_and_copies_are_named(
    path: Path, capsys: pytest.CaptureFixture[str], option: str, text: str
) -> None:
    copy = path.with_name("g.db.schema-1")
    copy.write_bytes(b"")

    status = main(["erase", "--database", str(path), option, text, "--yes"])

    said = capsys.readouterr().out
    assert status == 0
    assert re.match(
        r"erased 1 events, 0 payloads, \d rows that mention it; totals stay, under a marker\n", said
    )
    assert said.endswith(f"not touched, and may hold it still: {copy}\n")
    assert text.encode() not in path.read_bytes()
    assert one(path, "SELECT sum(limited) FROM activity WHERE res = 3 AND dim = 0") == 2


def test_under_a_running_collector_nothing_is_erased(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with DatabaseClaim(str(path)):
        status = main(["erase", "--database", str(path), "--ip", IP, "--yes"])

    assert status == 2
    assert "another collector" in capsys.readouterr().err
    assert one(path, "SELECT count(*) FROM events") == 2


def test_a_subject_has_to_be_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["erase", "--database", str(path), "--yes"])
    assert "one of the arguments --ip --consumer is required" in capsys.readouterr().err
