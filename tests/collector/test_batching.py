"""Items into batches, batches into transactions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from collector.batching import (
    Gathered,
    Taken,
    dead_items,
    gather,
    group_length,
    may_settle,
    read_batch,
    shed_gaps,
    weight,
)
from domain.events import Certainty, Decoded, Event, PluginSeen, Quarantined, Traffic
from storage.batches import Batch, Dead, Gap


def event(number: int, certainty: str | None = None) -> Event:
    return Event(id=str(number), kind="rate-limiting", event="exceeded", at_ms=number, certainty=certainty)


def test_items_keep_their_order_and_their_place() -> None:
    items = [
        Decoded(events=[event(1)], entries=1),
        Decoded(traffic=[Traffic(fingerprint=1, at_ms=1, status=200)], entries=1),
        Decoded(events=[event(2), event(3)], entries=1),
    ]

    gathered = gather(items)

    assert [e.id for e in gathered.decoded.events] == ["1", "2", "3"]
    assert gathered.owners == [0, 2, 2]
    assert (len(gathered.decoded.traffic), gathered.decoded.entries) == (1, 3)


def test_an_item_that_went_to_quarantine_is_named_once_with_its_place() -> None:
    items = [
        Decoded(events=[event(1)]),
        Decoded(quarantined=[Quarantined(why="no kind", raw=b"{}")]),
        Decoded(events=[event(2), event(3)]),
    ]

    dead = dead_items(gather(items), [Dead(index=1, why="too big"), Dead(index=2, why="too big")])

    assert dead == [(1, "no kind"), (2, "too big")]


@pytest.mark.parametrize(
    ("weights", "most", "length"),
    [
        ([], 10, 0),
        ([99], 10, 1),
        ([4, 4, 4], 10, 2),
        ([5, 5], 10, 2),
        ([11, 1], 10, 1),
        ([1] * 20, 10, 10),
    ],
)
def test_a_transaction_takes_what_fits_and_at_least_one_batch(
    weights: list[int], most: int, length: int
) -> None:
    assert group_length(weights, most) == length


def test_an_empty_batch_still_counts_for_one() -> None:
    assert weight(Batch(source="s", way="stream", received_ms=1, decoded=Decoded())) == 1


@pytest.mark.parametrize(
    ("decoded", "expected"),
    [
        (Decoded(), False),
        (Decoded(events=[event(1, Certainty.CERTAIN)]), False),
        (Decoded(events=[event(1, Certainty.PROBABLE)]), True),
        (Decoded(events=[event(1, Certainty.RULED_OUT)]), True),
        (Decoded(plugins=[PluginSeen(plugin_id="p", name="n", enabled=True, at_ms=1)]), True),
        (Decoded(plugins_complete=True), True),
    ],
)
def test_only_open_questions_and_new_plugins_call_for_another_judgement(
    decoded: Decoded, expected: object
) -> None:
    assert may_settle(decoded) is expected


def taken(first: int, upto: int, *owners: int, why: str = "") -> Taken:
    """A batch of a stream: an event for each of the owners, an unreadable item where there is a why."""
    decoded = Decoded(events=[event(first + place) for place in owners], entries=upto - first + 1)
    unreadable = [(upto - first, why)] if why else []
    batch = Batch(source="s", way="stream", received_ms=upto, decoded=decoded, first=first, upto=upto)
    return Taken(batch, Gathered(decoded, list(owners), unreadable))


def test_batches_that_follow_each_other_are_one() -> None:
    whole = taken(5, 6, 0, why="no kind")
    whole.join(taken(7, 7, 0))
    whole.join(taken(8, 10, 0, 2, why="no event"))

    assert [found.id for found in whole.batch.decoded.events] == ["5", "7", "8", "10"]
    assert (whole.batch.first, whole.batch.upto, whole.batch.received_ms) == (5, 10, 10)
    assert whole.batch.decoded.entries == whole.items == 6
    refused = [Dead(index=1, why="too big"), Dead(index=3, why="too long")]
    assert dead_items(whole.gathered, refused) == [
        (1, "no kind"),
        (2, "too big"),
        (5, "no event"),
    ]


def gaps(source: str, *items: Any) -> tuple[Gap, ...]:
    """The gaps that a batch of these tells of."""
    batch = [msgspec.Raw(json.dumps(item).encode()) for item in items]
    return shed_gaps(source, read_batch(batch, received_ms=100), batch, 100)


def test_a_sender_that_dropped_something_leaves_a_gap() -> None:
    item = {"kind": "cluster", "event": "sender_shed", "from_ms": 5, "to_ms": 9, "shed": {"cache": 3}}

    (gap,) = gaps("gw-1/0", item)

    assert (gap.source, gap.from_ms, gap.to_ms, gap.cause) == ("gw-1/0", 5, 9, "the sender dropped 3 cache")


@pytest.mark.parametrize(
    ("fields", "span"),
    [
        ({}, (100, 100)),
        ({"from_ms": "soon", "to_ms": None}, (100, 100)),
        ({"from_ms": 9, "to_ms": 5}, (5, 5)),
        ({"from_ms": True, "to_ms": 2**80}, (100, 100)),
        ({"at_ms": 50, "shed": ["x"]}, (50, 50)),
    ],
)
def test_a_strange_report_of_drops_still_gives_a_gap(fields: dict[str, Any], span: tuple[int, int]) -> None:
    (gap,) = gaps("s", {"kind": "cluster", "event": "sender_shed", **fields})

    assert (gap.from_ms, gap.to_ms) == span
    assert gap.cause == "the sender dropped an unknown number of events"


def test_other_items_leave_no_gap() -> None:
    assert gaps("s", {"kind": "cluster", "event": "node_heartbeat"}, 7, None, "sender_shed") == ()
