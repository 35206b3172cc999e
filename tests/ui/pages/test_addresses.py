"""The pages of all addresses, of one, and of a range of them."""
# ruff: noqa: S106 - a token is what stands in a URL for a name

from __future__ import annotations

import functools
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from domain.errors import StoreError
from domain.events import PluginSeen
from domain.filters import UNKNOWN_TOKEN, Dimension
from domain.windows import DAY_MS, HOUR_MS
from storage.rows import CellRow, EventPage, PairRow
from tests.ui.drawn import has_part, part, said, texts_of, titles_of
from tests.ui.scripted_reader import (
    NO_FRESHNESS,
    NOW_MS,
    ScriptedReader,
    live_freshness,
    run_page,
    source_state,
    totals,
)
from ui.pages.addresses import wider_ranges

IP = "203.0.113.7"


def cell(token: str, requests: int | None = 100, limited: int = 2, unauthorized: int = 0) -> CellRow:
    return CellRow(
        token=token,
        label=token,
        requests=requests,
        limited=limited,
        probable=0,
        unauthorized=unauthorized,
        first_ms=NOW_MS - HOUR_MS,
        last_ms=NOW_MS - 10_000,
    )


CROWD = tuple(cell(f"c{i}") for i in range(8))
NEIGHBOURS = (cell(IP, limited=16), cell("203.0.113.8", limited=9), cell("203.0.113.9", limited=0))


def by_question(of: Dimension, *_: Any) -> tuple[CellRow, ...]:
    return {Dimension.CONSUMER: CROWD, Dimension.IP: NEIGHBOURS}.get(of, ())


def drawn(query: str, **answers: Any) -> AppTest:
    given: dict[str, Any] = {
        "freshness": live_freshness(sources=(source_state(first_received_ms=NOW_MS - 60 * DAY_MS),)),
        "totals": totals(requests=800, limited=16, consumers=8, addresses=2),
        "breakdown": by_question,
        "spread": {IP: 8},
    }
    page = run_page("addresses", ScriptedReader(**(given | answers)), query)
    assert not page.exception
    return page


once = functools.cache(drawn)
"""The page as it normally is; nothing is clicked on it."""


def run(query: str = "", **answers: Any) -> AppTest:
    return drawn(query, **answers) if answers else once(query)


def links_of(page: AppTest) -> list[str]:
    return [str(link.proto.label) for link in page.get("page_link")]


def test_the_list_counts_the_consumers_behind_each_address() -> None:
    page = run()
    table = part(page, "table", "gw-overview")

    assert "2 addresses were refused in the last 24 h" in said(page)
    assert [column["title"] for column in table["columns"]][5] == "Consumers"
    assert texts_of(table)[0][5] == "8"
    assert table["rows"][0]["h"] == f"/addresses?of={IP}"


def test_a_pseudonym_says_what_it_is_and_cannot_be_blocked() -> None:
    page = run("of=anon-0123456789abcdef")

    assert "This stands for an address whose name was given up" in said(page)
    assert not [label for label in links_of(page) if "Block…" in label]
    assert [label for label in links_of(run(f"of={IP}")) if "Block…" in label]


def test_a_private_address_says_so_in_the_list() -> None:
    table = part(run(breakdown=(cell("10.0.0.1"), cell("203.0.113.7"))), "table", "gw-overview")

    assert [row["cells"][0].get("n") for row in table["rows"]] == ["private", None]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("203.0.113.0/24", "203.0.113.0/24"), ("2001:DB8::1/48", "2001:db8::/48")],
)
def test_a_range_can_be_searched_for(text: str, kept: str) -> None:
    reader = ScriptedReader(freshness=live_freshness(), breakdown=(cell(IP),))
    run_page("addresses", reader, f"q={text}")

    filters = next(asked[2] for name, asked in reader.asked if name == "breakdown")

    assert filters.values(Dimension.IP) == (kept,)


@pytest.mark.parametrize(
    ("behind", "words"),
    [
        pytest.param(
            CROWD, "Looks like a shared egress: 8 consumers, 8 of them seldom refused.", id="shared"
        ),
        pytest.param(
            (cell(UNKNOWN_TOKEN, 200, 0, 170), cell("c1", 3)),
            "Looks like somebody who tries keys: 84 % of its requests were answered 401, 1 consumer named.",
            id="guessing",
        ),
        pytest.param((cell("c1", 90), cell("c2", 9)), "Stands for one client: c1 makes nearly all", id="one"),
    ],
)
def test_an_address_says_whether_it_stands_for_one_or_for_many(
    behind: tuple[CellRow, ...], words: str
) -> None:
    def answer(of: Dimension, *_: Any) -> tuple[CellRow, ...]:
        return behind if of == Dimension.CONSUMER else ()

    assert words in said(run(f"of={IP}", breakdown=answer))


