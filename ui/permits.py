"""Whether the viewer may do something, asked on the server at every action: role and end of the login."""

from __future__ import annotations

from typing import Any

import streamlit as st

from domain.roles import Act, NotPermitted, Role, has_ended, refusal, roles_of
from settings import Settings
from ui import store, viewer
from ui.exposure import Login

LOGIN_FIRST = "Log in first."
LOGIN_ENDED = "Your login has ended: log in again."


def why_not(act: Act, settings: Settings) -> str | None:
    """Why the viewer may not do this now; None when they may.

    Without a login this dashboard serves its own computer alone (`ui.exposure`): whoever sits there may do
    everything that one person may.
    """
    found = viewer.find_viewer()
    if found is None:
        return LOGIN_FIRST
    if found.login == Login.NONE:
        return None
    user: Any = st.user
    # a screen on the wall goes on showing; whoever acts has to be logged in now
    if act is not Act.LOOK and has_ended(user.get("exp"), store.now_ms()):
        return LOGIN_ENDED
    lists = {
        Role.VIEWER: settings.viewers,
        Role.ANALYST: settings.analysts,
        Role.APPROVER: settings.approvers,
        Role.ADMIN: settings.admins,
    }
    return refusal(act, roles_of(found.name, lists), lists)


def admit() -> None:
    """Go on if the viewer may look; otherwise say why not and end the run."""
    why = why_not(Act.LOOK, store.settings())
    if why is not None:
        st.title("Gatewatch")
        st.error(why)
        st.stop()


def check(act: Act, settings: Settings) -> None:
    """Go on if the viewer may do this now.

    Raises:
        NotPermitted: They may not.
    """
    why = why_not(act, settings)
    if why is not None:
        raise NotPermitted(why)
