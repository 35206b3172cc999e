"""Tokens that find what they were made for, in a file with everything that makes that hard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.codes import NONE_KEY, OTHER_KEY, Dim
from storage.reading.connections import Connections
from storage.reading.snapshot import Snapshot
from storage.reading.words import keys_of, read_merged, read_words, tokens_of
from tests.storage.filling import NOW_MS, opened, put, refusal

NAMES = ["acme", "~none", "10.0.0.0/8", "a/b", "quote\"'", "über", "x" * 300, "y" * 301, "%", "id-of-another"]


@pytest.fixture
def snapshot(tmp_path: Path) -> Iterator[Snapshot]:
    """Consumers with awkward names, two of one name, a bare name, and addresses that are none."""
    path = tmp_path / "g.db"
    with opened(path) as store:
        put(store, *(refusal(n, consumer_id=f"c-{n}", consumer=name) for n, name in enumerate(NAMES)))
        put(store, refusal(100, consumer_id="c-100", consumer="acme"))
        put(store, refusal(101, consumer_id="id-of-another", consumer="other"))
        put(store, refusal(102, consumer_id=None, consumer="bare"), refusal(103, ip="10.0.0.0/8"))
        put(store, refusal(104, consumer_id=None, consumer="joined"))
        put(store, refusal(105, consumer_id="c-105", consumer="joined", at_ms=NOW_MS + 1))
    connections = Connections(path, 5_000)
    with connections.snapshot() as found:
        yield found
    connections.close()


@pytest.mark.parametrize("dim", [Dim.CONSUMER, Dim.IP, Dim.SERVICE, Dim.ROUTE, Dim.LIMIT])
def test_every_token_finds_its_own_and_nothing_else(snapshot: Snapshot, dim: Dim) -> None:
    merged = read_merged(snapshot)
    keys = {key for (key,) in snapshot.rows("SELECT key_id FROM keys WHERE dim = ?", (dim,))}
    words = read_words(snapshot, {merged.get(key, key) for key in keys})

    tokens = tokens_of(snapshot, dim, words.values())

    assert len(set(tokens.values())) == len(words)
    for key, found in tokens.items():
        assert {merged.get(k, k) for k in keys_of(snapshot, dim, found)} == {key}
        assert len(found) <= 300


def test_none_and_other_have_tokens_of_their_own(snapshot: Snapshot) -> None:
    words = read_words(snapshot, [NONE_KEY, OTHER_KEY])

    assert tokens_of(snapshot, Dim.IP, words.values()) == {NONE_KEY: "~none", OTHER_KEY: "~other"}


@pytest.mark.parametrize("text", ["~#", "~#x", "~#-1", "~#1e3", "~#" + "9" * 30, "~#٣", "~", ""])
def test_a_token_that_was_never_given_finds_nothing(snapshot: Snapshot, text: str) -> None:
    assert keys_of(snapshot, Dim.CONSUMER, text) == ()


def test_a_number_of_another_dimension_finds_nothing(snapshot: Snapshot) -> None:
    (service,) = keys_of(snapshot, Dim.SERVICE, "orders")

    assert keys_of(snapshot, Dim.CONSUMER, f"~#{service}") == ()


def test_a_joined_name_is_found_by_name_id_and_number(snapshot: Snapshot) -> None:
    by_name = keys_of(snapshot, Dim.CONSUMER, "joined")

    assert len(by_name) == 2
    assert keys_of(snapshot, Dim.CONSUMER, "c-105") == by_name
    assert {keys_of(snapshot, Dim.CONSUMER, f"~#{key}") for key in by_name} == {by_name}