def test_a_crowd_behind_a_private_address_is_most_likely_our_own_proxy() -> None:
    text = said(run("of=10.0.0.1"))

    assert "In a private network (RFC 1918). Most likely our own proxy or load balancer" in text


def test_neighbours_that_do_the_same_are_told() -> None:
    page = run(f"of={IP}")

    assert "2 other addresses of 203.0.113.0/24 seen, 1 of them refused: 9 violations together." in said(page)
    assert texts_of(part(page, "table", "gw-neighbours"))[0][0] == "203.0.113.8"
    assert "Share" not in titles_of(part(page, "table", "gw-neighbours"))


def test_a_range_has_a_page_of_its_own_with_its_addresses() -> None:
    reader = ScriptedReader(freshness=live_freshness(), breakdown=by_question, totals=totals(requests=9))
    page = run_page("addresses", reader, "of=203.0.113.7/24")

    asked = next(arguments for name, arguments in reader.asked if name == "totals")

    assert not page.exception
    assert asked[1].values(Dimension.IP) == ("203.0.113.0/24",)
    assert "Its addresses" in said(page)
    assert len(part(page, "table", "gw-neighbours")["rows"]) == 3
    assert "Share" in titles_of(part(page, "table", "gw-neighbours"))


@pytest.mark.parametrize(
    ("token", "wider"),
    [
        ("203.0.113.7", ["203.0.113.0/24", "203.0.0.0/16"]),
        ("203.0.113.0/24", ["203.0.0.0/16"]),
        ("203.0.0.0/16", []),
        ("2001:db8:1:2::7", ["2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"]),
        ("no address", []),
    ],
)
def test_the_ranges_around_an_address_have_pages(token: str, wider: list[str]) -> None:
    assert wider_ranges(token) == wider


def test_an_address_lists_who_is_behind_it_and_leads_there() -> None:
    table = part(run(f"of={IP}"), "table", "gw-consumers")

    assert len(table["rows"]) == 8
    assert table["rows"][0]["cells"][0]["h"] == "/consumers?of=c0"


def test_limits_of_an_address_are_left_open_where_they_count_by_consumer() -> None:
    place = PairRow(
        token="orders",
        label="orders",
        id="s-1",
        by_token="list",
        by_label="list",
        by_id="r-1",
        requests=100,
        limited=16,
        probable=0,
        last_ms=NOW_MS,
    )
    plugins = tuple(
        PluginSeen(
            plugin_id=name,
            name="rate-limiting",
            enabled=True,
            at_ms=0,
            config={"minute": 90, "limit_by": by},
            **where,
        )
        for name, by, where in (("a", "consumer", {"service_id": "s-1"}), ("b", "ip", {"route_id": "r-1"}))
    )

    def pairs(of: Dimension, *_: Any) -> tuple[PairRow, ...]:
        return () if of == Dimension.LIMIT else (place,)

    by_consumer = part(run(f"of={IP}", pairs=pairs, plugins=plugins[:1]), "table", "gw-limits")
    by_address = part(run(f"of={IP}", pairs=pairs, plugins=plugins[1:]), "table", "gw-limits")

    assert texts_of(by_consumer)[0][3:] == ["unknown", None, "counted by consumer"]
    assert texts_of(by_address)[0][3:] == ["84", "6", None]


def test_an_empty_store_shows_how_to_connect() -> None:
    page = run_page("addresses", ScriptedReader(freshness=NO_FRESHNESS))

    assert "Nothing has been received yet" in said(page)
    assert not has_part(page, "table", "gw-overview")


def test_a_store_that_fails_on_the_way_keeps_what_was_drawn_before() -> None:
    page = run(f"of={IP}", pairs=StoreError("file is not a database"))

    assert "The database cannot be read" in said(page)
    assert IP in said(page)


def test_stale_data_of_one_address_is_shown_with_a_banner() -> None:
    old = source_state(connected=None, way="http-log", last_received_ms=NOW_MS - HOUR_MS)
    page = run(f"of={IP}", freshness=live_freshness(last_received_ms=NOW_MS - HOUR_MS, sources=(old,)))

    assert "This is not the present" in page.warning[0].value
    assert has_part(page, "chart", "gw-history")


def test_a_span_that_is_over_needs_no_banner() -> None:
    page = run(
        f"of={IP}&from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z",
        freshness=live_freshness(collector=None),
        events=EventPage(rows=(), next_seq=None, total=0),
    )

    assert not page.warning
    assert "from 2026-11-20 10:00 to 11:00 (UTC)" in said(page)
