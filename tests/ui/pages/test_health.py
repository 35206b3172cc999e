"""The page of health."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.errors import StoreError
from storage.batches import BusState, Gap, Member
from tests.ui.drawn import has_part, part, said, texts_of
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    run_page,
    source_state,
    store_health,
)
from ui.server import status
from ui.server.status import ChildState, ChildStatus

KINDS = (("rate-limiting", "exceeded", 40), ("crud", "services.updated", 2))


class ScriptedServer:
    """What the page asks of the running server."""

    def collector(self) -> ChildStatus:
        """The collector."""
        return ChildStatus(state=ChildState.RUNNING, pid=7)

    def sample(self) -> ChildStatus:
        """The sample's collector."""
        return ChildStatus(state=ChildState.OFF)

    def play_sample(self) -> None:
        """Nothing to play."""

    def stop_sample(self) -> None:
        """Nothing to stop."""


@pytest.fixture(autouse=True)
def _server() -> Any:
    status.publish(ScriptedServer())
    yield
    status.publish(None)


def drawn(query: str, **answers: Any) -> AppTest:
    given: dict[str, Any] = {
        "freshness": live_freshness(collector=collector_status(commit_p99_ms=4.2)),
        "health": store_health(events=42, kinds=KINDS, distinct={"consumer": 9, "ip": 61}),
        "kind_counts": KINDS[:1],
    }
    page = run_page("health", ScriptedReader(**(given | answers)), query)
    assert not page.exception
    return page


once = functools.cache(drawn)
"""The page as it normally is; nothing is clicked on it."""


def run(query: str = "", **answers: Any) -> AppTest:
    return drawn(query, **answers) if answers else once(query)


def test_when_all_is_well_the_page_says_so_and_what_was_checked() -> None:
    text = said(run())

    assert "✓ All is well: what you see is all there is." in text
    assert "Checked: the collector answers and can store;" in text


def test_a_problem_stands_above_everything_with_what_to_do() -> None:
    gap = Gap(source="gw-1", from_ms=NOW_MS - 90_000, to_ms=NOW_MS, cause="sender dropped 12")
    text = said(run(gaps=(gap,)))

    assert "1 thing is wrong. What you see may not be all there is." in text
    assert "1 gap in this span, 1 min 30 s together: sender dropped 12." in text
    assert "All is well" not in text


def test_the_numbers_tell_of_the_collector_and_the_store() -> None:
    numbers = part(run(), "numbers", "gw-numbers")["numbers"]
    shown = {number["label"]: (number["value"], number["note"]) for number in numbers}

    assert shown["Collector"] == ("● ok", "up 1 d, version 0.1.0")
    assert shown["Commits take"] == ("4.2 ms", "or less, 99 of 100")
    assert shown["Queue"] == ("0", "batches, of 64")
    assert shown["Events stored"][0] == "42"
    assert numbers[-2]["href"] == "/events?tab=gaps"


def test_a_collector_that_is_silent_is_not_shown_as_ok() -> None:
    page = run(freshness=live_freshness(collector=collector_status(beat_ms=NOW_MS - 60_000)))

    number = part(page, "numbers", "gw-numbers")["numbers"][0]

    assert (number["value"], number["tone"]) == ("silent", "critical")


def test_senders_are_listed_with_their_age_and_their_troubles() -> None:
    source = source_state(hostname="kong-a", gaps=2, duplicates=17, quarantined=1)
    table = part(run(freshness=live_freshness(sources=(source,))), "table", "gw-sources")

    assert texts_of(table)[0][:3] == ["kong-a", "● connected", "stream"]
    assert texts_of(table)[0][5:] == ["0.5 s", "1,000", "20,000", "17", "1", "2", "1,000"]
    assert [cell.get("tone") for cell in table["rows"][0]["cells"][9:11]] == ["high", "high"]


def test_what_is_kept_comes_from_the_settings() -> None:
    table = part(run(), "table", "gw-retention")

    assert texts_of(table)[1] == ["Events one by one, with their JSON", "90 days", "events_days"]


def test_kinds_are_counted_for_the_span_and_ever() -> None:
    table = part(run(), "table", "gw-kinds")

    assert texts_of(table) == [
        ["rate limiting", "exceeded", "40", "40"],
        ["configuration", "services.updated", "0", "2"],
    ]
    assert table["rows"][1]["h"] == "/events?kind=crud&name=services.updated"


def test_the_store_tells_of_itself() -> None:
    rows = dict(texts_of(part(run(), "table", "gw-store")))

    assert rows["Distinct addresses"] == "61"
    assert rows["Oldest event"] == "none"


def test_an_empty_store_is_not_well_and_shows_how_to_connect() -> None:
    page = run_page("health", ScriptedReader(freshness=NO_FRESHNESS))

    assert not page.exception
    assert "No collector has ever written to this database" in said(page)
    assert "Nothing has been received yet" in said(page)


def test_a_database_that_cannot_be_read_still_tells_of_the_collector() -> None:
    page = run_page("health", ScriptedReader(freshness=StoreError("file is not a database")))

    assert "The database cannot be read: file is not a database" in said(page)
    assert "● running, started here" in said(page)
    assert not has_part(page, "numbers", "gw-numbers")


def test_no_filter_applies_to_health() -> None:
    page = run("consumer=acme")

    assert not [button for button in page.button if button.key == "gw-clear"]


def member(name: str, **changes: Any) -> Member:
    given: dict[str, Any] = {
        "member": name,
        "role": "writer",
        "beat_ms": NOW_MS - 1_000,
        "started_ms": NOW_MS - 60_000,
        "version": "1",
        "state": "ok",
    }
    return Member(**(given | changes))


BUS = BusState(
    url="nats://a:4222", is_connected=True, waiting=3, in_hand=2, redelivered=1, dead=0, replicas=3,
    replicas_current=3, leader="n1", is_synced=True,
)  # fmt: skip


def test_on_one_machine_there_are_no_processes_to_tell_apart() -> None:
    freshness = live_freshness(members=(member("gw:1", beat_ms=NOW_MS - 99_000), member("gw:2")))

    text = said(run("", freshness=freshness))

    assert "Processes" not in text


def test_a_deployment_shows_who_there_is_and_the_bus() -> None:
    taker = member("a:1", role="collector", bus=BUS, listens="ws=:8765 http=:8766")
    freshness = live_freshness(members=(taker, member("b:2", is_on_duty=True, bus=BUS)))

    page = run("", freshness=freshness)

    assert "#### Processes" in said(page)
    processes = texts_of(part(page, "table", "gw-processes"))
    assert [row[:4] for row in processes] == [
        ["a:1", "collector", "● ok", None],
        ["b:2", "writer", "● ok", "● on duty"],
    ]
    facts = {row[0]: row[1] for row in texts_of(part(page, "table", "gw-bus"))}
    assert facts["Replicas"] == "3 of 3 have all of it"
    assert facts["Writes to disk"] == "before it acknowledges"
    assert facts["Waiting for a writer"] == "3"


def test_what_waits_on_a_collectors_disk_is_said_first() -> None:
    away = BusState(url="nats://a:4222", is_connected=False, problem="no servers available", spooled=12)
    freshness = live_freshness(members=(member("a:1", role="collector", bus=away),))

    text = said(run("", freshness=freshness))

    assert "The bus nats://a:4222 does not answer: no servers available" in text
    assert "12 messages of a:1 wait on its own disk." in text
