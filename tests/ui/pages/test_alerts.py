"""The page of alerts: what needs somebody, what can be done, and that every decision is checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from domain.detectors.findings import Severity
from domain.incident_flow import Move, What
from domain.incidents import Incident, State
from domain.rules import default_rules
from settings import Settings, load_settings
from storage.alert_book import AlertBook
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from storage.rows import EventPage, Series
from tests.blank_store import make_blank
from tests.ui.drawn import has_part, part, said, texts_of
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, run_page
from ui import alert_reads, store, viewer
from ui.exposure import Login

SERIES = Series(from_ms=NOW_MS - 600_000, bucket_ms=10_000, buckets=60, groups=(), requests=(3,) * 60)
READER = ScriptedReader(
    freshness=live_freshness(),
    markers=(),
    series=SERIES,
    breakdown=(),
    events=EventPage(rows=(), next_seq=None, total=0),
)
HOSTILE = "<b>x</b> [a](http://evil) :smile:"


def incident(name: str, severity: Severity = Severity.HIGH, *, ago_ms: int = 60_000) -> Incident:
    return Incident(
        fingerprint=f"leak|consumer|{name}", rule="shared_or_leaked_key", detector="shared_or_leaked_key",
        shape="one_key_many_addresses", severity=severity, entity_type="consumer", entity_id=name,
        entity=name,
        opened_ms=NOW_MS - ago_ms, from_ms=NOW_MS - ago_ms - 10_000, last_ms=NOW_MS - 1_000, count=417,
        why=f"{name}'s key was used from 12 addresses", actors=(("consumer", name),),
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = load_settings({"database": str(tmp_path / "g.db")}, {})
    make_blank(Path(made.database))
    with alert_reads.using(made):
        yield made


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A critical, a high and an informational incident; the shipped rules; an evaluation that keeps up."""
    book = AlertBook(settings.database)
    book.ship_rules([(r.id, msgspec.json.encode(r).decode()) for r in default_rules()], NOW_MS - 86_400_000)
    found = [
        incident(HOSTILE, ago_ms=120_000),
        incident("acme", Severity.CRITICAL),
        incident("calm", Severity.INFORMATION),
    ]
    book.apply([Move(What.OPENED, i.opened_ms, None, i) for i in found], lambda _: (), lambda _: (), {})
    book.remember({}, {"at_ms": NOW_MS, "evaluated_ms": NOW_MS - 5_000, "failures": {}, "left_out": {}})
    book.close()
    return settings


@pytest.fixture
def ana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.components.proposals.find_viewer", lambda: viewer.Viewer("ana", Login.OIDC))


def again(page: AppTest) -> AppTest:
    with store.using(lambda _: READER, lambda: NOW_MS):
        return page.run()


def stored(settings: Settings, number: int) -> Incident:
    reader = AlertsReader(settings.database, 5_000)
    found = reader.incident(number)
    reader.close()
    assert found is not None
    return found.incident


@pytest.mark.usefixtures("settings")
def test_a_database_that_was_never_evaluated_says_so_and_is_not_calm() -> None:
    page = run_page("alerts", READER)

    assert not page.exception
    assert "has not run on this database yet" in said(page)


@pytest.mark.usefixtures("filled", "ana")
def test_the_worst_comes_first_and_is_shown_with_what_to_do() -> None:
    page = run_page("alerts", READER)

    assert not page.exception
    queue = texts_of(part(page, "table", "gw-queue"))
    assert [row[1] for row in queue] == ["acme", HOSTILE]
    assert "acme's key was used from 12 addresses" in said(page)
    assert "Rotate the key with the owner" in said(page)
    assert has_part(page, "table", "gw-alert-history")


@pytest.mark.usefixtures("filled", "ana")
def test_names_from_the_wire_are_only_text() -> None:
    page = run_page("alerts", READER, "of=1")

    assert not page.exception
    raw = "\n".join(m.value for m in page.markdown)
    assert "<b>" not in raw
    assert "[a](http" not in raw


@pytest.mark.usefixtures("ana")
def test_acknowledging_takes_it(filled: Settings) -> None:
    page = run_page("alerts", READER, "of=2")
    page.text_input(key="gw-note-2").set_value("on it")
    page = again(page)
    page.button(key="gw-ack").click()
    page = again(page)

    assert (stored(filled, 2).state, stored(filled, 2).assignee) == (State.ACKNOWLEDGED, "ana")
    assert page.button(key="gw-ack").disabled


@pytest.mark.usefixtures("ana")
def test_who_is_too_late_is_told(filled: Settings) -> None:
    page = run_page("alerts", READER, "of=2")
    with Decisions(filled.database) as decisions:
        decisions.acknowledge(2, State.OPEN, "ben", NOW_MS)

    page.button(key="gw-ack").click()
    page = again(page)

    assert "was open and is acknowledged now" in page.toast[0].value.replace("\\", "")
    assert stored(filled, 2).assignee == "ben"


@pytest.mark.usefixtures("filled")
def test_without_a_name_nothing_can_be_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.components.proposals.find_viewer", lambda: None)

    page = run_page("alerts", READER, "of=2")

    assert page.button(key="gw-ack").disabled
    assert "a decision needs a name" in said(page)


