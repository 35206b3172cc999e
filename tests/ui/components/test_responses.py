"""From the page of whom it is about to the form that asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from ui import navigation
from ui.components.responses import show_responses
from ui.state import PageState


class Page:
    """A frame as far as this is concerned."""

    state = PageState().about("acme").adding(Dimension.SERVICE, "orders")


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def link(_label: str, name: str, state: PageState, **_: Any) -> None:
        found.append((name, state.query()))

    monkeypatch.setattr(navigation, "page_link", link)
    return found


def test_a_consumer_can_be_blocked_or_limited(links: list[tuple[str, str]]) -> None:
    show_responses(Page(), Dimension.CONSUMER, "acme")  # type: ignore[arg-type]

    assert links == [
        ("blocks", "service=orders&block=acme"),
        ("changes", "consumer=acme&view=limit"),
    ]


def test_an_address_can_be_blocked(links: list[tuple[str, str]]) -> None:
    show_responses(Page(), Dimension.IP, "203.0.113.0/24")  # type: ignore[arg-type]

    assert links == [("blocks", "service=orders&block=203.0.113.0/24")]


@pytest.mark.parametrize("token", [UNKNOWN_TOKEN, OTHER_TOKEN])
def test_nobody_in_particular_cannot(links: list[tuple[str, str]], token: str) -> None:
    show_responses(Page(), Dimension.CONSUMER, token)  # type: ignore[arg-type]

    assert links == []
