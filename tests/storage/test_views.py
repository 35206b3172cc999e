"""The views that other programs may rely on: their columns, and what docs/views.md says of them."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from domain.detectors.findings import Severity
from domain.events import Decoded, Quarantined
from domain.incident_flow import Move, What
from domain.incidents import Incident
from storage.alert_book import AlertBook
from storage.batches import Gap, SourceBeat
from storage.connection import open_reader
from storage.views import VIEWS
from tests.storage.filling import NOW_MS, opened, other, put, refusal, rows

PAGE = Path(__file__).parents[2] / "docs" / "views.md"

PROMISED = {
    "incidents": "rule shape severity entity_type entity opened_ms resolved_ms count why state assignee",
    "violations": "at_ms consumer consumer_id ip service route node status limit_name limit_value window_s"
    " certainty request_id source",
    "config_changes": "at_ms entity_type entity_id entity_name operation actor node before after",
    "cache_invalidations": "at_ms cache entity_type key_masked node",
    "target_health": "at_ms upstream target health node",
    "nodes": "node hostname version state last_seen_ms config_hash",
    "quarantine": "at_ms source why raw",
    "gaps": "from_ms to_ms source cause",
}
"""Written out once more on purpose: a change here breaks what others have built."""


class Section(NamedTuple):
    """What the page says of one view."""

    columns: list[str]
    queries: list[str]


def documented() -> dict[str, Section]:
    found = {}
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, _, text = part.partition("\n")
        columns = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
        found[name.strip()] = Section(columns, re.findall(r"```sql\n(.*?)```", text, flags=re.DOTALL))
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with something in every view."""
    path = tmp_path_factory.mktemp("views") / "g.db"
    gap = Gap(
        source="gw-1", from_ms=NOW_MS - 5_000, to_ms=NOW_MS + 5_000, cause="the sender no longer had 3 events"
    )
    beat = SourceBeat(
        source="gw-1",
        way="stream",
        connected=True,
        at_ms=NOW_MS,
        node_id="n-1",
        hostname="kong-a",
        version="3.9.1",
    )
    plugin = {"config": {"minute": 100}}, {"config": {"minute": 20}}
    with opened(path) as store:
        put(
            store,
            refusal(1, consumer="acme-mobile"),
            refusal(2, consumer_id="c-2", consumer="other"),
            other(3, kind="crud", event="plugins.updated", entity_type="plugins", entity_id="p-1",
                  entity_name="rate-limiting", operation="update", actor="ana", before=plugin[0],
                  after=plugin[1], at_ms=NOW_MS - 60_000, node="n-1"),
            other(4, kind="cache", event="invalidated", cache="kong_db_cache", entity_type="consumers",
                  key_masked="consumers:c-1", node="n-1"),
            other(5, kind="cache", event="purged", cache="kong_db_cache", node="n-1"),
            other(6, kind="cluster", event="target_unhealthy", upstream="u", target="10.0.0.1:80",
                  health="UNHEALTHY", node="n-1"),
            gaps=(gap,),
        )  # fmt: skip
        put(store, decoded=Decoded(quarantined=[Quarantined(why="not JSON", raw=b"{")]))
        store.write([], [beat])
    book = AlertBook(path)
    book.apply([an_incident()], lambda _: (), lambda _: (), {})
    book.close()
    return path


def an_incident() -> Move:
    """One that is open."""
    incident = Incident(
        fingerprint="r|consumer|c-2", rule="shared_or_leaked_key", detector="shared_or_leaked_key",
        shape="one_key_many_addresses", severity=Severity.HIGH, entity_type="consumer", entity_id="c-2",
        entity="other", opened_ms=NOW_MS, from_ms=NOW_MS, last_ms=NOW_MS, count=7, why="why",
    )  # fmt: skip
    return Move(What.OPENED, NOW_MS, None, incident)


@pytest.mark.parametrize("view", PROMISED)
def test_a_view_has_the_promised_columns_in_the_promised_order(filled: Path, view: str) -> None:
    found = [name for (name,) in rows(filled, "SELECT name FROM pragma_table_info(?)", view)]

    assert found == PROMISED[view].split()


