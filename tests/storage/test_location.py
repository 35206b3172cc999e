"""Where a store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.location import PostgresUrl, located

URL = "postgresql://writer:s3cret@db-1:5432,db-2:5432/gatewatch?target_session_attrs=read-write&sslkey=/k"


def test_the_form_says_which_engine_it_is() -> None:
    assert located("data/gatewatch.db") == Path("data/gatewatch.db")
    assert located(Path("data/gatewatch.db")) == Path("data/gatewatch.db")
    assert located(URL) == PostgresUrl(URL)
    assert located(located(URL)) == PostgresUrl(URL)
    assert isinstance(located("postgres://db/x"), PostgresUrl)


@pytest.mark.parametrize("shown", [str, repr, lambda url: f"{url}"])
def test_a_url_is_shown_without_its_user_password_and_parameters(shown: object) -> None:
    text = shown(PostgresUrl(URL))  # type: ignore[operator]

    assert "postgresql://db-1:5432,db-2:5432/gatewatch" in text
    assert not any(word in text for word in ("writer", "s3cret", "sslkey"))
