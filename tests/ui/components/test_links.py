from __future__ import annotations

import pytest

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from domain.windows import Window
from ui import navigation
from ui.components.links import target
from ui.state import PageState

STATE = PageState(range="6h", selected="old", group=Dimension.ROUTE, page_own=(("kind", "crud"),))


@pytest.mark.parametrize(
    ("dimension", "token", "address"),
    [
        (Dimension.CONSUMER, "a&b", "/consumers?range=6h&of=a%26b"),
        (Dimension.IP, "2001:db8::1", "/addresses?range=6h&of=2001:db8::1"),
        (Dimension.SERVICE, "orders", "/events?range=6h&service=orders"),
        (Dimension.LIMIT, "20/minute", "/events?range=6h&limit=20/minute"),
    ],
)
def test_a_name_leads_to_its_page_with_the_span_kept(dimension: Dimension, token: str, address: str) -> None:
    found = target(STATE, dimension, token)

    assert found is not None
    assert navigation.href(found.page, found.state) == address


@pytest.mark.parametrize("token", [OTHER_TOKEN, UNKNOWN_TOKEN])
def test_what_is_no_name_leads_nowhere(token: str) -> None:
    assert target(STATE, Dimension.CONSUMER, token) is None


def test_a_filter_on_the_same_kind_of_name_goes_others_stay() -> None:
    state = STATE.adding(Dimension.CONSUMER, "other").adding(Dimension.SERVICE, "orders")

    found = target(state, Dimension.CONSUMER, "acme")

    assert found is not None
    assert found.state.query() == "range=6h&of=acme&service=orders"


def test_a_span_that_stands_still_is_kept_and_another_can_be_given() -> None:
    fixed, around = Window(1_000, 2_000), Window(5_000, 9_000)

    kept, given = (
        target(STATE.at(fixed), Dimension.IP, "10.0.0.1"),
        target(STATE, Dimension.IP, "10.0.0.1", around),
    )

    assert kept is not None
    assert given is not None
    assert (kept.state.fixed, given.state.fixed) == (fixed, around)