@pytest.mark.usefixtures("ana")
def test_a_verdict_needs_a_reason(filled: Settings) -> None:
    page = run_page("alerts", READER, "of=2")
    assert page.button(key="gw-verdict-go").disabled
    page.text_input(key="gw-reason-2").set_value("the owner moved to another cloud")
    page = again(page)
    page.button(key="gw-verdict-go").click()
    again(page)

    assert stored(filled, 2).state is State.RESOLVED
    assert stored(filled, 2).closed_by == "ana"


@pytest.mark.usefixtures("ana")
def test_a_silence_says_what_it_would_mute_before_it_is_made(filled: Settings) -> None:
    page = run_page("alerts", READER, "of=2")
    page.radio(key="gw-silence-2-scope").set_value("This rule for everybody")
    page.text_input(key="gw-silence-2-reason").set_value("load test")
    page = again(page)
    assert "Mutes 2 open alerts now." in said(page)
    page.button(key="gw-silence-2-go").click()
    page = again(page)

    reader = AlertsReader(filled.database, 5_000)
    (silence,) = reader.silences(NOW_MS)
    reader.close()
    assert (silence.silence.author, silence.silence.reason) == ("ana", "load test")


@pytest.mark.usefixtures("ana")
def test_a_rule_is_compared_before_it_is_saved_as_a_new_version(filled: Settings) -> None:
    page = run_page("alerts", READER, "part=rules&rule=shared_or_leaked_key")
    assert not page.exception
    assert page.button(key="gw-save-rule").disabled
    page.number_input(key="gw-rule-shared_or_leaked_key-addresses").set_value(9)
    page.text_input(key="gw-rule-note-shared_or_leaked_key").set_value("fleets")
    page = again(page)
    assert "addresses**: 5" in said(page)
    page.button(key="gw-save-rule").click()
    again(page)

    reader = AlertsReader(filled.database, 5_000)
    versions = reader.rule_versions("shared_or_leaked_key")
    reader.close()
    assert [(v.version, v.author, v.note) for v in versions] == [
        (2, "ana", "fleets"),
        (1, "gatewatch", "shipped"),
    ]


@pytest.mark.usefixtures("filled", "ana")
def test_a_number_out_of_bounds_is_named_and_cannot_be_saved() -> None:
    page = run_page("alerts", READER, "part=rules&rule=shared_or_leaked_key")
    page.number_input(key="gw-rule-shared_or_leaked_key-addresses").set_value(0)
    page.text_input(key="gw-rule-note-shared_or_leaked_key").set_value("x")
    page = again(page)

    assert "addresses is 0, expected 2 to 1000 addresses" in said(page)
    assert page.button(key="gw-save-rule").disabled


@pytest.mark.usefixtures("filled", "ana")
@pytest.mark.parametrize(
    "query", ["part=silences", "part=notifications", "show=past&range=24h", "show=mine", "of=999"]
)
def test_every_part_draws(query: str) -> None:
    page = run_page("alerts", READER, query)

    assert not page.exception


@pytest.mark.usefixtures("settings")
def test_the_recording_can_be_looked_at_and_not_decided() -> None:
    page = run_page("alerts", READER, "sample=1", sample=READER)

    assert not page.exception


OLD_SPAN = "from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z"


@pytest.mark.usefixtures("filled", "ana")
def test_the_queue_is_of_now_whatever_span_the_address_holds() -> None:
    deaf = ScriptedReader(
        freshness=live_freshness(collector=None, last_received_ms=NOW_MS - 3_600_000, last_beat_ms=None),
        markers=(), series=SERIES, breakdown=(), events=EventPage(rows=(), next_seq=None, total=0),
    )  # fmt: skip

    queue = run_page("alerts", deaf, OLD_SPAN)
    past = run_page("alerts", deaf, OLD_SPAN + "&show=past")

    assert "gw-range" not in [box.key for box in queue.selectbox]
    assert any("What is shown is as of" in box.value for box in queue.warning)
    assert "gw-range" in [box.key for box in past.selectbox]
    assert not any("What is shown is as of" in box.value for box in past.warning)
    assert queue.query_params["from"] == past.query_params["from"]


@pytest.mark.usefixtures("settings", "ana")
def test_an_empty_queue_says_now_and_no_span() -> None:
    page = run_page("alerts", READER, OLD_SPAN)

    assert "Nothing needs anybody now" in "\n".join(box.value for box in page.success)


@pytest.mark.usefixtures("settings", "ana")
def test_a_span_without_alerts_is_told_of_that_span() -> None:
    page = run_page("alerts", READER, OLD_SPAN + "&show=past")

    told = "\n".join(box.value for box in (*page.success, *page.info))
    assert "No alert was open from 2020" in told.replace("\\", "")


@pytest.mark.usefixtures("filled", "ana")
def test_the_chart_says_what_its_bars_are() -> None:
    page = run_page("alerts", READER, "of=2")

    assert "Bars: violations, and requests paler behind them. Shaded: this alert." in said(page)
