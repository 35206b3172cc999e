"""The page of blocks: who would be hit is said before anything is asked for."""
# ruff: noqa: S106 - a token is what stands in a URL for a name

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from domain.blocks import Block, BlockScope, Protected
from domain.filters import Dimension
from settings import Settings, load_settings
from storage.block_book import add_protected, ask_block, begun, plan_touches
from storage.change_book import ChangeBook
from storage.rows import CellRow, Entity
from tests.blank_store import make_blank
from tests.ui.drawn import has_part, part, said, texts_of
from tests.ui.scripted_reader import NOW_MS, ScriptedReader, live_freshness, run_page, totals
from ui import change_reads, store, viewer
from ui.exposure import Login

BAD, PROXY = "203.0.113.7", "198.51.100.10"


def cell(token: str, requests: int | None, limited: int = 0) -> CellRow:
    return CellRow(
        token=token, label=token, requests=requests, limited=limited, probable=0, unauthorized=0,
        first_ms=NOW_MS - 1_000, last_ms=NOW_MS,
    )  # fmt: skip


def breakdown(of: Dimension, _window: Any, filters: Any, *_: Any) -> tuple[CellRow, ...]:
    if of != Dimension.CONSUMER:
        return (cell("orders", 900),)
    if filters.values(Dimension.IP) == (PROXY,):
        return tuple(cell(f"c{n}", 80, 1 if n < 4 else 0) for n in range(20))
    return (cell("acme", 500, 480),)


ACME = Entity(
    dimension=Dimension.CONSUMER, token="acme", id="c-1", label="acme", names=(), deleted_ms=None,
    attributes={}, first_seen_ms=None, last_seen_ms=None,
)  # fmt: skip


def resolve(dimension: Dimension, text: str) -> Entity | None:
    if dimension == Dimension.CONSUMER:
        return ACME if text in {"acme", "c-1"} else None
    return msgspec.structs.replace(ACME, dimension=dimension, token=text, id=f"id-{text}", label=text)


READER = ScriptedReader(
    freshness=live_freshness(), totals=totals(requests=10_000), breakdown=breakdown, resolve=resolve
)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = load_settings({"database": str(tmp_path / "g.db"), "change_url": "http://kong:8001"}, {})
    make_blank(Path(made.database))
    with change_reads.using(made):
        yield made


@pytest.fixture
def ana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.components.proposals.find_viewer", lambda: viewer.Viewer("ana", Login.OIDC))
    monkeypatch.setattr("ui.components.proposals.login", lambda: Login.OIDC)


def again(page: AppTest) -> AppTest:
    with store.using(lambda _: READER, lambda: NOW_MS):
        return page.run()


def stored(settings: Settings) -> list[tuple[Any, ...]]:
    with ChangeBook(settings.database) as book:
        return book.connection.execute(
            "SELECT state, subject_type, subject, reason, asked_by, duration_ms, is_dry_run FROM blocks"
        ).fetchall()


def block(**given: Any) -> Block:
    fields: dict[str, Any] = {
        "block_id": "b1", "state": "requested", "subject_type": "address", "subject": BAD, "label": BAD,
        "scope": BlockScope(), "reason": "floods", "asked_by": "bob", "asked_ms": NOW_MS - 60_000,
        "duration_ms": 3_600_000, "proposal_id": "p1",
    }  # fmt: skip
    return Block(**{**fields, **given})


@pytest.mark.usefixtures("settings")
def test_nobody_blocked_is_quiet() -> None:
    page = run_page("blocks", READER)

    assert not page.exception
    assert "Nobody is blocked now." in said(page)
    assert "No block ended from " in said(page)
    assert "feed" not in said(page)


@pytest.mark.usefixtures("settings", "ana")
def test_a_shared_address_warns_with_the_consumers_behind_it_before_anything_is_asked_for() -> None:
    page = run_page("blocks", READER, f"block={PROXY}")

    assert not page.exception
    assert f"20 consumers come from {PROXY}; 16 of them were never refused" in said(page)
    assert len(texts_of(part(page, "table", "gw-radius"))) == 20
    assert page.button(key="gw-block-ask").disabled


@pytest.mark.usefixtures("ana")
def test_one_address_is_asked_for_with_a_reason_and_a_time(settings: Settings) -> None:
    page = run_page("blocks", READER, f"block={BAD}")
    assert page.button(key="gw-block-ask").disabled
    page.text_input(key="gw-block-reason").set_value("floods orders")
    page = again(page)
    page.button(key="gw-block-ask").click()
    again(page)

    assert stored(settings) == [("requested", "address", BAD, "floods orders", "ana", 3_600_000, 0)]


