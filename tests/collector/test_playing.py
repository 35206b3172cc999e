from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from rich.progress import Progress

from collector.playing import Line, Player, Totals, tell_end, teller
from collector.recording import Recording

NOW_MS = 1_900_000_000_000
AT_S = 1_795_384_634


def lines_of(tmp_path: Path, player: Player, *values: Any, after: int = 0) -> list[Line]:
    raws = [value if isinstance(value, bytes) else orjson.dumps(value) for value in values]
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(raws))
    recording = Recording(tmp_path / "r.jsonl")
    try:
        return list(player.lines(recording, after))
    finally:
        recording.close()


def player(pace: float | None = None, start_ms: int | None = None) -> Player:
    return Player(pace, start_ms, lambda: NOW_MS)


def test_the_last_line_has_the_form_that_was_promised() -> None:
    totals = Totals(entries=5, events=4, violations=3, duplicates=2, quarantined=1)

    assert str(totals) == "replayed 5 entries: 4 events, 3 violations, 2 duplicates, 1 quarantined"


def test_lines_keep_their_numbers_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    found = lines_of(tmp_path, player(), {"ts": AT_S}, b"", {"ts": AT_S + 1})

    assert [(line.number, line.received_ms) for line in found] == [
        (1, AT_S * 1000),
        (3, AT_S * 1000 + 1000),
    ]
    assert len({line.place for line in found}) == 2


def test_lines_that_were_played_before_are_left_out(tmp_path: Path) -> None:
    assert [line.number for line in lines_of(tmp_path, player(), {"a": 1}, {"a": 2}, {"a": 3}, after=2)] == [
        3
    ]


def test_a_line_that_names_no_moment_was_received_now(tmp_path: Path) -> None:
    found = lines_of(tmp_path, player(), {"consumer": "x"}, b"not json")

    assert [(line.received_ms, line.at_s) for line in found] == [(NOW_MS, 0.0), (NOW_MS, 0.0)]
    assert [line.value for line in found] == [{"consumer": "x"}, None]


def test_without_a_pace_everything_is_due_at_once(tmp_path: Path) -> None:
    assert [line.at_s for line in lines_of(tmp_path, player(), {"ts": AT_S}, {"ts": AT_S + 60})] == [0.0, 0.0]


def test_with_a_pace_lines_are_due_as_they_happened(tmp_path: Path) -> None:
    found = lines_of(tmp_path, player(pace=10.0), {"ts": AT_S}, {"ts": AT_S + 60})

    assert [line.at_s for line in found] == [0.0, 6.0]
    assert [line.received_ms for line in found] == [AT_S * 1000, (AT_S + 60) * 1000]


def test_moved_lines_happen_from_now_on_and_say_which_run_they_are_of(tmp_path: Path) -> None:
    moving = player(pace=10.0, start_ms=NOW_MS)
    found = lines_of(tmp_path, moving, {"ts": AT_S}, {"ts": AT_S + 60})

    assert [line.received_ms for line in found] == [NOW_MS, NOW_MS + 6_000]
    assert [orjson.loads(line.raw) for line in found] == [line.value for line in found]
    assert {line.run for line in found} == {f"-{NOW_MS:x}"}
    assert moving.run == f":{NOW_MS:x}"


def test_moved_lines_go_as_they_happened_unless_a_pace_says_otherwise() -> None:
    assert (player(start_ms=NOW_MS).pace, player().pace, player(pace=3.0, start_ms=NOW_MS).pace) == (
        1.0,
        None,
        3.0,
    )


def test_a_run_that_moves_nothing_has_no_name(tmp_path: Path) -> None:
    moving = player()

    assert (moving.run, lines_of(tmp_path, moving, {"ts": AT_S})[0].run) == ("", "")


@pytest.mark.parametrize(("is_done", "completed"), [(True, 12), (False, 0)])
def test_the_bar_ends_where_reading_ended(tmp_path: Path, is_done: bool, completed: int) -> None:  # noqa: FBT001 - drawn
    (tmp_path / "r.jsonl").write_bytes(b'{"ts": 1234}')
    recording = Recording(tmp_path / "r.jsonl")
    progress = Progress(console=Console(file=io.StringIO()))
    task = progress.add_task("r", total=recording.bytes)

    teller(progress, task)(5)
    tell_end(progress, task, recording, is_done=is_done)

    assert progress.tasks[0].completed == completed
    recording.close()
