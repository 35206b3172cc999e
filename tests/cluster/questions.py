"""Every question of `storage.protocol.Reader`, over windows and filters that a store has something for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import Any, NamedTuple

import msgspec

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window
from storage.protocol import Reader
from storage.rows import EventQuery

PLACE = ("path", "file_bytes", "wal_bytes", "free_disk_bytes")
"""What each engine tells of where it is, in its own way."""


class Question(NamedTuple):
    """Something to be asked of two stores."""

    label: str
    ask: Callable[[Reader], Any]


def questions(reader: Reader, whole: Window) -> Iterator[Question]:
    """All of them; what they name is taken from one of the stores.

    Args:
        reader: Of a store that is filled.
        whole: All that happened in it.
    """
    middle = (whole.from_ms + whole.to_ms) // 2
    windows = {
        "whole": whole,
        "aligned": Window(whole.from_ms // HOUR_MS * HOUR_MS, -(-whole.to_ms // HOUR_MS) * HOUR_MS),
        "odd": Window(middle - 7 * MINUTE_MS + 1, middle + 11 * MINUTE_MS + 7_777),
        "before": Window(whole.from_ms - DAY_MS, whole.from_ms),
    }
    named = _named(reader, whole)
    filters = list(_filters(named))
    yield from _of_no_window(reader, named)
    for (what, window), (how, some) in itertools.product(windows.items(), filters):
        for question in _of_filters(window, some):
            yield Question(f"{question.label} {what} {how}", question.ask)
    for what, window in windows.items():
        for question in _of_window(window, named):
            yield Question(f"{question.label} {what}", question.ask)


def _named(reader: Reader, window: Window) -> dict[Dimension, list[str]]:
    found = {}
    for dimension in Dimension:
        rows = reader.breakdown(dimension, window, Filters(), 3)
        found[dimension] = [row.token for row in rows]
    return found


def _filters(named: dict[Dimension, list[str]]) -> Iterator[tuple[str, Filters]]:
    yield "all", Filters()
    for dimension, tokens in named.items():
        if tokens:
            yield f"only {dimension}", Filters(((dimension, tokens[0]),))
            yield f"without {dimension}", Filters((), ((dimension, tokens[0]),))
    consumers, services = named[Dimension.CONSUMER], named[Dimension.SERVICE]
    if consumers and services:
        yield (
            "two and not one",
            Filters(
                tuple((Dimension.CONSUMER, token) for token in consumers[:2]),
                ((Dimension.SERVICE, services[-1]),),
            ),
        )
    yield "a range of addresses", Filters(((Dimension.IP, "10.0.0.0/8"), (Dimension.IP, "198.51.100.0/24")))
    yield "what is unknown", Filters(((Dimension.CONSUMER, UNKNOWN_TOKEN),))
    yield "what is folded", Filters(((Dimension.IP, OTHER_TOKEN),))
    yield "nobody", Filters(((Dimension.CONSUMER, "nobody-of-this-name"),))
    yield "not nobody", Filters((), ((Dimension.CONSUMER, "nobody-of-this-name"),))


def _of_no_window(reader: Reader, named: dict[Dimension, list[str]]) -> Iterator[Question]:
    yield Question("freshness", methodcaller("freshness"))
    yield Question("health", _health)
    yield Question("plugins", methodcaller("plugins"))
    for dimension, tokens in named.items():
        for token in (*tokens, "nobody-of-this-name"):
            yield Question(f"resolve {dimension} {token}", methodcaller("resolve", dimension, token))
    parts = {token[:3] for tokens in named.values() for token in tokens} | {"a", "E", "%", "_", "\\", "10."}
    for part in sorted(parts):
        yield Question(f"search {part}", methodcaller("search", part, 20))
    newest = reader.freshness().last_seq
    for seq in sorted({1, 2, newest // 3, newest // 2, newest - 1, newest, newest + 1}):
        yield Question(f"event {seq}", methodcaller("event", seq))


def _health(reader: Reader) -> Any:
    return msgspec.structs.replace(reader.health(), **dict.fromkeys(PLACE))


def _of_filters(window: Window, some: Filters) -> Iterator[Question]:
    yield Question("totals", methodcaller("totals", window, some))
    for bucket_ms in (MINUTE_MS, HOUR_MS):
        for by in (None, Dimension.CONSUMER, Dimension.SERVICE, Dimension.IP):
            label = f"series {bucket_ms} {by}"
            yield Question(label, methodcaller("series", window, some, by, bucket_ms))
    for dimension in Dimension:
        yield Question(f"top {dimension}", methodcaller("top", dimension, window, some))
        yield Question(f"breakdown {dimension}", methodcaller("breakdown", dimension, window, some))
    for of, by in ((Dimension.CONSUMER, Dimension.IP), (Dimension.ROUTE, Dimension.LIMIT)):
        yield Question(f"pairs {of} {by}", methodcaller("pairs", of, by, window, some))
    yield from _of_events(window, some)


def _of_events(window: Window, some: Filters) -> Iterator[Question]:
    queries = {
        "every event": EventQuery(window=window, filters=some),
        "violations": EventQuery(window=window, filters=some, violations_only=True),
        "certain": EventQuery(window=window, filters=some, violations_only=True, certainties=("certain",)),
        "crud": EventQuery(window=window, filters=some, kinds=("crud", "cache")),
        "with a word": EventQuery(window=window, filters=some, text="ORDER"),
    }
    for name, query in queries.items():
        yield Question(f"events: {name}", methodcaller("events", query, None, 60))
        yield Question(f"tail: {name}", methodcaller("tail", query, 100, 40))
    yield Question("an export", lambda r: tuple(r.stream_events(queries["violations"])))
    yield Question("pages", lambda r: _pages(r, queries["every event"]))


def _pages(reader: Reader, query: EventQuery) -> list[Any]:
    found, before_seq = [], None
    for _ in range(4):
        page = reader.events(query, before_seq, 25)
        found.append(page)
        before_seq = page.next_seq
        if before_seq is None:
            break
    return found


def _of_window(window: Window, named: dict[Dimension, list[str]]) -> Iterator[Question]:
    yield Question("markers", methodcaller("markers", window))
    yield Question("kind_counts", methodcaller("kind_counts", window))
    yield Question("quarantine", methodcaller("quarantine", window))
    yield Question("gaps", methodcaller("gaps", window))
    yield Question("nodes", methodcaller("nodes", window.to_ms))
    yield Question("node_history", methodcaller("node_history", window, window.to_ms))
    yield Question("target_health", methodcaller("target_health", window))
    yield Question("cache_past", methodcaller("cache_past", window))
    yield Question("churned_keys", methodcaller("churned_keys", window))
    yield Question("config_pushes", methodcaller("config_pushes", window))
    yield Question("width_ms", methodcaller("width_ms", window, MINUTE_MS))
    for kind, by, event in (
        ("cache", "entity_type", None),
        ("cache", "node", "invalidated"),
        ("crud", "entity_type", None),
        ("cluster", "node", None),
    ):
        label = f"kind_series {kind} {by} {event}"
        yield Question(label, methodcaller("kind_series", window, MINUTE_MS, kind, by, event))
    for dimension, tokens in named.items():
        for token in tokens:
            label = f"activity {dimension} {token}"
            yield Question(label, methodcaller("activity", window, dimension, token, MINUTE_MS))
    consumers = tuple(named[Dimension.CONSUMER])
    yield Question(
        "spread", methodcaller("spread", Dimension.CONSUMER, Dimension.IP, consumers, window, Filters())
    )
