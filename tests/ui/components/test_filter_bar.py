from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.filters import Dimension
from storage.rows import Entity
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, params_of
from ui import store
from ui.safe_text import JOINER

ACME = Entity(
    dimension=Dimension.CONSUMER,
    token="acme",  # noqa: S106 - a name in a URL
    id="c-1",
    label="acme :red[x]",
    names=(),
    deleted_ms=None,
    attributes={},
    first_seen_ms=None,
    last_seen_ms=None,
)


def script() -> None:
    from domain.filters import Dimension  # noqa: PLC0415 - the text of this function is run as a script
    from ui.components import page_frame  # noqa: PLC0415 - as above

    with page_frame.opened("consumers", groups=(Dimension.CONSUMER, Dimension.SERVICE)):
        pass


def after(query: dict[str, list[str]], act: Callable[[AppTest], Any], **answers: Any) -> dict[str, Any]:
    """The URL after something was done on a page with this one."""
    page = AppTest.from_function(script, default_timeout=30)
    for key, values in query.items():
        page.query_params[key] = values
    reader = ScriptedReader(freshness=live_freshness(), **answers)
    with store.using(lambda _sample: reader, lambda: NOW_MS):
        page.run()
        act(page)
        page.run()
    assert not page.exception
    return params_of(page)


def search(text: str) -> Callable[[AppTest], None]:
    def act(page: AppTest) -> None:
        page.text_input(key="gw-search").input(text).run()

    return act


@pytest.mark.parametrize(
    ("query", "picked", "expected"),
    [
        ({}, "1h", {"range": ["1h"]}),
        ({"range": ["1h"]}, "24h", {}),
        ({}, "all", {"range": ["all"]}),
        (
            {"from": ["1000"], "to": ["2000"], "ip": ["10.0.0.0/8"]},
            "5m",
            {"range": ["5m"], "ip": ["10.0.0.0/8"]},
        ),
    ],
)
def test_a_span_goes_into_the_url_and_the_pages_own_stays_out(
    query: dict[str, list[str]], picked: str, expected: dict[str, list[str]]
) -> None:
    assert after(query, lambda page: page.selectbox(key="gw-range").set_value(picked)) == expected


def test_the_zone_goes_into_the_url() -> None:
    assert after({}, lambda page: page.button_group(key="gw-zone").set_value("local")) == {"zone": ["local"]}


def test_what_charts_are_split_by_goes_into_the_url() -> None:
    def pick(page: AppTest) -> None:
        page.selectbox(key="gw-group").set_value(Dimension.SERVICE)

    assert after({}, pick) == {"group": ["service"]}


def test_a_chip_can_be_removed_or_turned_around() -> None:
    query = {"consumer": ["acme"], "not_ip": ["10.0.0.1"]}

    def choose(index: int, option: str) -> Callable[[AppTest], Any]:
        return lambda page: page.get("menu_button")[index].click(option)

    assert after(query, choose(0, "Remove")) == {"not_ip": ["10.0.0.1"]}
    assert after(query, choose(0, "Exclude instead")) == {"not_consumer": ["acme"], "not_ip": ["10.0.0.1"]}
    assert after(query, choose(1, "Keep only this")) == {"consumer": ["acme"], "ip": ["10.0.0.1"]}


def test_all_filters_go_at_once_and_the_span_stays() -> None:
    query = {"consumer": ["acme"], "not_ip": ["10.0.0.1"], "range": ["6h"]}

    assert after(query, lambda page: page.button(key="gw-clear").click()) == {"range": ["6h"]}


def test_what_is_found_can_be_kept_or_left_out() -> None:
    def act(page: AppTest) -> None:
        search("acm")(page)
        page.button(key="gw-found-0-True").click()

    assert after({}, act, search=(ACME,)) == {"not_consumer": ["acme"]}


def test_what_nothing_is_known_of_can_be_filtered_all_the_same() -> None:
    def act(page: AppTest) -> None:
        search(f" 203.0.113.0/24{JOINER} ")(page)
        page.selectbox(key="gw-as").set_value("ip").run()
        page.button(key="gw-as-False").click()

    assert after({}, act) == {"ip": ["203.0.113.0/24"]}


def test_names_in_the_bar_cannot_be_markup() -> None:
    page = AppTest.from_function(script, default_timeout=30)
    page.query_params["consumer"] = ["**b** :red[x]"]
    reader = ScriptedReader(freshness=live_freshness(), search=(ACME,))
    with store.using(lambda _sample: reader, lambda: NOW_MS):
        page.run()
        page.text_input(key="gw-search").input("acme").run()

    assert page.get("menu_button")[0].label == r"consumer \= \*\*b\*\* \:red\[x\]"
    assert r"consumer **acme \:red\[x\]**" in [found.value for found in page.markdown]


def test_a_shared_address_stands_still_and_another_moves() -> None:
    page = AppTest.from_function(script, default_timeout=30)
    page.query_params["consumer"] = ["acme"]
    with store.using(lambda _sample: ScriptedReader(freshness=live_freshness()), lambda: NOW_MS):
        page.run()

    pinned, moving = (code.value for code in page.code)
    assert pinned == "/consumers?from=2026-11-21T22:00:00Z&to=2026-11-22T22:00:00Z&consumer=acme"
    assert moving == "/consumers?consumer=acme"
