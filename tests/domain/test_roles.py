"""Who may do what."""

from __future__ import annotations

import pytest

from domain.roles import MAY, Act, Role, has_ended, refusal, roles_of

LISTS = {
    Role.VIEWER: ("*",),
    Role.ANALYST: ("Ana@Example.com", "ben"),
    Role.APPROVER: ("cleo",),
    Role.ADMIN: (),
}


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("ana@example.com", {Role.VIEWER, Role.ANALYST}),
        ("cleo", {Role.VIEWER, Role.APPROVER}),
        ("anyone", {Role.VIEWER}),
        ("*", {Role.VIEWER}),
        ("", set()),
    ],
)
def test_roles_go_by_the_name_of_the_login(name: str, roles: set[Role]) -> None:
    assert roles_of(name, LISTS) == roles


@pytest.mark.parametrize(
    ("act", "roles"),
    [
        (Act.LOOK, "viewer analyst approver admin"),
        (Act.EXPORT, "analyst approver admin"),
        (Act.HANDLE, "analyst approver admin"),
        (Act.PROPOSE, "analyst approver admin"),
        (Act.APPROVE, "approver admin"),
        (Act.CONFIGURE, "admin"),
    ],
)
def test_each_role_may_what_the_table_says_and_no_more(act: Act, roles: str) -> None:
    assert {role for role in Role if refusal(act, {role}, LISTS) is None} == set(roles.split())
    assert refusal(act, set(), LISTS) is not None


def test_every_act_has_a_row() -> None:
    assert set(MAY) == set(Act)


def test_a_refusal_says_what_would_be_needed() -> None:
    assert refusal(Act.APPROVE, {Role.VIEWER, Role.ANALYST}, LISTS) == (
        "To approve or reject one has to be approver or admin; your roles here: viewer, analyst."
        " Settings say who is what."
    )


def test_a_refusal_where_nobody_is_named_yet_says_which_setting_is_empty() -> None:
    assert refusal(Act.CONFIGURE, {Role.VIEWER}, LISTS) == (
        "To change rules, receivers and lists one has to be admin; your roles here: viewer."
        " Nobody is yet: name people in the setting admins (docs/serving.md)."
    )


@pytest.mark.parametrize(
    ("expires_s", "has_it"),
    [
        (None, False),
        (101, False),
        (100.5, False),
        ("101", False),
        (100, True),
        ("99", True),
        ("soon", True),
        (True, True),
        (float("nan"), True),
        (float("inf"), True),
        ([101], True),
    ],
)
def test_a_login_ends_when_its_token_says_so(expires_s: object, *, has_it: bool) -> None:
    """Broken tokens are over: what cannot be read must not last for ever."""
    assert has_ended(expires_s, 100_000) is has_it
