from __future__ import annotations

import msgspec
import pytest

from domain.events import Certainty, Decoded, Event, Kind, NodeSeen, PluginSeen, Traffic

EVENT = Event(id="request:1", kind=Kind.RATE_LIMITING, event="exceeded", at_ms=1, certainty="certain")


def test_an_event_survives_being_written_as_json_and_read_again() -> None:
    assert msgspec.json.decode(msgspec.json.encode(EVENT), type=Event) == EVENT


def test_a_plugin_survives_being_written_as_json_and_read_again() -> None:
    plugin = PluginSeen(plugin_id="p", name="rate-limiting", enabled=True, at_ms=1, config={"minute": 5})

    assert msgspec.json.decode(msgspec.json.encode(plugin), type=PluginSeen) == plugin


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        EVENT.at_ms = 2  # type: ignore[misc]


def test_there_are_five_kinds() -> None:
    assert [str(kind) for kind in Kind] == ["rate-limiting", "cluster", "cache", "crud", "plugin"]


def test_kinds_and_certainties_are_the_words_that_are_stored() -> None:
    assert (Kind.CRUD == "crud", Certainty.RULED_OUT == "ruled-out") == (True, True)


def test_unknown_is_not_zero() -> None:
    assert (EVENT.status, EVENT.limit_value, EVENT.window_s) == (None, None, None)


def test_what_was_decoded_starts_empty_and_is_shared_by_nobody() -> None:
    one, other = Decoded(), Decoded()

    one.events.append(EVENT)
    one.nodes.append(NodeSeen(at_ms=1, via="heartbeat"))

    assert (other.events, other.nodes, other.entries) == ([], [], 0)


def test_one_item_of_traffic_may_stand_for_many_requests() -> None:
    assert Traffic(fingerprint=1, at_ms=1, status=200).count == 1
