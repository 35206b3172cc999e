"""A reader whose answers a test writes down, and a page run on it.

    reader = ScriptedReader(freshness=live_freshness(NOW_MS), breakdown=(row(...),))
    page = run_page("consumers", reader, "range=1h&of=acme")
    assert not page.exception

A value may be a function: it is then called with the question's arguments. An exception is raised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

from streamlit.testing.v1 import AppTest

from domain.windows import DAY_MS
from storage.batches import CollectorStatus
from storage.node_rows import CachePast, KindSeries, Nodes, Targets
from storage.rows import EventPage, Freshness, Series, SourceState, StoreHealth, Top, Totals
from ui import store

NOW_MS = 1_795_384_800_000
"""2026-11-22 22:00:00 UTC, on a whole hour."""


def source_state(**changes: Any) -> SourceState:
    """A connected stream that sent its last event a second before `NOW_MS`."""
    values: dict[str, Any] = {
        "source": "gw-1",
        "way": "stream",
        "connected": True,
        "peer": "10.0.0.1",
        "node_id": "n-1",
        "hostname": "gw-1",
        "version": "3.9.1",
        "first_received_ms": NOW_MS - 30 * DAY_MS,
        "last_received_ms": NOW_MS - 1_000,
        "last_beat_ms": NOW_MS - 500,
        "events": 1_000,
        "requests": 20_000,
        "duplicates": 3,
        "quarantined": 0,
        "gaps": 0,
        "acked": 1_000,
    }
    return SourceState(**(values | changes))


def collector_status(**changes: Any) -> CollectorStatus:
    """A collector that is well."""
    values: dict[str, Any] = {
        "pid": 1,
        "version": "0.1.0",
        "started_ms": NOW_MS - DAY_MS,
        "beat_ms": NOW_MS - 500,
        "ws": "127.0.0.1:8765",
        "http": "127.0.0.1:8766",
        "state": "ok",
        "detail": "",
    }
    return CollectorStatus(**(values | changes))


def live_freshness(**changes: Any) -> Freshness:
    """Everything is as it should be."""
    values: dict[str, Any] = {
        "last_seq": 1_000,
        "last_received_ms": NOW_MS - 1_000,
        "last_beat_ms": NOW_MS - 500,
        "collector": collector_status(),
        "sources": (source_state(),),
    }
    return Freshness(**(values | changes))


NO_FRESHNESS = Freshness(last_seq=0, last_received_ms=None, last_beat_ms=None, collector=None, sources=())


def totals(**changes: Any) -> Totals:
    """Nothing happened, and that is known."""
    values: dict[str, Any] = {
        "requests": 0,
        "limited": 0,
        "probable": 0,
        "unauthorized": 0,
        "upstream_limited": 0,
        "server_errors": 0,
        "consumers": 0,
        "addresses": 0,
        "cache_invalidations": 0,
        "config_changes": 0,
        "last_change_ms": None,
        "at_least": False,
        "gap_ms": 0,
    }
    return Totals(**(values | changes))


def store_health(**changes: Any) -> StoreHealth:
    """A small store."""
    values: dict[str, Any] = {
        "path": "data/gatewatch.db",
        "file_bytes": 1_000_000,
        "wal_bytes": 0,
        "free_disk_bytes": 10_000_000_000,
        "events": 0,
        "oldest_event_ms": None,
        "newest_event_ms": None,
        "quarantined": 0,
        "gaps": 0,
        "distinct": {},
        "folded": 0,
        "schema_version": 1,
        "kinds": (),
    }
    return StoreHealth(**(values | changes))


EMPTY: dict[str, Any] = {
    "data_version": 1,
    "freshness": NO_FRESHNESS,
    "totals": totals(requests=None),
    "series": lambda window, _filters, _group, bucket_ms, *_: Series(
        from_ms=window.from_ms,
        bucket_ms=bucket_ms,
        buckets=-(-window.length_ms // bucket_ms),
        groups=(),
        requests=None,
    ),
    "top": Top(rows=(), distinct=0, rest=0, at_least=False),
    "resolve": None,
    "search": (),
    "breakdown": (),
    "pairs": (),
    "spread": {},
    "plugins": (),
    "width_ms": lambda _window, wanted_ms: wanted_ms,
    "activity": (),
    "tail": (),
    "events": EventPage(rows=(), next_seq=None, total=None),
    "event": None,
    "markers": (),
    "kind_counts": (),
    "quarantine": (),
    "gaps": (),
    "health": store_health(),
    "nodes": Nodes(rows=(), watched_until_ms=None, is_watched=False),
    "node_history": (),
    "target_health": Targets(now=(), changes=(), is_cut=False),
    "kind_series": lambda window, bucket_ms, *_: KindSeries(
        from_ms=window.from_ms,
        bucket_ms=bucket_ms,
        buckets=-(-window.length_ms // bucket_ms),
        groups=(),
    ),
    "cache_past": lambda window: CachePast(events=(), changes=(), from_ms=window.from_ms),
    "churned_keys": (),
    "config_pushes": (),
}


class ScriptedReader:
    """Implements `storage.protocol.Reader`: what is not given answers like an empty store."""

    def __init__(self, **answers: Any) -> None:
        self.answers = EMPTY | answers
        self.asked: list[tuple[str, tuple[Any, ...]]] = []
        """Every question with its arguments, in order."""

    def __getattr__(self, name: str) -> Any:
        if name not in self.answers:
            raise AttributeError(name)

        def answer(*arguments: Any, **named: Any) -> Any:
            self.asked.append((name, (*arguments, *named.values())))
            found = self.answers[name]
            if isinstance(found, Exception):
                raise found
            return found(*arguments, **named) if callable(found) else found

        return answer

    def stream_events(self, query: Any) -> Iterator[Any]:
        """The rows of `events`."""
        yield from self.events(query).rows

    def close(self) -> None:
        """Nothing is open."""


def run_page(name: str, reader: Any, query: str = "", *, now_ms: int = NOW_MS, sample: Any = None) -> AppTest:
    """Run a page once, as Streamlit does; call `.run()` on the result within `store.using` for more."""

    def script(name: str) -> None:
        import importlib  # noqa: PLC0415 - the text of this function is run as a script

        importlib.import_module(f"ui.pages.{name}").render()

    page = AppTest.from_function(script, kwargs={"name": name}, default_timeout=30)
    for key, values in parse_qs(query).items():
        page.query_params[key] = values
    with store.using(lambda is_sample: (sample or reader) if is_sample else reader, lambda: now_ms):
        return page.run()


def params_of(page: AppTest) -> dict[str, list[str]]:
    """The parameters of a page's URL; Streamlit gives a single value bare."""
    found = dict(page.query_params)
    return {name: value if isinstance(value, list) else [value] for name, value in found.items()}
