"""The pages of changes and of one change: what is shown, and what people can decide."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from collector.wire.changes import decode_change
from domain.admin_requests import AdminRequest, Plan, State, Step, plan_hash
from domain.errors import DeadlineExceeded
from domain.events import Decoded, EntitySeen
from domain.proposals import NOBODY_VOUCHED, OPEN_MS
from settings import Settings, load_settings
from storage.batches import Batch
from storage.change_book import ChangeBook
from storage.sqlite_store import SqliteStore
from tests.blank_store import make_blank
from tests.ui.drawn import has_part, part, said, texts_of
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, run_page, totals
from ui import alert_reads, change_reads, store, viewer
from ui.components.change_list import factor
from ui.exposure import Login

LIMIT = {
    "id": "bbddc4e6-b824-43df-a044-726c3dc17563", "name": "rate-limiting", "enabled": True,
    "service": {"id": "s1"}, "config": {"minute": 60},
}  # fmt: skip
HOSTILE = "<b>x</b> [a](http://evil.example) **b**"
STEP = Step(
    says="put plugin rate-limiting back as it was",
    entity_type="plugins",
    request=AdminRequest(method="PUT", path="/plugins/p", body={"config": {"minute": 60}}),
    before=State(path="/plugins/p", entity={"config": {"minute": 600}}),
    after=State(path="/plugins/p", entity={"config": {"minute": 60}}),
)
PLAN = Plan(steps=(STEP,), warnings=("look twice",))
READER = ScriptedReader(freshness=live_freshness(), totals=totals())


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    given = {"database": str(tmp_path / "g.db"), "change_url": "http://kong:8001", "approvers": "ana"}
    made = load_settings(given, {})
    make_blank(Path(made.database))
    with change_reads.using(made), alert_reads.using(made):
        yield made


@pytest.fixture
def ana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "find_viewer", lambda: viewer.Viewer("ana", Login.OIDC))
    monkeypatch.setattr("ui.components.proposals.find_viewer", lambda: viewer.Viewer("ana", Login.OIDC))
    monkeypatch.setattr("ui.components.proposals.login", lambda: Login.OIDC)


def told(settings: Settings, *changes: tuple[str, str, dict[str, Any], dict[str, Any] | None]) -> None:
    """Store (collection, operation, entity, old entity) as changes a minute apart."""
    decoded = Decoded(
        entities=[EntitySeen(entity_type="services", entity_id="s1", name="orders", at_ms=NOW_MS - 10**7)]
    )
    for number, (name, operation, entity, old) in enumerate(changes):
        event = {"operation": operation, "entity": entity, "old_entity": old}
        at_ms = NOW_MS - 3_600_000 + number * 60_000
        decoded.events += decode_change(event, "t", collection=name, at_ms=at_ms, run=f":{number}").events
    made = SqliteStore(settings.database, settings)
    made.write([Batch(source="gw-1", way="stream", received_ms=NOW_MS, decoded=decoded)])
    made.close()


def raised(settings: Settings) -> None:
    told(settings, ("plugins", "update", {**LIMIT, "config": {"minute": 600}}, LIMIT))


def proposed(settings: Settings, asked_by: str = "bob") -> str:
    """A proposal that waits; returns the hash of its plan."""
    shown = [
        {
            "says": STEP.says, "method": "PUT", "path": "/plugins/p", "body": {"config": {"minute": 60}},
            "fields": [{"path": "config.minute", "before": 600, "after": 60}],
        }
    ]  # fmt: skip
    digest = plan_hash(PLAN, "http://kong:8001")
    with ChangeBook(settings.database) as book:
        book.ask("p1", "rollback", asked_by, HOSTILE, {"change": 1}, NOW_MS - 5_000)
        book.planned(
            "p1",
            plan=PLAN,
            plan_hash=digest,
            target="http://kong:8001",
            shown=shown,
            at_ms=NOW_MS - 4_000,
            expires_ms=NOW_MS - 4_000 + OPEN_MS,
        )
    return digest


def state_of(settings: Settings) -> str:
    with ChangeBook(settings.database) as book:
        return book.get("p1").state


def again(page: AppTest) -> AppTest:
    """Run a page once more, with what was pressed."""
    with store.using(lambda _: READER, lambda: NOW_MS):
        return page.run()


def button(page: AppTest, key: str) -> Any:
    return page.button(key=key)


@pytest.mark.usefixtures("settings")
def test_no_change_is_quiet_and_says_that_we_could_see() -> None:
    page = run_page("changes", READER)

    assert not page.exception
    assert "No change of Kong's configuration" in said(page)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, ("unknown", "Kong is not asked")), ({"admin_url": "http://kong:8001"}, ("0", "told by nobody"))],
    ids=["nobody reads Kong", "Kong is read"],
)
def test_no_drift_is_only_none_where_somebody_reads_kongs_configuration(
    tmp_path: Path, given: dict[str, str], expected: tuple[str, str]
) -> None:
    made = load_settings({"database": str(tmp_path / "g.db"), **given}, {})
    make_blank(Path(made.database))
    with change_reads.using(made), alert_reads.using(made):
        page = run_page("changes", READER)
        drift = run_page("changes", READER, "view=drift")

    numbers = {n["label"]: (n["value"], n["note"]) for n in part(page, "numbers", "gw-numbers")["numbers"]}
    assert numbers["Drift"] == expected
    assert numbers["Changes"] == ("0", "none seen in this span")
    assert ("admin_url" in said(drift)) == (not given)


def test_a_change_is_a_row_with_its_risk_its_actor_and_what_followed(settings: Settings) -> None:
    raised(settings)

    page = run_page("changes", READER)

    assert not page.exception
    [row] = texts_of(part(page, "table", "gw-change-list"))
    assert row[1:5] == [
        "rate-limiting on service orders: config.minute 60 → 600",
        "▲ limit raised",
        "unknown",
        "… not judged yet",
    ]


def test_only_what_was_asked_for_is_listed(settings: Settings) -> None:
    raised(settings)
    told(settings, ("consumers", "create", {"id": "c1", "username": "acme"}, None))

    risky = run_page("changes", READER, "only=risky")
    felt = run_page("changes", READER, "only=felt")

    assert len(texts_of(part(risky, "table", "gw-change-list"))) == 1
    assert not has_part(felt, "table", "gw-change-list")


def test_one_change_shows_what_differs_and_offers_to_take_it_back(settings: Settings) -> None:
    raised(settings)

    page = run_page("changes", READER, "of=1")

    assert not page.exception
    assert texts_of(part(page, "table", "gw-fields")) == [["config.minute", "60", "600"]]
    assert "limit on service orders raised from 60 to 600 per minute" in said(page)
    assert button(page, "gw-rollback").disabled


def test_an_unknown_change_says_so(settings: Settings) -> None:
    raised(settings)
    for token in ("999", "x", "-1", "1; DROP TABLE events"):
        page = run_page("changes", READER, f"of={token}")
        assert not page.exception
        assert "not stored" in said(page)


@pytest.mark.usefixtures("ana")
def test_asking_for_a_rollback_needs_a_reason_and_sends_nothing(settings: Settings) -> None:
    raised(settings)
    page = run_page("changes", READER, "of=1")
    page.text_input(key="gw-rollback-reason").set_value("too strict")
    page = again(page)

    button(page, "gw-rollback").click()
    page = again(page)

    with ChangeBook(settings.database) as book:
        [row] = book.connection.execute("SELECT kind, state, asked_by, reason, ask FROM change_proposals")
    assert row == ("rollback", "asked", "ana", "too strict", '{"change": 1}')


@pytest.mark.usefixtures("ana")
def test_what_waits_shows_exactly_what_would_be_sent_and_can_be_approved(settings: Settings) -> None:
    proposed(settings)

    page = run_page("changes", READER)

    assert not page.exception
    assert "config.minute 600 → 60" in said(page)
    assert "look twice" in said(page)
    assert any(code.value.startswith("PUT /plugins/p") for code in page.code)
    button(page, "gw-approve-p1").click()
    again(page)
    assert state_of(settings) == "approved"


@pytest.mark.usefixtures("ana")
def test_ones_own_proposal_cannot_be_approved_and_can_be_withdrawn(settings: Settings) -> None:
    proposed(settings, asked_by="Ana")

    page = run_page("changes", READER)

    assert button(page, "gw-approve-p1").disabled
    button(page, "gw-withdraw-p1").click()
    again(page)
    assert state_of(settings) == "withdrawn"


def test_without_a_login_nobody_is_a_second_person(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = viewer.Viewer(viewer.LOCAL_NAME, Login.NONE)
    monkeypatch.setattr("ui.components.proposals.find_viewer", lambda: here)

    assert viewer.LOCAL_NAME == NOBODY_VOUCHED
    proposed(settings)
    page = run_page("changes", READER, "view=proposals")

    assert button(page, "gw-approve-p1").disabled
    assert "two people cannot be told apart" in said(page)
    assert "Nothing was proposed yet" not in said(page)


@pytest.mark.usefixtures("ana")
def test_a_plan_that_changed_while_somebody_looked_is_not_approved(settings: Settings) -> None:
    proposed(settings)
    page = run_page("changes", READER)
    with ChangeBook(settings.database) as book:
        book.connection.execute("UPDATE change_proposals SET plan_hash = ?", ("f" * 64,))

    button(page, "gw-approve-p1").click()
    again(page)

    assert state_of(settings) == "proposed"


@pytest.mark.usefixtures("ana")
def test_a_proposal_can_be_rejected(settings: Settings) -> None:
    proposed(settings)
    page = run_page("changes", READER)

    button(page, "gw-reject-p1").click()
    again(page)

    assert state_of(settings) == "rejected"


def test_where_nobody_logs_in_it_says_that_two_people_cannot_be_told_apart(settings: Settings) -> None:
    page = run_page("changes", READER, "view=proposals")

    assert "two people cannot be told apart" in said(page)
    alone = dataclasses.replace(settings, approve_own_changes=True)
    with change_reads.using(alone):
        page = run_page("changes", READER, "view=proposals")
    assert "people may approve what they proposed themselves" in said(page)


def test_without_an_address_for_changes_it_says_that_nothing_is_ever_sent(settings: Settings) -> None:
    with change_reads.using(dataclasses.replace(settings, change_url="")):
        page = run_page("changes", READER, "view=proposals")

    assert "nothing is ever sent to Kong" in said(page)


def test_what_comes_from_kong_and_from_people_is_only_ever_text(settings: Settings) -> None:
    told(settings, ("consumers", "create", {"id": "c1", "username": HOSTILE}, None))
    proposed(settings)

    page = run_page("changes", READER)

    assert not page.exception
    for shown in (*page.markdown, *page.caption):
        assert "[a](http://evil.example)" not in shown.value
        assert "<b>x</b>" not in shown.value.replace("\\<", "")


def test_a_read_that_takes_too_long_is_told_and_not_an_empty_page(settings: Settings) -> None:
    raised(settings)
    slow = ScriptedReader(freshness=live_freshness(), width_ms=DeadlineExceeded(2_000))

    page = run_page("changes", slow, "of=1")

    assert not page.exception
    assert page.warning


@pytest.mark.usefixtures("settings")
def test_every_view_opens_on_an_empty_store() -> None:
    for view in ("changes", "proposals", "drift", "limit", "fragment", "nonsense"):
        page = run_page("changes", READER, f"view={view}")
        assert not page.exception, view


def test_a_limit_needs_a_scope_and_says_when_the_past_cannot_answer(settings: Settings) -> None:
    page = run_page("changes", READER, "view=limit")
    assert "Choose whom or what the limit is for" in said(page)

    raised(settings)
    page = run_page("changes", READER, "view=limit&service=orders")
    assert not page.exception
    assert "No answer" in said(page)


def test_a_database_that_does_not_exist_yet_is_an_empty_page(tmp_path: Path) -> None:
    made = load_settings({"database": str(tmp_path / "none.db")}, {})
    with change_reads.using(made):
        page = run_page("changes", READER)

    assert not page.exception


@pytest.mark.parametrize(
    ("value", "shown"), [(460.0, "460"), (28.2, "28"), (1.43, "1.4"), (0.026, "0.026"), (12_345.0, "12,000")]
)
def test_how_much_more_or_less_followed_is_said_without_exponents(value: float, shown: str) -> None:
    assert factor(value) == shown
