"""Who can reach the dashboard, and whether that is safe: by itself it is served to this computer only."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum


class Login(StrEnum):
    """How we know who is looking."""

    NONE = "none"
    """We do not; whoever reaches us sees everything."""
    OIDC = "oidc"
    """Streamlit's own login, set up in `.streamlit/secrets.toml` under `[auth]`."""
    PROXY = "proxy"
    """A proxy in front logs people in and says who they are in a header (`server.trustedUserHeaders`)."""


def login_of(*, has_auth_section: bool, trusted_headers: Mapping[str, str]) -> Login:
    """How people log in, from Streamlit's configuration."""
    if has_auth_section:
        return Login.OIDC
    return Login.PROXY if trusted_headers else Login.NONE


def is_loopback(address: str | None) -> bool:
    """Whether a socket bound to that address can be reached from this computer only.

    No address means every address of the computer, as Streamlit takes it.
    """
    name = (address or "").strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refusal(address: str | None, login: Login) -> str | None:
    """Why we will not serve on that address; None when we will."""
    if is_loopback(address) or login != Login.NONE:
        return None
    return (
        f"Gatewatch will not serve on {address or 'every address of this computer'}: nobody has to log in, "
        "so anyone who can reach it would see every consumer and address. Serve on 127.0.0.1 "
        "(server.address) behind a proxy that logs people in, or set up Streamlit's login ([auth] in "
        ".streamlit/secrets.toml), or name the header in which a proxy says who it let in "
        "(server.trustedUserHeaders)."
    )
