"""Who may send."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.tokens import is_loopback, may_send_as, own_token, read_tokens, token_like
from settings import SettingValueError


def token_file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "token"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("Bearer s3cret", "gw-1"),
        ("bearer   s3cret ", "gw-1"),
        ("Bearer other", "site:b"),
        ("Bearer s3cre", None),
        ("Bearer ", None),
        ("Basic s3cret", None),
        ("Bearer s3cret\xff", None),
        ("", None),
        (None, None),
    ],
)
def test_a_token_leads_to_its_source(tmp_path: Path, header: str | None, source: str | None) -> None:
    tokens = read_tokens(token_file(tmp_path, "# ours\n\ngw-1:s3cret\nsite:b:other\n"))

    assert tokens is not None
    assert tokens.source_of(header) == source


def test_without_a_file_there_are_no_tokens() -> None:
    assert read_tokens("") is None


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("a:b\n", 0o644, "token file {path} is readable by others (mode 644): chmod 600 it"),
        ("a:b\nnonsense\n", 0o600, "token file {path}: line 2 is not source:token"),
        ("a:\n", 0o600, "token file {path}: line 1 is not source:token"),
        ("a:x\nb:x\n", 0o600, "token file {path}: line 2 has the token of another source"),
        ("# nothing\n", 0o600, "token file {path} holds no line source:token"),
    ],
)
def test_a_token_file_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    path = token_file(tmp_path, text, mode)

    with pytest.raises(SettingValueError) as caught:
        read_tokens(path)

    assert str(caught.value) == message.format(path=path)


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match="cannot be read: No such file"):
        read_tokens(str(tmp_path / "none"))


def test_a_sender_presents_the_token_of_the_first_line(tmp_path: Path) -> None:
    assert own_token(token_file(tmp_path, "# me\ngw-1:abc\n")) == "abc"


@pytest.mark.parametrize(
    ("bound", "source", "expected"),
    [
        ("gw", "gw", True),
        ("gw", "gw/0", True),
        ("gw", "gw-2", False),
        ("gw", "g", False),
        ("gw/0", "gw", False),
    ],
)
def test_a_token_covers_its_source_and_the_parts_of_it(bound: str, source: str, expected: object) -> None:
    assert may_send_as(bound, source) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - looked at, not bound
        ("::", False),
        ("192.0.2.1", False),
        ("example.com", False),
        (None, False),
    ],
)
def test_loopback_is_this_machine_only(address: str | None, expected: object) -> None:
    assert is_loopback(address) is expected


def test_a_query_parameter_that_may_hold_a_secret_is_found() -> None:
    assert token_like(["page", "access_token"]) == "access_token"
    assert token_like(["apiKey"]) == "apiKey"
    assert token_like(["page", "source"]) is None
