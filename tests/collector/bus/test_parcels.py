from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.batching import runs, weight
from collector.bus.parcels import (
    MOST_BYTES,
    MOST_ITEMS,
    Parcel,
    decode,
    encode,
    parts,
    payload_bytes,
    sound,
    subject_of,
    upto_of,
)
from domain.errors import DecodeError
from domain.events import Decoded, EntitySeen, NodeSeen, Quarantined
from domain.targets import TargetSeen
from storage.batches import Batch, Gap, Member, SourceBeat
from tests.storage.filling import NOW_MS, batch, plugin, refusal, request

NUMBERED = {"source": "gw-1", "way": "stream", "epoch": "e", "first": 1, "upto": 2}


def whole() -> Batch:
    """One of everything."""
    found = batch(
        refusal(payload=b'{"a": 1}', before={"x": [1, None]}, after={}),
        request(-(2**63)),
        plugin(config={"minute": 5}),
        EntitySeen(entity_type="consumers", entity_id="c", name="n", at_ms=1, attributes={"tags": ["a"]}),
        **NUMBERED,
    )
    found.decoded.nodes.append(NodeSeen(at_ms=1, via="heartbeat", node="n", facts={"q": 1.5}))
    found.decoded.targets.append(TargetSeen(upstream="u", target="t", health="healthy", at_ms=1, node="n"))
    found.decoded.quarantined.append(Quarantined(why="w", raw=b"\xff\x00"))
    found.gaps = (Gap(source="gw-1", from_ms=1, to_ms=2, cause="c"),)
    return found


def test_a_message_holds_everything_that_it_was_made_of() -> None:
    beat = SourceBeat(source="gw-1", way="stream", connected=True, at_ms=NOW_MS)
    member = Member(member="a:1", role="collector", beat_ms=1, started_ms=1, version="1", state="ok")
    parcel = Parcel(batches=(whole(),), beats=(beat,), member=member)

    assert decode(encode(parcel, "s").body) == parcel


def test_the_same_place_has_the_same_name_whenever_it_comes() -> None:
    first, later = whole(), whole()
    later.received_ms += 5_000

    names = {encode(Parcel(batches=(one,)), "s").name for one in (first, later)}

    assert len(names) == 1


@pytest.mark.parametrize("changed", [{"upto": 3}, {"epoch": "f"}, {"source": "gw-2"}, {"decoded": Decoded()}])
def test_another_place_has_another_name(changed: dict[str, object]) -> None:
    """A loss has the numbers of what was lost, and must not be taken for it."""
    one, two = whole(), msgspec.structs.replace(whole(), **changed)

    assert encode(Parcel(batches=(one,)), "s").name != encode(Parcel(batches=(two,)), "s").name


def test_subjects_tell_sequences_apart() -> None:
    found = {subject_of("a", "bc"), subject_of("ab", "c"), subject_of("a b", "c"), subject_of("a", "b c")}

    assert len(found) == 4
    assert all(subject.count(".") == 2 for subject in found)


def test_the_highest_number_of_a_sequence_is_read_from_a_message() -> None:
    parcel = Parcel(batches=(whole(), batch(refusal(5), **(NUMBERED | {"first": 3, "upto": 9}))))

    assert upto_of(parcel, "gw-1", "e") == 9
    assert upto_of(parcel, "gw-1", "other") == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00abc", b"\x01", b"\x01not compressed", encode(Parcel(), "s").body[:-1]],
    ids=["empty", "another version", "nothing", "not compressed", "cut"],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="bus message"):
        decode(body)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_message_or_refused(raw: bytes) -> None:
    for body in (raw, b"\x01" + raw):
        try:
            decode(body)
        except DecodeError:
            continue


def test_what_has_no_form_in_a_message_goes_to_quarantine_and_the_rest_stays() -> None:
    one = batch(refusal(1), refusal(2, consumer="\ud800"), refusal(3, after={"n": 2**70}))

    with pytest.raises(UnicodeEncodeError):
        encode(Parcel(batches=(one,)), "s")
    kept = decode(encode(Parcel(batches=(sound(one),)), "s").body).batches[0].decoded

    assert [event.id for event in kept.events] == [refusal(1).id]
    assert [bad.why for bad in kept.quarantined] == [
        "cannot be stored: a text holds half a character (a lone surrogate)",
        "cannot be stored: can't serialize ints < -2**63 or > 2**64 - 1",
    ]
    assert kept.entries == 3


def test_a_long_batch_is_cut_into_parts_that_fit() -> None:
    long = batch(*(refusal(n, payload=b"x" * 900) for n in range(250)), request(1), plugin())
    long.gaps = (Gap(source="s", from_ms=1, to_ms=2, cause="c"),)

    found = parts(long)

    assert all(weight(part) <= MOST_ITEMS for part in found)
    assert all(payload_bytes(part.decoded) <= MOST_BYTES for part in found)
    together = Decoded()
    for part in found:
        together.take(part.decoded)
    assert together == long.decoded
    assert [part.gaps for part in found] == [long.gaps, *[()] * (len(found) - 1)]


def test_a_whole_list_of_plugins_stays_in_one_piece() -> None:
    """A part of it would say that the others are gone."""
    long = batch(*(plugin(f"p-{n}") for n in range(250)))
    long.decoded.plugins_complete = True

    found = [part.decoded for part in parts(long)]

    assert [part.plugins_complete for part in found] == [True, *[False] * (len(found) - 1)]
    assert found[0].plugins == long.decoded.plugins
    assert not any(part.plugins for part in found[1:])


@given(st.lists(st.integers(0, 50)), st.integers(1, 5), st.integers(1, 60))
def test_runs_keep_the_order_and_the_limits(sizes: list[int], most_items: int, most_bytes: int) -> None:
    found = list(runs(list(range(len(sizes))), sizes, most_items, most_bytes))

    assert [place for run in found for place in run] == list(range(len(sizes)))
    for run in found:
        assert len(run) <= most_items
        assert len(run) == 1 or sum(sizes[place] for place in run) <= most_bytes
