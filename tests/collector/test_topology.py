from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.__main__ import main
from collector.topology import problems
from storage.batches import BusState, CollectorStatus, Member
from tests.storage.filling import NOW_MS, opened

WELL = BusState(
    url="nats://a:4222", is_connected=True, waiting=0, in_hand=0, redelivered=0, dead=0, replicas=3,
    replicas_current=3, leader="n1", is_synced=True,
)  # fmt: skip


def member(name: str, **changes: Any) -> Member:
    given: dict[str, Any] = {
        "member": name,
        "role": "writer",
        "beat_ms": NOW_MS,
        "started_ms": 1,
        "version": "1",
        "state": "ok",
    }
    return Member(**(given | changes))


TWO = (member("a:1", is_on_duty=True), member("b:1"))


def found(members: tuple[Member, ...] = TWO, **bus: Any) -> list[str]:
    return list(problems(members, msgspec.structs.replace(WELL, **bus), NOW_MS, has_bus=True))


def test_two_writers_and_three_nodes_are_well() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("members", "bus", "told"),
    [
        (TWO[:1], {}, "1 writers are heard of, expected 2 or more"),
        ((*TWO, member("c:1", beat_ms=NOW_MS - 60_000)), {}, "writer c:1 was last heard 60 s ago"),
        ((*TWO, member("c:1", state="degraded", detail="full")), {}, "writer c:1 cannot go on: full"),
        ((*TWO, member("c:1", bus=msgspec.structs.replace(WELL, spooled=4))), {}, "4 messages of c:1"),
        ((TWO[1], member("c:1")), {}, "done by 0 processes, expected 1"),
        ((*TWO, member("c:1", is_on_duty=True)), {}, "done by 2 processes, expected 1"),
        (TWO, {"is_connected": False, "problem": "refused"}, "the bus does not answer: refused"),
        (TWO, {"problem": "a node is away"}, "the bus: a node is away"),
        (TWO, {"is_synced": None}, "whether the bus writes to disk first"),
        (TWO, {"replicas": 1, "replicas_current": 1}, "holds each message 1 times, expected 3"),
        (TWO, {"dead": 2}, "2 messages of the bus were laid aside"),
    ],
)
def test_what_keeps_it_from_losing_a_machine_is_said(
    members: tuple[Member, ...], bus: dict[str, Any], told: str
) -> None:
    (sentence,) = found(members, **bus)

    assert told in sentence


def test_a_process_that_was_stopped_in_good_order_is_no_problem() -> None:
    assert found((*TWO, member("c:1", state="stopping", beat_ms=NOW_MS - 60_000))) == []


def test_one_machine_is_shown_as_it_told_about_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = member("gw:7", role="collector", is_on_duty=True, listens="ws=127.0.0.1:8765")
    status = CollectorStatus(
        pid=7, version="1", started_ms=1, beat_ms=NOW_MS, ws="", http="", state="ok", detail="",
        members=(alone,),
    )  # fmt: skip
    with opened(tmp_path / "g.db") as store:
        store.beat(NOW_MS, status)

    main(["topology", "--database", str(tmp_path / "g.db")])

    told = capsys.readouterr().out
    assert f"database {tmp_path / 'g.db'}: schema " in told
    assert "collector gw:7: ok, on duty, version 1, ws=127.0.0.1:8765" in told


def test_a_database_that_does_not_answer_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "g.db").write_text("no database at all")

    status = main(["topology", "--database", str(tmp_path / "g.db")])

    assert status == 2
    assert "does not answer" in capsys.readouterr().err
