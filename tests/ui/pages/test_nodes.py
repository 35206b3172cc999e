"""The page of all nodes and of one."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from streamlit.testing.v1 import AppTest

from domain.errors import StoreError
from storage.node_rows import TargetRow, Targets
from storage.rows import Marker
from tests.ui.drawn import has_part, part, said, texts_of, titles_of
from tests.ui.node_rows import HASH_A, HASH_B, S, feed, node_row, nodes, span
from tests.ui.scripted_reader import NO_FRESHNESS, NOW_MS, ScriptedReader, live_freshness, run_page

LIVE = node_row(
    facts={"plugin_version": "0.1.0", "queue_events": 7, "queue_bytes": 900, "dropped": {"cache": 3}}
)
LATE = node_row("gw-2", "late", last_seen_ms=NOW_MS - 41 * S)
HISTORY = (span("id-gw-1", 3_600, 0), span("id-gw-2", 600, 20), span("id-gw-2", 20, 0, "late"))


def run(query: str = "", *rows: Any, **answers: Any) -> AppTest:
    given: dict[str, Any] = {
        "freshness": live_freshness(),
        "nodes": nodes(*(rows or (LATE, LIVE))),
        "node_history": HISTORY,
    }
    page = run_page("nodes", ScriptedReader(**(given | answers)), query)
    assert not page.exception
    return page


@functools.cache
def usual() -> AppTest:
    """The page with one node live and one late, run once for all tests that only look at it."""
    return run()


def column(page: AppTest, title: str, key: str = "gw-nodes") -> list[str | None]:
    table = part(page, "table", key)
    place = titles_of(table).index(title)
    return [row[place] for row in texts_of(table)]


def test_the_page_says_in_one_sentence_how_the_fleet_is() -> None:
    assert "1 of 2 nodes live: 1 late" in said(usual())


def test_each_node_is_a_row_with_icon_word_and_ages_and_leads_to_its_page() -> None:
    page = usual()

    assert column(page, "State") == ["◐ Late", "● Live"]
    assert column(page, "Last sign") == ["41 s", "2.0 s"]
    assert column(page, "Remarks")[0] == "because gw-2 is late"
    rows = part(page, "table", "gw-nodes")["rows"]
    assert rows[0]["h"] == "/nodes?of=id-gw-2"
    assert rows[0]["cells"][0]["tone"] == "high"


def test_what_the_plugin_holds_and_dropped_is_told_and_unknown_where_none_tells() -> None:
    page = usual()
    numbers = {n["label"]: n for n in part(page, "numbers", "gw-numbers")["numbers"]}

    assert column(page, "Held") == [None, "7"]
    assert column(page, "Dropped") == [None, "3"]
    assert (numbers["Held by plugins"]["value"], numbers["Dropped by plugins"]["value"]) == ("7", "3")
    without = {n["label"]: n["value"] for n in part(run("", LATE), "numbers", "gw-numbers")["numbers"]}
    assert without["Held by plugins"] == "unknown"


def test_a_sign_a_moment_ahead_of_the_page_is_no_sign_of_the_future() -> None:
    page = run("", node_row(last_seen_ms=NOW_MS + 40))

    numbers = {n["label"]: n["value"] for n in part(page, "numbers", "gw-numbers")["numbers"]}
    assert numbers["Last sign"] == "0.0 s ago"


def test_columns_that_say_nothing_are_left_out() -> None:
    assert "Certificate" not in titles_of(part(usual(), "table", "gw-nodes"))
    certified = node_row(facts={"certificate_expires_ms": NOW_MS + 5 * 86_400_000})
    assert column(run("", certified), "Certificate") == ["▲ 5 d left"]


def test_a_configuration_that_differs_is_named_with_that_of_the_fleet() -> None:
    odd = node_row(state="drifted", config_hash=HASH_A, expected_hash=HASH_B, fleet_nodes=3)

    cell = part(run("", odd), "table", "gw-nodes")["rows"][0]["cells"]

    (config,) = [found for found in cell if found.get("t") == "≠ aaaaaaaa"]
    assert (config["n"], config["tone"]) == ("fleet has bbbbbbbb", "high")


def test_where_nobody_watches_the_page_says_until_when_somebody_did() -> None:
    page = run("", nodes=nodes(node_row(state="unknown"), is_watched=False))

    assert "Nobody watches the nodes" in said(page)
    assert "0 of 1 node live: 1 unknown" in said(page)


def test_history_and_marks_are_drawn_with_icon_and_word() -> None:
    mark = Marker(at_ms=NOW_MS - 60 * S, to_ms=None, kind="node", text="gw-2 lost")

    figure = part(run(markers=(mark,)), "chart", "gw-strip")["figure"]

    names = [trace["name"] for trace in figure["data"]]
    assert names[:2] == ["● Live", "◐ Late"]
    assert "node or target" in names
    assert figure["layout"]["yaxis"]["ticktext"] == ["gw-2", "gw-1"]


def test_targets_are_listed_as_each_node_sees_them() -> None:
    rows = tuple(
        TargetRow(
            node=node,
            upstream="orders",
            target="10.0.0.1:80",
            health=health,
            since_ms=NOW_MS - 30 * S,
            first_ms=NOW_MS - 30 * S,
            confirmed_ms=NOW_MS,
        )
        for node, health in (("id-gw-1", "unhealthy"), ("id-gw-2", "healthy"))
    )

    page = run(target_health=Targets(now=rows, changes=(), is_cut=True))

    assert texts_of(part(page, "table", "gw-target-rows")) == [
        ["orders", "10.0.0.1:80", "gw-1", "✕ unhealthy", "30 s", "0"],
        ["orders", "10.0.0.1:80", "gw-2", "? unknown", "30 s", "0"],
    ]
    assert "the newest are" in said(page)


def test_former_nodes_are_apart_and_not_counted() -> None:
    old = node_row("gw-0", "lost", replaced_by="id-gw-1")

    page = run("", LIVE, old)

    assert "The one node known is live" in said(page)
    assert column(page, "Node", "gw-former") == ["gw-0"]


def test_one_node_is_shown_by_id_or_host_with_its_feeds_facts_and_states() -> None:
    late = node_row(
        "gw-2", "late", feeds=(feed(age_s=41, problem="its stream is closed"), feed("events", 50))
    )

    for token in ("id-gw-2", "gw-2"):
        page = run(f"of={token}", late, LIVE)
        assert "gw-2: ◐ Late for 1 min" in said(page)
        assert texts_of(part(page, "table", "gw-feeds-id-gw-2"))[0] == [
            "heartbeat of the plugin",
            "41 s",
            "late after 30 s, lost after 90 s",
            "its stream is closed",
        ]
        facts = {row[0]: row[1] for row in texts_of(part(page, "table", "gw-facts-id-gw-2"))}
        assert (facts["Id"], facts["Version"], facts["Plugin"]) == ("id-gw-2", "3.9.3", "none that tells")
        assert texts_of(part(page, "table", "gw-states-id-gw-2"))[0][1:] == ["◐ Late", "20 s", "it was late"]


def test_a_node_that_nobody_knows_is_said_and_all_are_shown() -> None:
    page = run("of=gw-9")

    assert "No node is called gw-9." in said(page)
    assert has_part(page, "table", "gw-nodes")


PAST = f"from={NOW_MS - 200 * S}&to={NOW_MS - 100 * S}"
THEN = (span("id-gw-1", 200, 150), span("id-gw-1", 150, 130, "late"), span("id-gw-1", 130, 100))


@functools.cache
def past() -> AppTest:
    """Nodes that are not heard any more today, over a span in which they were."""
    gone = node_row("gw-1", "unknown", last_seen_ms=NOW_MS - 110 * S, facts={"queue_events": 7})
    later = node_row("gw-9", "lost")
    target = TargetRow(
        node="id-gw-1", upstream="orders", target="10.0.0.1:80", health="unhealthy",
        since_ms=NOW_MS - 10 * S, first_ms=NOW_MS - 900 * S, confirmed_ms=NOW_MS,
    )  # fmt: skip
    new = msgspec.structs.replace(target, target="10.0.0.2:80", first_ms=NOW_MS - 10 * S)
    targets = Targets(now=(target, new), changes=(), is_cut=False)
    return run(PAST, gone, later, node_history=THEN, target_health=targets)


def test_a_span_that_is_over_shows_the_fleet_as_it_was_at_its_end() -> None:
    page = past()

    assert "the one node known is live" in said(page)
    assert "As of 2" in said(page)
    assert column(page, "State at the end") == ["● Live"]
    assert (column(page, "Worst"), column(page, "There")) == (["◐ Late"], ["80 %"])
    numbers = {n["label"]: n["value"] for n in part(page, "numbers", "gw-numbers")["numbers"]}
    assert (numbers["Live"], numbers["Lost"]) == ("1 of 1", "0")
    assert "Held by plugins" not in numbers


def test_the_history_of_a_span_that_is_over_is_drawn() -> None:
    figure = part(past(), "chart", "gw-strip")["figure"]

    assert [trace["name"] for trace in figure["data"]] == ["● Live", "◐ Late"]


def test_targets_of_a_span_that_is_over_have_the_health_of_then() -> None:
    assert texts_of(part(past(), "table", "gw-target-rows")) == [
        ["orders", "10.0.0.1:80", "gw-1", "● healthy", "30 s", "0"]
    ]


def test_one_node_over_a_span_that_is_over_has_its_states_and_nothing_of_today() -> None:
    page = run(f"{PAST}&of=gw-1", node_row("gw-1", "unknown"), node_history=THEN)

    assert "gw-1: ● Live, as of" in said(page)
    assert [row[1] for row in texts_of(part(page, "table", "gw-states-id-gw-1"))] == [
        "● Live", "◐ Late", "● Live"
    ]  # fmt: skip
    assert not has_part(page, "table", "gw-feeds-id-gw-1")


def test_a_span_of_which_nothing_is_known_says_so() -> None:
    page = run(PAST, LIVE, node_history=())

    assert "no node is known to have been there" in said(page)
    assert not has_part(page, "numbers", "gw-numbers")


def test_without_nodes_the_page_says_how_they_become_known() -> None:
    page = run_page("nodes", ScriptedReader(freshness=NO_FRESHNESS))

    assert not page.exception
    assert "No node is known yet" in said(page)


def test_a_store_that_cannot_be_read_is_a_box_and_no_calm_page() -> None:
    page = run(nodes=StoreError("disk I/O error"))

    assert "disk I/O error" in said(page)
    assert not has_part(page, "table", "gw-nodes")


def test_names_from_the_wire_are_shown_letter_by_letter() -> None:
    page = run("", node_row("<b>[x](y)", "lost", reason="$x$ <script>"))

    assert column(page, "Node") == ["<b>[x](y)"]
    assert column(page, "Remarks") == ["$x$ <script>"]