@pytest.mark.usefixtures("ana")
def test_many_behind_an_address_have_to_be_confirmed(settings: Settings) -> None:
    page = run_page("blocks", READER, f"block={PROXY}")
    page.text_input(key="gw-block-reason").set_value("because")
    page = again(page)
    assert page.button(key="gw-block-ask").disabled
    page.checkbox(key=f"gw-block-sure-{PROXY}").set_value(True)
    page = again(page)
    page.button(key="gw-block-ask").click()
    again(page)

    assert len(stored(settings)) == 1


@pytest.mark.usefixtures("ana")
def test_a_dry_run_begins_at_once_and_sends_nothing(settings: Settings) -> None:
    page = run_page("blocks", READER, f"block={BAD}")
    page.text_input(key="gw-block-reason").set_value("look first")
    page.toggle(key="gw-block-dry").set_value(True)
    page = again(page)
    page.button(key="gw-block-ask").click()
    again(page)

    assert [row[0] for row in stored(settings)] == ["dry run"]
    with ChangeBook(settings.database) as book:
        assert book.connection.execute("SELECT count(*) FROM change_proposals").fetchone() == (0,)


@pytest.mark.usefixtures("ana")
def test_those_who_are_never_blocked_are_refused_in_words(settings: Settings) -> None:
    with ChangeBook(settings.database) as book:
        entry = Protected(subject_type="range", subject="203.0.113.0/24", note="our partner")
        add_protected(book, "e1", entry, "bob", NOW_MS)

    listed = run_page("blocks", READER, f"block={BAD}")
    private = run_page("blocks", READER, "block=10.0.0.7")

    assert "our partner" in said(listed)
    assert "private network" in said(private)
    assert not [b for b in (*listed.button, *private.button) if b.key == "gw-block-ask"]


@pytest.mark.usefixtures("settings", "ana")
@pytest.mark.parametrize(
    ("text", "words"),
    [("0.0.0.0/0", "too wide"), ("nobody-known", "Nothing is known of a consumer nobody-known")],
)
def test_what_cannot_be_blocked_is_said_so(text: str, words: str) -> None:
    page = run_page("blocks", READER, f"block={text}")

    assert not page.exception
    assert words in said(page)


def test_a_block_that_is_on_shows_what_is_left_and_whether_it_works(settings: Settings) -> None:
    with ChangeBook(settings.database) as book:
        ask_block(book, block(), NOW_MS - 120_000)
        plan_touches(book, "b1", ())
        begun(book, "b1", NOW_MS - 120_000)
    seen = ScriptedReader(
        freshness=live_freshness(), resolve=resolve, breakdown=breakdown,
        totals=totals(requests=40, client_errors=40),
    )  # fmt: skip

    page = run_page("blocks", seen)

    assert not page.exception
    [row] = texts_of(part(page, "table", "gw-on"))
    assert row[:5] == ["■ on", BAD, "everywhere", "58 min left", "✓ seen working"]


def test_a_block_that_lets_requests_through_is_told_loudly(settings: Settings) -> None:
    with ChangeBook(settings.database) as book:
        ask_block(book, block(), NOW_MS - 120_000)
        begun(book, "b1", NOW_MS - 120_000)
    leaking = ScriptedReader(
        freshness=live_freshness(), resolve=resolve, totals=totals(requests=40, client_errors=30)
    )

    page = run_page("blocks", leaking)

    assert texts_of(part(page, "table", "gw-on"))[0][4] == "▲ not working"


@pytest.mark.usefixtures("ana")
def test_lifting_asks_another_person(settings: Settings) -> None:
    with ChangeBook(settings.database) as book:
        ask_block(book, block(), NOW_MS - 120_000)
        begun(book, "b1", NOW_MS - 120_000)
    page = run_page("blocks", READER)
    page.text_input(key="gw-lift-reason").set_value("our own scanner")
    page = again(page)
    page.button(key="gw-lift").click()
    again(page)

    with ChangeBook(settings.database) as book:
        kinds = book.connection.execute(
            "SELECT kind, state FROM change_proposals ORDER BY asked_ms"
        ).fetchall()
    assert ("lift", "asked") in kinds


@pytest.mark.usefixtures("settings", "ana")
def test_the_list_of_those_never_blocked_is_kept_with_who_and_why() -> None:
    page = run_page("blocks", READER)
    page.text_input(key="gw-never-who").set_value("203.0.113.0/24")
    page.text_input(key="gw-never-note").set_value("our partner")
    page = again(page)
    page.button(key="gw-never-add").click()
    page = again(page)

    assert texts_of(part(page, "table", "gw-never"))[0][:3] == ["203.0.113.0/24", "our partner", "ana"]


def test_the_sample_has_no_kong_behind_it(settings: Settings) -> None:
    page = run_page("blocks", READER, f"sample=1&block={BAD}", sample=READER)

    assert not page.exception
    assert "no Kong behind it" in said(page)
    assert not has_part(page, "table", "gw-radius")
    assert stored(settings) == []
