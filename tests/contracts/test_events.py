"""Events one by one: pages, tails, exports and what is looked for."""

from __future__ import annotations

from typing import Any

import pytest

from domain.windows import HOUR_MS
from storage.rows import EventQuery
from tests.contracts.asking import HOUR, violations
from tests.contracts.conftest import Opened
from tests.storage.filling import NOW_MS, other, put, refusal


def test_events_come_newest_arrival_first_page_by_page(opened: Opened) -> None:
    put(opened.store, *(refusal(number, at_ms=NOW_MS + 1_000 - number) for number in range(1, 8)))
    reader = opened.reader

    first = reader.events(violations(), limit=3)
    second = reader.events(violations(), first.next_seq, 3)
    third = reader.events(violations(), second.next_seq, 3)

    assert [row.seq for page in (first, second, third) for row in page.rows] == [7, 6, 5, 4, 3, 2, 1]
    assert (first.total, third.next_seq) == (7, None)
    assert [row.seq for row in reader.tail(violations(), 5)] == [7, 6]
    assert [row.seq for row in reader.tail(violations(), 0, 2)] == [7, 6]


def test_events_are_chosen_by_kind_name_certainty_and_time(opened: Opened) -> None:
    put(
        opened.store,
        refusal(1),
        refusal(2, certainty="probable"),
        refusal(3, certainty="ruled-out"),
        refusal(4, at_ms=NOW_MS + HOUR_MS),
        other(5),
        other(6, kind="odd", event="new"),
        other(7, kind="odd", event="other"),
    )

    def ids(**changes: Any) -> list[int]:
        return [row.seq for row in opened.reader.events(EventQuery(window=HOUR, **changes)).rows]

    assert ids() == [7, 6, 5, 3, 2, 1]
    assert ids(violations_only=True) == [2, 1]
    assert ids(certainties=("ruled-out",)) == [3]
    assert ids(certainties=("probable", "certain")) == [2, 1]
    assert ids(certainties=("nonsense",)) == []
    assert ids(kinds=("odd",)) == [7, 6]
    assert ids(kinds=("odd", "plugin"), events=("new", "validation-failed")) == [6, 5]
    assert ids(kinds=("nonsense",)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acm", {1}),
        ("ACM", {1}),
        ("203.0.113", {1, 2}),
        ("acm 203", {1}),
        ("acm nothing", set()),
        (f"{2:032x}", {2}),
        (f"{2:032x} globex", {2}),
        (f"{2:032x} acme", set()),
        (f"{2:032x} {1:032x}", set()),
        (f"{77:032x}", set()),
        ("6f9619ff-8b86-d011-b42d-00c04fc964ff", {5}),
        ("6f9619ff-8b86-d011-b42d-00c04fc964fe", set()),
        ("AB" * 16, {6}),
        ("abc-", {3}),
        ("validation", {3, 5}),
        ("needle", {4}),
        ("100%", set()),
    ],
)
def test_words_are_looked_for_in_names_addresses_and_ids(
    opened: Opened, text: str, expected: set[int]
) -> None:
    put(
        opened.store,
        refusal(1),
        refusal(2, consumer_id="c-2", consumer="globex"),
        other(3, request_id="abc-1"),
        other(4, kind="crud", event="services.updated", entity_type="services", entity_name="the-needle"),
        other(5, request_id="6f9619ff-8b86-d011-b42d-00c04fc964ff"),
        refusal(6, consumer_id=None, consumer="AB" * 16, service_id=None, service=None, ip="10.0.0.1"),
    )

    found = opened.reader.events(EventQuery(window=HOUR, text=text))

    assert {row.seq for row in found.rows} == expected


def test_one_event_has_everything_that_was_kept(opened: Opened) -> None:
    put(
        opened.store,
        other(
            1,
            kind="crud",
            event="services.updated",
            entity_type="services",
            entity_id="s-1",
            entity_name="orders",
            operation="update",
            actor="ana",
            before={"port": 80},
            after={"port": 81},
            payload=b'{"a": [1, null]}',
        ),
    )

    detail = opened.reader.event(1)

    assert detail is not None
    assert (detail.row.entity_name, detail.row.operation, detail.row.actor) == ("orders", "update", "ana")
    assert (detail.before, detail.after, detail.payload) == ({"port": 80}, {"port": 81}, {"a": [1, None]})


def test_an_export_neither_repeats_nor_misses_what_was_there_when_it_began(opened: Opened) -> None:
    put(opened.store, *(refusal(number) for number in range(1, 2_501)))

    rows = opened.reader.stream_events(violations())
    found = [next(rows).seq]
    put(opened.store, refusal(9_999))
    found += [row.seq for row in rows]

    assert found == list(range(2_500, 0, -1))