def test_every_view_in_the_file_has_its_section(filled: Path) -> None:
    views = {name for (name,) in rows(filled, "SELECT name FROM sqlite_master WHERE type = 'view'")}

    assert views == set(documented()), "docs/views.md and the file differ"
    assert set(VIEWS) | {"incidents"} == set(PROMISED)


@pytest.mark.parametrize("view", documented())
def test_the_page_names_every_column_in_order(filled: Path, view: str) -> None:
    found = [name for (name,) in rows(filled, "SELECT name FROM pragma_table_info(?)", view)]

    assert documented()[view].columns == found


QUERIES = [
    (view, number, query)
    for view, section in documented().items()
    for number, query in enumerate(section.queries)
]


@pytest.mark.parametrize(
    ("view", "query"), [(v, q) for v, _, q in QUERIES], ids=[f"{v}-{n}" for v, n, _ in QUERIES]
)
def test_every_query_on_the_page_answers(filled: Path, view: str, query: str) -> None:
    with contextlib.closing(open_reader(filled)) as connection:
        connection.execute("PRAGMA query_only=ON")
        found = connection.execute(query).fetchall()

    assert re.search(rf"\b{view}\b", query)
    assert found or "HAVING" in query or "state <> 'live'" in query, "the example gives nothing"


def test_every_view_has_at_least_two_queries() -> None:
    assert {
        view: len(section.queries) for view, section in documented().items() if len(section.queries) < 2
    } == {}


def test_views_show_what_was_stored(filled: Path) -> None:
    assert rows(filled, "SELECT * FROM config_changes") == [
        (NOW_MS - 60_000, "plugins", "p-1", "rate-limiting", "update", "ana", "n-1",
         '{"config":{"minute":100}}', '{"config":{"minute":20}}')
    ]  # fmt: skip
    assert rows(filled, "SELECT * FROM cache_invalidations ORDER BY key_masked") == [
        (NOW_MS, "kong_db_cache", None, None, "n-1"),
        (NOW_MS, "kong_db_cache", "consumers", "consumers:c-1", "n-1"),
    ]
    assert rows(filled, "SELECT * FROM target_health") == [(NOW_MS, "u", "10.0.0.1:80", "UNHEALTHY", "n-1")]
    assert rows(filled, "SELECT node, hostname, version FROM nodes") == [("n-1", "kong-a", "3.9.1")]
    assert rows(filled, "SELECT * FROM quarantine") == [(NOW_MS, "http-log", "not JSON", b"{")]


def test_unknown_is_null(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    bare = dict.fromkeys(
        ("consumer_id", "consumer", "ip", "service_id", "service", "route_id", "route", "node", "request_id",
         "status", "limit_name", "limit_value", "window_s")
    )  # fmt: skip
    with opened(path) as store:
        put(store, refusal(1, id="x", is_request=False, **bare))
        put(store, other(2, kind="crud", event="x"), other(3, kind="cache", event="x"))

    assert rows(path, "SELECT * FROM violations") == [(NOW_MS, *[None] * 10, "certain", None, "http-log")]
    assert rows(path, "SELECT * FROM config_changes") == [(NOW_MS, *[None] * 8)]
    assert rows(path, "SELECT * FROM cache_invalidations") == [(NOW_MS, *[None] * 4)]


@pytest.mark.parametrize(
    ("certainty", "shown"), [("certain", 1), ("probable", 1), ("ruled-out", 0), (None, 0)]
)
def test_what_is_no_violation_is_not_shown(tmp_path: Path, certainty: str | None, shown: int) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, refusal(1, certainty=certainty))

    assert [found for (found,) in rows(path, "SELECT certainty FROM violations")] == [certainty] * shown


def test_a_name_whose_id_became_known_later_has_it(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, refusal(1, consumer_id=None, consumer="acme"))
        put(store, refusal(2, consumer_id="c-1", consumer="acme"))

    assert rows(path, "SELECT DISTINCT consumer, consumer_id FROM violations") == [("acme", "c-1")]


def test_a_recent_window_of_a_rare_kind_is_found_by_an_index(filled: Path) -> None:
    with contextlib.closing(open_reader(filled)) as connection:
        for view in ("config_changes", "cache_invalidations", "target_health"):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM {view} WHERE at_ms > ?", (NOW_MS,)
            ).fetchall()

            assert any("events_by_kind (kind=? AND at_ms>?)" in step[3] for step in plan), (view, plan)
