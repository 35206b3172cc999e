from __future__ import annotations

from typing import Any

import pytest

from domain.cache_stories import Seen
from storage.node_rows import CacheEvent, CachePast, ConfigEvent
from tests.ui.node_rows import S, node_row, span
from tests.ui.scripted_reader import NOW_MS
from ui.cache_view import applicability, lineage, missed_by, seen_of, slowest_ms, stories_of, waiting


def dropped(node: str | None, age_s: float, key: str = "services:s-1:::::w") -> CacheEvent:
    return CacheEvent(
        at_ms=NOW_MS - round(age_s * S),
        node=node,
        event="invalidated",
        cache="kong_core_db_cache",
        entity_type=key.partition(":")[0],
        entity_id=None,
        key_masked=key,
    )


def change(age_s: float = 60, **more: Any) -> ConfigEvent:
    values: dict[str, Any] = {
        "seq": 1,
        "at_ms": NOW_MS - round(age_s * S),
        "node": "id-gw-1",
        "entity_type": "services",
        "entity_id": "s-1",
        "entity_name": "orders",
        "operation": "update",
        "actor": "ana",
        "scope": (None, None, None),
    }
    return ConfigEvent(**(values | more))


def past(*events: CacheEvent, changes: tuple[ConfigEvent, ...] = (change(),)) -> CachePast:
    return CachePast(events=events, changes=changes, from_ms=NOW_MS - 3_600 * S)


def test_data_planes_and_dbless_nodes_have_no_invalidations() -> None:
    hybrid = applicability([node_row(role="data_plane"), node_row("gw-2", role="dbless")])
    mixed = applicability([node_row(role="control_plane"), node_row("gw-2", role="data_plane")])
    nothing = applicability([])

    assert (hybrid.is_none, mixed.is_none, nothing.is_none) == (True, False, False)
    assert [row.name for row in mixed.with_database] == ["gw-1"]


def test_an_unknown_role_may_have_invalidations_and_former_nodes_decide_nothing() -> None:
    found = applicability(
        [
            node_row(role=None),
            node_row("old", role="data_plane", replaced_by="x"),
            node_row(is_place_only=True),
        ]
    )

    assert not found.is_none
    assert len(found.with_database) == 1
    assert found.without == ()


def test_a_story_is_told_of_the_nodes_that_were_there_late_or_not() -> None:
    rows = [node_row(), node_row("gw-2"), node_row("gw-3"), node_row("dp", role="data_plane")]
    spans = [
        span("id-gw-1", 600, 0),
        span("id-gw-2", 600, 50),
        span("id-gw-2", 50, 0, "late"),
        span("id-gw-3", 600, 100, "lost"),
        span("id-dp", 600, 0),
    ]
    events = (dropped("id-gw-2", 90, "x:y"), dropped("id-gw-1", 59.9))

    (told,), _ = stories_of(past(*events), rows, spans, NOW_MS)

    assert dict(told.story.nodes) == {
        "id-gw-1": Seen.SEEN,
        "id-gw-2": Seen.MISSED,
        "id-gw-3": Seen.UNKNOWN,
    }
    assert (told.event.actor, slowest_ms(told.story), waiting(told.story)) == ("ana", 100, 0)
    assert missed_by(told.story, {"id-gw-2": "gw-2"}) == ["gw-2"]


def test_stories_come_newest_first_with_their_own_changes() -> None:
    changes = (change(60, seq=1), change(30, seq=2, entity_id="s-2"))

    told, _ = stories_of(past(changes=changes), [], [], NOW_MS)

    assert [(one.event.seq, one.story.cause.entity_id) for one in told] == [(2, "s-2"), (1, "s-1")]


def test_what_names_no_node_is_not_counted_for_one() -> None:
    (told,), bursts = stories_of(past(dropped(None, 59)), [], [], NOW_MS)

    assert told.story.keys == 0
    assert bursts == []


@pytest.mark.parametrize(
    ("age_s", "expected"), [(60, (Seen.SEEN, 1_000)), (300, (Seen.SEEN, 2_000)), (5, (Seen.WAITING, None))]
)
def test_a_node_is_one_column_whichever_id_it_had(age_s: float, expected: tuple[Seen, int | None]) -> None:
    rows = [node_row(node="n-2", replaces="n-1"), node_row(node="n-1", replaced_by="n-2")]
    spans = [span("n-1", 600, 200), span("n-2", 190, 0)]
    events = (dropped("n-1", 298), dropped("n-2", 59))

    (told,), _ = stories_of(past(*events, changes=(change(age_s),)), rows, spans, NOW_MS)

    assert lineage(rows[0], rows) == ("n-2", "n-1")
    assert seen_of(told.story, lineage(rows[0], rows)) == expected
