"""Who is looking: the name under which decisions are recorded. See `ui.exposure` for the ways to log in."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import streamlit as st

from domain.errors import StoreError
from storage.audit_trail import record
from ui import store
from ui.exposure import Login, login_of
from ui.safe_text import in_markdown

log = logging.getLogger("gatewatch.login")

SEEN = "gw-login-seen"
"""Where a session keeps whose login is in the audit trail."""
LOCAL_NAME = "local operator"
"""On loopback without a login: whoever sits at this computer."""
MAX_NAME_CHARS = 120


@dataclasses.dataclass(frozen=True, slots=True)
class Viewer:
    """A person, by the name that a login vouches for."""

    name: str
    """Mail address or name; hostile text as far as showing it goes."""
    login: Login


def has_auth_section() -> bool:
    """Whether Streamlit's own login is set up."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def login() -> Login:
    """How people log in here."""
    headers = st.get_option("server.trustedUserHeaders") or {}
    return login_of(has_auth_section=has_auth_section(), trusted_headers=headers)


def find_viewer() -> Viewer | None:
    """Who looks at the page that runs; None when they have to log in first."""
    way = login()
    if way == Login.NONE:
        return Viewer(LOCAL_NAME, way)
    user: Any = st.user
    if way == Login.OIDC and not user.get("is_logged_in"):
        return None
    name = next((str(user[key]) for key in ("email", "name", "preferred_username") if user.get(key)), "")
    return Viewer(name[:MAX_NAME_CHARS], way) if name else None


def viewer_name() -> str:
    """The name under which the viewer acts; empty when nobody is known."""
    viewer = find_viewer()
    return viewer.name if viewer else ""


def note_login(viewer: Viewer) -> None:
    """Record that somebody logged in, once a session; tried again at the next run when it cannot be now."""
    if viewer.login == Login.NONE or st.session_state.get(SEEN) == viewer.name:
        return
    try:
        record(store.settings().database, store.now_ms(), viewer.name, "login", viewer.login.value)
    except StoreError as error:
        log.warning("a login could not be recorded: %s", error)
    else:
        st.session_state[SEEN] = viewer.name


def admit() -> None:
    """Go on if somebody is known to look; otherwise offer the login and end the run."""
    viewer = find_viewer()
    if viewer is not None:
        note_login(viewer)
        return
    st.title("Gatewatch")
    if login() == Login.OIDC:
        st.button("Log in", on_click=st.login, type="primary")
    else:
        headers = in_markdown(", ".join(st.get_option("server.trustedUserHeaders")))
        st.error(
            "The proxy in front of this dashboard did not say who you are: it has to send your mail address "
            f"or name in {headers}."
        )
    st.stop()
