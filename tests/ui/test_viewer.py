from __future__ import annotations

from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from domain.errors import StoreBusy
from ui import viewer
from ui.exposure import Login
from ui.viewer import LOCAL_NAME, Viewer, find_viewer


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Streamlit's own user and the way to log in, as a test says."""

    def given(way: Login, **user: object) -> None:
        monkeypatch.setattr(st, "user", user)
        monkeypatch.setattr(viewer, "login", lambda: way)

    return given


def test_without_a_login_it_is_whoever_sits_here(as_user: Any) -> None:
    as_user(Login.NONE)

    assert find_viewer() == Viewer(LOCAL_NAME, Login.NONE)


@pytest.mark.parametrize(
    ("way", "user", "name"),
    [
        (Login.OIDC, {"is_logged_in": True, "email": "ana@example.com", "name": "Ana"}, "ana@example.com"),
        (Login.OIDC, {"is_logged_in": True, "name": "Ana"}, "Ana"),
        (Login.OIDC, {"is_logged_in": False, "email": "ana@example.com"}, None),
        (Login.OIDC, {}, None),
        (Login.OIDC, {"is_logged_in": True}, None),
        (Login.PROXY, {"email": "ana@example.com"}, "ana@example.com"),
        (Login.PROXY, {"email": None}, None),
        (Login.PROXY, {}, None),
        (Login.PROXY, {"email": "x" * 500}, "x" * 120),
    ],
)
def test_a_viewer_has_the_name_that_the_login_vouches_for(
    as_user: Any, way: Login, user: dict[str, object], name: str | None
) -> None:
    as_user(way, **user)

    found = find_viewer()

    assert (found.name if found else None) == name


def test_nobody_gets_past_the_door_without_a_name(as_user: Any) -> None:
    as_user(Login.OIDC)

    def script() -> None:
        import streamlit as st  # noqa: PLC0415 - the text of this function is run as a script

        from ui import viewer  # noqa: PLC0415 - as above

        viewer.admit()
        st.markdown("inside")

    page = AppTest.from_function(script, default_timeout=30).run()

    assert not page.exception
    assert [button.label for button in page.button] == ["Log in"]
    assert not page.markdown


def test_a_login_is_recorded_once_a_session(as_user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(viewer, "record", lambda *entry: told.append(entry))
    monkeypatch.setattr(st, "session_state", {})

    for name in ("ana@example.com", "ana@example.com", "ben@example.com"):
        as_user(Login.PROXY, email=name)
        viewer.admit()
    as_user(Login.NONE)
    viewer.admit()

    assert [entry[2:] for entry in told] == [
        ("ana@example.com", "login", "proxy"),
        ("ben@example.com", "login", "proxy"),
    ]


def test_a_login_that_cannot_be_recorded_now_is_at_the_next_run(
    as_user: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(st, "session_state", {})
    as_user(Login.PROXY, email="ana@example.com")

    def busy(*_entry: object) -> None:
        raise StoreBusy("locked")

    for way in (busy, lambda *entry: told.append(entry)):
        monkeypatch.setattr(viewer, "record", way)
        viewer.admit()

    assert "a login could not be recorded: locked" in caplog.text
    assert len(told) == 1
