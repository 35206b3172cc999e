from __future__ import annotations

import pytest

from ui.exposure import Login, is_loopback, login_of, refusal


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_is_served_without_a_login(address: str) -> None:
    assert is_loopback(address)
    assert refusal(address, Login.NONE) is None


@pytest.mark.parametrize(
    "address",
    [None, "", "0.0.0.0", "::", "192.0.2.7", "gatewatch.example", "127.0.0.1.evil.example", "2130706433"],  # noqa: S104 - what must be refused
)
def test_everything_else_is_refused_while_nobody_logs_in(address: str | None) -> None:
    problem = refusal(address, Login.NONE)

    assert problem is not None
    assert "nobody has to log in" in problem
    assert (address or "every address") in problem
    assert all(way in problem for way in ("127.0.0.1", "[auth]", "server.trustedUserHeaders"))


@pytest.mark.parametrize("login", [Login.OIDC, Login.PROXY])
def test_with_a_login_any_address_is_served(login: Login) -> None:
    assert refusal("0.0.0.0", login) is None  # noqa: S104 - the address is the point


def test_the_login_follows_streamlits_configuration() -> None:
    assert login_of(has_auth_section=False, trusted_headers={}) == Login.NONE
    assert login_of(has_auth_section=False, trusted_headers={"X-User": "email"}) == Login.PROXY
    assert login_of(has_auth_section=True, trusted_headers={"X-User": "email"}) == Login.OIDC
