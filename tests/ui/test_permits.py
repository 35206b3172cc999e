"""Roles and the end of a login, asked on the server at every action."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from domain.roles import Act, NotPermitted
from settings import Settings
from tests.storage.filling import SETTINGS, opened, stored_again
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, run_page
from ui import alert_reads, change_reads, permits, store, viewer
from ui.exposure import Login

ONLY_CLEO = dataclasses.replace(SETTINGS, analysts=("ana",), approvers=("cleo",), admins=())


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Any:
    def given(way: Login, **user: object) -> None:
        monkeypatch.setattr(st, "user", user)
        monkeypatch.setattr(viewer, "login", lambda: way)

    return given


def test_on_loopback_without_a_login_one_person_may_everything(as_user: Any) -> None:
    as_user(Login.NONE)

    assert [permits.why_not(act, ONLY_CLEO) for act in Act] == [None] * len(Act)


@pytest.mark.parametrize("way", [Login.PROXY, Login.OIDC])
def test_by_itself_whoever_logs_in_may_look_and_no_more(as_user: Any, way: Login) -> None:
    """A provider lets a whole company in: that must not hand anybody the gateway before somebody is named."""
    as_user(way, is_logged_in=True, email="zoe")

    assert {act for act in Act if permits.why_not(act, SETTINGS) is None} == {Act.LOOK}
    for act in set(Act) - {Act.LOOK}:
        assert "Nobody is yet: name people in the setting" in (permits.why_not(act, SETTINGS) or "")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("zoe", {Act.LOOK}),
        ("ana", {Act.LOOK, Act.EXPORT, Act.HANDLE, Act.PROPOSE}),
        ("Cleo", {Act.LOOK, Act.EXPORT, Act.HANDLE, Act.PROPOSE, Act.APPROVE}),
    ],
)
def test_with_lists_each_may_what_the_role_may(as_user: Any, name: str, may: set[Act]) -> None:
    as_user(Login.PROXY, email=name)

    assert {act for act in Act if permits.why_not(act, ONLY_CLEO) is None} == may


def test_nobody_known_may_nothing(as_user: Any) -> None:
    as_user(Login.PROXY)

    assert {permits.why_not(act, SETTINGS) for act in Act} == {permits.LOGIN_FIRST}


def test_an_action_after_the_end_of_the_login_is_refused(as_user: Any) -> None:
    ends_s = store.now_ms() // 1000
    as_user(Login.OIDC, is_logged_in=True, email="ana", exp=ends_s - 1)

    assert permits.why_not(Act.HANDLE, ONLY_CLEO) == permits.LOGIN_ENDED
    assert permits.why_not(Act.LOOK, ONLY_CLEO) is None

    as_user(Login.OIDC, is_logged_in=True, email="ana", exp=ends_s + 60)
    assert permits.why_not(Act.HANDLE, ONLY_CLEO) is None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with opened(tmp_path / "g.db"):
        pass
    return dataclasses.replace(ONLY_CLEO, database=str(tmp_path / "g.db"))


def test_no_decision_is_taken_by_somebody_who_may_not(as_user: Any, settings: Settings) -> None:
    """Whatever the page showed: a button that is disabled in the browser can be pressed by other means."""
    as_user(Login.PROXY, email="zoe")

    with change_reads.using(settings):
        for act in (Act.PROPOSE, Act.APPROVE, Act.CONFIGURE):
            with pytest.raises(NotPermitted, match="your roles here: viewer"), change_reads.deciding(act):
                pytest.fail("a decision was begun")
    with (
        alert_reads.using(settings),
        pytest.raises(NotPermitted, match="To handle alerts"),
        alert_reads.deciding(),
    ):
        pytest.fail("a decision was begun")


def test_who_may_approve_decides(as_user: Any, settings: Settings) -> None:
    as_user(Login.PROXY, email="cleo")

    with change_reads.using(settings), change_reads.deciding(Act.APPROVE) as book:
        assert book.path == Path(settings.database)


def test_somebody_in_no_list_sees_no_page(as_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(Login.PROXY, email="zoe")
    closed = dataclasses.replace(SETTINGS, viewers=(), analysts=(), approvers=(), admins=("dan",))
    monkeypatch.setattr(store, "settings", lambda: closed)

    def script() -> None:
        import streamlit as st  # noqa: PLC0415 - the text of this function is run as a script

        from ui import permits  # noqa: PLC0415

        permits.admit()
        st.write("a page")

    page = AppTest.from_function(script).run()

    (error,) = page.error
    assert error.value.startswith("To look at pages one has to be viewer or analyst or approver or admin;")
    assert not page.markdown


@pytest.mark.parametrize(
    ("name", "is_disabled"), [("zoe", True), ("ana", False)], ids=["a viewer", "an analyst"]
)
def test_the_page_of_alerts_disables_what_one_may_not_and_says_why(
    as_user: Any, settings: Settings, name: str, *, is_disabled: bool
) -> None:
    as_user(Login.PROXY, email=name)
    with contextlib.closing(stored_again(Path(settings.database))) as connection:
        connection.execute(
            "INSERT INTO alert_incidents VALUES (7, 'f', ?1, 'r', 'surge', 'rising', 'high', 'ip',"
            " '203.0.113.7', '203.0.113.7', ?1, ?1, NULL, 1, 'why', 'open', NULL, '', NULL, NULL, NULL,"
            " 0, 0, '', '{}')",
            (NOW_MS - 60_000,),
        )

    with alert_reads.using(settings), change_reads.using(settings):
        page = run_page("alerts", ScriptedReader(freshness=live_freshness()))

    assert not page.exception
    assert page.button(key="gw-ack").disabled is is_disabled
    told = [note.value for note in page.info if "To handle alerts" in note.value]
    assert bool(told) is is_disabled
