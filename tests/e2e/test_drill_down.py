"""From a list to one consumer, its address, its event and back, with real clicks: the URL is the state."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Dashboard, running_dashboard, wait_for
from tests.e2e.history import history
from tests.e2e.stream_sender import sending
from tests.e2e.visiting import DRAWN, settled

pytestmark = pytest.mark.e2e

STEP_MS = 400
"""Until Streamlit has noticed a click."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with nine days behind it."""
    with running_dashboard(tmp_path_factory.mktemp("drill")) as dashboard:
        with sending(dashboard.ws, source="gw-1") as sender:
            items = history(time.time_ns() // 1_000_000)
            while batch := list(itertools.islice(items, 500)):
                sender.send(*batch)
                sender.wait_stored()
        yield dashboard


class Visitor:
    """Somebody with a browser."""

    def __init__(self, dashboard: Dashboard, page: Any) -> None:
        self.page = page
        self._dashboard = dashboard

    @property
    def at(self) -> str:
        """Path and query."""
        return str(self.page.url).removeprefix(self._dashboard.url)

    def ready(self) -> None:
        """Wait until the page is whole."""
        self.page.wait_for_timeout(STEP_MS)
        wait_for(lambda: settled(self.page) and self.page.evaluate(DRAWN), self.at)

    def open(self, address: str) -> None:
        """Type an address."""
        self.page.goto(self._dashboard.url + address)
        self.ready()

    def heading(self) -> str:
        """The page's title."""
        return str(self.page.locator("h2").first.inner_text())

    def click(self, selector: str, **options: Any) -> None:
        """Click the first thing that matches."""
        self.page.locator(selector).first.click(**options)
        self.ready()

    def back(self) -> None:
        """As the browser's button does."""
        self.page.go_back()
        self.ready()

    def rows(self, key: str) -> list[str]:
        """The first cell of each row of a table."""
        cells = self.page.locator(f".st-key-{key} tbody tr > td:first-child .text")
        return [str(text) for text in cells.all_inner_texts()]


@pytest.fixture
def visitor(filled: Dashboard, browser: Any) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    yield Visitor(filled, page)
    context.close()


def test_every_step_down_is_one_step_back(visitor: Visitor) -> None:
    """One entry in the history for each click, and each of them shows what it showed before."""
    visitor.open("/consumers?range=7d")
    visitor.click(".st-key-gw-overview a:text-is('acme-mobile')")
    consumer = visitor.at
    assert (consumer, visitor.heading()) == ("/consumers?range=7d&of=acme-mobile", "acme-mobile")

    address = visitor.rows("gw-addresses")[0]
    visitor.click(f".st-key-gw-addresses a:text-is('{address}')")
    assert (visitor.at, visitor.heading()) == (f"/addresses?range=7d&of={address}", address)

    visitor.back()
    assert (visitor.at, visitor.heading()) == (consumer, "acme-mobile")

    visitor.back()
    assert (visitor.at, visitor.heading()) == ("/consumers?range=7d", "Consumers")

    visitor.page.go_forward()
    visitor.ready()
    assert visitor.heading() == "acme-mobile"


def test_a_reload_keeps_everything(visitor: Visitor) -> None:
    visitor.open("/consumers?range=7d&sort=requests&service=orders")
    before = visitor.rows("gw-overview")

    visitor.page.reload()
    visitor.ready()

    assert visitor.rows("gw-overview") == before
    assert visitor.at == "/consumers?range=7d&sort=requests&service=orders"


def test_a_deep_link_works_in_a_new_browser(visitor: Visitor) -> None:
    visitor.open("/consumers?of=acme-mobile&range=24h&measure=requests")

    figure = visitor.page.evaluate(
        "() => [...document.querySelectorAll('.st-key-gw-history *')]"
        ".map(e => e.shadowRoot?.querySelector('.js-plotly-plot')).find(Boolean).layout.yaxis.title.text"
    )

    assert visitor.heading() == "acme-mobile"
    assert figure.startswith("requests per")


def test_a_title_sorts_and_a_button_filters_each_with_a_step_back(visitor: Visitor) -> None:
    visitor.open("/consumers?range=7d")
    visitor.click(".st-key-gw-overview th a:text-is('Requests')")
    assert visitor.at == "/consumers?range=7d&sort=requests"

    row = visitor.page.locator(".st-key-gw-overview tbody tr").nth(1)
    name = row.locator("td").first.locator(".text").inner_text()
    row.hover()
    row.locator("button.without").click()
    visitor.ready()
    assert visitor.at == f"/consumers?range=7d&not_consumer={name}&sort=requests"
    assert name not in visitor.rows("gw-overview")

    visitor.back()
    assert name in visitor.rows("gw-overview")


def test_an_event_opens_beside_its_list_and_closes_again(visitor: Visitor) -> None:
    visitor.open("/events?range=7d&kind=rate-limiting")
    visitor.click(".st-key-gw-events tbody tr td.time a")
    assert "&of=" in visitor.at
    assert visitor.page.locator(".st-key-gw-event h4").inner_text().startswith("Event ")

    visitor.click(".st-key-gw-event-close button")

    assert visitor.at == "/events?range=7d&kind=rate-limiting"


def test_a_former_click_does_not_come_back_with_the_next_run(visitor: Visitor) -> None:
    """What a page is told of a click lasts for one run; a refresh must not follow the link again."""
    visitor.open("/consumers?range=7d")
    visitor.click(".st-key-gw-overview a:text-is('acme-mobile')")
    visitor.click(".st-key-gw-to-list button")
    visitor.page.get_by_role("button", name="Refresh").click()
    visitor.ready()

    assert visitor.at == "/consumers?range=7d"


def test_a_span_dragged_over_the_chart_becomes_the_span_of_the_page(visitor: Visitor) -> None:
    visitor.open("/consumers?of=acme-mobile&range=7d")
    box = visitor.page.locator(".st-key-gw-history .nsewdrag").first.bounding_box()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 60, steps=5)
    visitor.page.mouse.up()
    visitor.click(".st-key-gw-history .gw-span")

    assert visitor.at.startswith("/consumers?from=")
    assert "&of=acme-mobile" in visitor.at
    visitor.back()
    assert visitor.at == "/consumers?of=acme-mobile&range=7d"


def test_downloads_hold_what_the_page_shows_and_more(visitor: Visitor) -> None:
    visitor.open("/consumers?range=7d")
    shown = visitor.rows("gw-overview")
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("link", name="CSV").click()
    lines = waiting.value.path().read_text(encoding="utf-8").splitlines()

    assert [line.split(",")[0] for line in lines[1:]] == shown

    visitor.open("/events?range=7d&consumer=mainframe")
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("link", name="JSON lines").click()
    events = [json.loads(line) for line in waiting.value.path().read_text(encoding="utf-8").splitlines()]

    assert len(events) > 100
    assert {event["consumer"] for event in events} == {"mainframe"}
