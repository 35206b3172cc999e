from __future__ import annotations

from typing import Any

from domain.windows import DAY_MS
from storage.node_rows import NodeRow, Nodes
from tests.ui.scripted_reader import NOW_MS
from ui.server.node_line import MOST_SHOWN, node_line


def node(name: str, state: str = "live", **changes: Any) -> NodeRow:
    values: dict[str, Any] = {
        "node": f"id-of-{name}",
        "hostname": name,
        "version": "3.9.1",
        "role": "traditional",
        "state": state,
        "since_ms": NOW_MS - 5_000,
        "reason": "heartbeat",
        "first_seen_ms": NOW_MS - DAY_MS,
        "last_seen_ms": NOW_MS - 800,
        "feeds": (),
        "place": None,
        "control_plane": None,
        "config_hash": None,
        "expected_hash": None,
        "fleet_nodes": 0,
        "complaint": None,
        "restarts": 0,
        "started_ms": None,
        "replaces": None,
        "replaced_by": None,
        "is_place_only": False,
        "facts": {},
    }
    return NodeRow(**(values | changes))


def known(*rows: NodeRow) -> Nodes:
    return Nodes(rows=rows, watched_until_ms=NOW_MS, is_watched=True)


def test_no_node_no_line() -> None:
    assert node_line(known(), NOW_MS) is None


def test_a_state_is_an_icon_and_a_word_and_a_tone() -> None:
    line = node_line(known(node("gw-3", "lost"), node("gw-1")), NOW_MS)

    assert line is not None
    assert [(n["name"], n["state"], n["tone"]) for n in line["nodes"]] == [
        ("gw-3", "✕ Lost", "critical"),
        ("gw-1", "● Live", ""),
    ]
    assert line["nodes"][1]["last_ms"] == NOW_MS - 800


def test_nodes_that_are_history_are_left_out() -> None:
    old = node("gw-0", "lost", last_seen_ms=NOW_MS - 3 * DAY_MS)
    replaced = node("gw-1", "lost", replaced_by="id-of-gw-2")

    assert node_line(known(old, replaced), NOW_MS) is None


def test_more_than_fit_are_counted() -> None:
    line = node_line(known(*(node(f"gw-{n}") for n in range(MOST_SHOWN + 3))), NOW_MS)

    assert line is not None
    assert (len(line["nodes"]), line["more"]) == (MOST_SHOWN, 3)


def test_names_of_nodes_are_shown_harmlessly() -> None:
    line = node_line(known(node("gw\u202e1", reason="<b>\n")), NOW_MS)

    assert line is not None
    assert (line["nodes"][0]["name"], line["nodes"][0]["reason"]) == ("gw\\u202e1", "<b>\\n")
