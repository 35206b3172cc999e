"""Names over time: what a token means, and that nothing counts as two or as another."""

from __future__ import annotations

import pytest

from domain.events import EntitySeen
from domain.filters import Dimension
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS
from tests.contracts.asking import HOUR, NOTHING, only, violations
from tests.contracts.conftest import Opened
from tests.storage.filling import NOW_MS, put, refusal, request


def test_a_renamed_consumer_is_one_and_found_by_both_names(opened: Opened) -> None:
    put(opened.store, refusal(1, consumer="acme"))
    put(opened.store, refusal(2, consumer="globex", at_ms=NOW_MS + MINUTE_MS))
    reader = opened.reader

    (row,) = reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows
    assert (row.token, row.label, row.limited) == ("globex", "globex", 2)
    for name in ("acme", "globex", "c-1"):
        assert reader.totals(HOUR, only(Dimension.CONSUMER, name)).limited == 2
    newest, oldest = reader.events(violations()).rows
    assert (newest.consumer, newest.consumer_now) == ("globex", None)
    assert (oldest.consumer, oldest.consumer_now) == ("acme", "globex")
    entity = reader.resolve(Dimension.CONSUMER, "acme")
    assert entity is not None
    assert entity.names == (("acme", NOW_MS, NOW_MS + MINUTE_MS), ("globex", NOW_MS + MINUTE_MS, None))


def test_a_former_name_that_another_has_now_means_the_other(opened: Opened) -> None:
    put(opened.store, refusal(1, consumer_id="c-1", consumer="acme"))
    put(opened.store, refusal(2, consumer_id="c-1", consumer="globex", at_ms=NOW_MS + MINUTE_MS))
    put(opened.store, refusal(3, consumer_id="c-2", consumer="acme", at_ms=NOW_MS + MINUTE_MS))

    assert opened.reader.totals(HOUR, only(Dimension.CONSUMER, "acme")).limited == 1
    entity = opened.reader.resolve(Dimension.CONSUMER, "acme")
    assert entity is not None
    assert entity.id == "c-2"


def test_a_name_whose_id_became_known_later_counts_as_that_id(opened: Opened) -> None:
    put(opened.store, refusal(1, consumer_id=None, consumer="acme"))
    put(opened.store, refusal(2), request(1))
    reader = opened.reader

    (row,) = reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows
    assert (row.token, row.limited, row.requests) == ("acme", 2, 3)
    assert reader.totals(HOUR, NOTHING).consumers == 1
    for name in ("acme", "c-1"):
        assert reader.totals(HOUR, only(Dimension.CONSUMER, name)).limited == 2
        assert len(reader.events(violations(filters=only(Dimension.CONSUMER, name))).rows) == 2
    assert reader.series(HOUR, NOTHING, Dimension.CONSUMER, HOUR_MS).groups[0].values == (2,)
    assert reader.activity(HOUR, Dimension.CONSUMER, "acme", HOUR_MS) == ((NOW_MS, 3, 2, 0),)
    assert [row.consumer_id for row in reader.events(violations()).rows] == ["c-1", "c-1"]


def test_two_with_one_name_go_by_their_ids(opened: Opened) -> None:
    put(opened.store, refusal(1, consumer_id="c-1", consumer="acme"))
    put(
        opened.store,
        refusal(2, consumer_id="c-2", consumer="acme"),
        refusal(3, consumer_id="c-2", consumer="acme"),
    )
    reader = opened.reader

    rows = reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows
    assert [(row.token, row.label, row.limited) for row in rows] == [("c-2", "acme", 2), ("c-1", "acme", 1)]
    assert reader.totals(HOUR, only(Dimension.CONSUMER, "acme")).limited == 3
    assert reader.resolve(Dimension.CONSUMER, "acme") is None


def test_a_name_cannot_draw_in_what_is_anothers(opened: Opened) -> None:
    """Whoever may create consumers could call one by the id of another."""
    put(opened.store, refusal(1, consumer_id="c-1", consumer="acme"))
    put(opened.store, refusal(2, consumer_id="c-2", consumer="c-1"))
    reader = opened.reader

    assert reader.totals(HOUR, only(Dimension.CONSUMER, "c-1")).limited == 1
    tokens = [row.token for row in reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows]
    assert sorted(tokens) == ["acme", "c-2"]


@pytest.mark.parametrize("name", ["~none", "~other", "~#2", "x" * 301, ""])
def test_a_name_that_cannot_stand_in_a_url_still_has_a_token_that_finds_it(opened: Opened, name: str) -> None:
    put(
        opened.store, refusal(1, consumer_id=None, consumer=name), refusal(2, consumer_id=None, consumer=None)
    )
    reader = opened.reader

    labels = {row.token: row.label for row in reader.top(Dimension.CONSUMER, HOUR, NOTHING).rows}

    (found,) = labels.keys() - {"~none"}
    assert labels[found] == name
    assert len(found) <= 300
    assert reader.totals(HOUR, only(Dimension.CONSUMER, found)).limited == 1
    assert reader.totals(HOUR, only(Dimension.CONSUMER, "~none")).limited == 1


def test_a_deleted_consumer_keeps_its_name(opened: Opened) -> None:
    gone = EntitySeen(entity_type="consumers", entity_id="c-1", name="acme", at_ms=NOW_MS + 5, deleted=True)
    put(opened.store, refusal(), gone)

    entity = opened.reader.resolve(Dimension.CONSUMER, "acme")

    assert entity is not None
    assert (entity.label, entity.deleted_ms) == ("acme", NOW_MS + 5)
    assert entity.names == (("acme", NOW_MS, NOW_MS + 5),)


def test_search_gives_what_begins_with_a_text_before_what_holds_it(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1, consumer_id="c-1", consumer="acme", ip="10.0.0.1", service="other-acme"),
        refusal(2, consumer_id="c-2", consumer="100 % acme_", ip="10.0.0.2"),
    )
    reader = opened.reader

    assert [found.label for found in reader.search("acme")] == ["acme", "100 % acme_", "other-acme"]
    assert [found.label for found in reader.search("10.0.0.")] == ["10.0.0.1", "10.0.0.2"]
    assert [found.label for found in reader.search("% acme_")] == ["100 % acme_"]
    assert [found.label for found in reader.search("ACME", 1)] == ["acme"]
    assert reader.search("  ") == ()


def test_an_address_is_known_with_its_network_and_since_when(opened: Opened) -> None:
    put(opened.store, refusal(1, ip="203.0.113.7"), request(1, ip="203.0.113.7", at_ms=NOW_MS + DAY_MS))

    entity = opened.reader.resolve(Dimension.IP, "203.0.113.7")

    assert entity is not None
    assert entity.attributes == {"prefix": "203.0.113.0/24"}
    assert (entity.first_seen_ms, entity.last_seen_ms) == (NOW_MS, NOW_MS + DAY_MS)
