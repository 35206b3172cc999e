"""Which events a question means, as a condition on `events`; and where the totals say that they are."""

from __future__ import annotations

import bisect
import json
import re
from typing import Any, NamedTuple

from domain.windows import HOUR_MS, MINUTE_MS, Window
from storage.codes import CERTAINTY_CODES, META_EVENTS_FROM, PROBABLE, RES_CODES, Dim
from storage.packing import pack_id
from storage.packs import REFUSED
from storage.reading.activity import MANY, may_use_activity, read_activity
from storage.reading.cells import cells_of_few, few_combos
from storage.reading.entries import read_entries
from storage.reading.kinds import of_spans
from storage.reading.restriction import EVERYTHING, NOTHING, Restriction, read_restriction
from storage.reading.snapshot import Snapshot
from storage.reading.spans import Span, is_exact, read_kept, spans
from storage.reading.words import as_list
from storage.rows import EventQuery

_WHOLE_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MAX_WORDS = 8
MAX_NAMED = 2_000
"""Names that one searched word may match; of more the first so many are taken, in the order of the file."""
MAX_GUIDED_TYPES = 1_000
MAX_PLACES = 50_000
NAMED_DIMS = (Dim.CONSUMER, Dim.IP, Dim.SERVICE, Dim.ROUTE, Dim.NODE)


class Search(NamedTuple):
    """A question about events, looked up."""

    query: EventQuery
    restriction: Restriction
    types: tuple[int, ...] | None
    """The kinds and events that are asked for; None for all."""
    condition: str
    """On the columns of `events e`."""
    values: list[Any]
    seqs: tuple[int, ...] | None
    """The only events that it can be, where an id was asked for; None otherwise."""
    is_impossible: bool


def read_search(snapshot: Snapshot, query: EventQuery) -> Search:
    """Look up what a question names."""
    restriction = read_restriction(snapshot, query.filters)
    types = _types(snapshot, query)
    clause, bound = restriction.clause("e")
    parts = ["e.at_ms >= ?", "e.at_ms < ?", clause]
    values = [query.window.from_ms, query.window.to_ms, *bound]
    if types is not None:
        parts.append("e.type_id IN (SELECT value FROM json_each(?))")
        values.append(as_list(types))
    if query.violations_only:
        parts.append(f"e.counted = 1 AND e.certainty BETWEEN 1 AND {PROBABLE}")
    codes = [CERTAINTY_CODES[name] for name in query.certainties if name in CERTAINTY_CODES]
    if query.certainties:
        parts.append(f"e.certainty IN ({', '.join('?' * len(codes))})")
        values += codes
    seqs: tuple[int, ...] | None = None
    for word in query.text.split()[:MAX_WORDS]:
        with_id = _with_id(snapshot, word)
        if with_id:
            seqs = with_id if seqs is None else tuple(set(seqs) & set(with_id))
            continue
        part, bound = _word(snapshot, word)
        parts.append(part)
        values += bound
    is_impossible = restriction.is_impossible or types == () or bool(query.certainties and not codes)
    if query.violations_only and few_combos(snapshot, restriction) == ():
        is_impossible = True  # every violation that counts has its combination
    is_impossible = is_impossible or NOTHING in parts or seqs == ()
    return Search(query, restriction, types, " AND ".join(parts), values, seqs, is_impossible)


def _types(snapshot: Snapshot, query: EventQuery) -> tuple[int, ...] | None:
    if not (query.kinds or query.events):
        return None
    rows = snapshot.rows(
        "SELECT type_id FROM event_types"
        " WHERE (?1 = 1 OR kind IN (SELECT CAST(value AS TEXT) FROM json_each(?2)))"
        " AND (?3 = 1 OR event IN (SELECT CAST(value AS TEXT) FROM json_each(?4)))",
        (not query.kinds, json.dumps(query.kinds), not query.events, json.dumps(query.events)),
    )
    return tuple(type_id for (type_id,) in rows)


def _with_id(snapshot: Snapshot, word: str) -> tuple[int, ...]:
    """Events that have a word as their whole id, or as that of their request or log entry."""
    if not _WHOLE_ID.fullmatch(word):
        return ()
    ids = [pack_id(form) for form in (word, f"request:{word}", f"entry:{word}")]
    rows = snapshot.rows(
        "SELECT seq FROM events INDEXED BY events_by_id WHERE id IN (?, ?, ?)"
        " UNION SELECT seq FROM (SELECT seq FROM events INDEXED BY events_by_request"
        f" WHERE request_id = ? AND request_id IS NOT NULL LIMIT {MAX_NAMED})",
        (*ids, word),
    )
    return tuple(seq for (seq,) in rows)


def _word(snapshot: Snapshot, word: str) -> tuple[str, list[Any]]:
    """One searched word: in a name, an address, an event's name, or the beginning of a request id."""
    pattern = f"%{_escaped(word)}%"
    named = as_list(
        key
        for (key,) in snapshot.rows(
            f"SELECT key_id FROM keys WHERE dim IN ({', '.join(str(int(dim)) for dim in NAMED_DIMS)})"
            r" AND (value LIKE ?1 ESCAPE '\' OR name LIKE ?1 ESCAPE '\' OR first_name LIKE ?1 ESCAPE '\')"
            f" LIMIT {MAX_NAMED}",
            (pattern,),
        )
    )
    words = as_list(
        key
        for (key,) in snapshot.rows(
            rf"SELECT key_id FROM keys WHERE dim = ? AND value LIKE ? ESCAPE '\' LIMIT {MAX_NAMED}",
            (Dim.TEXT, pattern),
        )
    )
    types = as_list(
        type_id
        for (type_id,) in snapshot.rows(
            r"SELECT type_id FROM event_types WHERE event LIKE ?1 ESCAPE '\' OR kind LIKE ?1 ESCAPE '\'",
            (pattern,),
        )
    )
    if _WHOLE_ID.fullmatch(word) and {named, words, types} == {as_list(())}:
        return NOTHING, []
    columns = ("e.consumer", "e.ip", "e.service", "e.route", "e.node")
    names = ("e.consumer_name", "e.service_name", "e.route_name")
    parts = [f"{column} IN (SELECT value FROM json_each(?))" for column in columns]
    parts += [f"{column} IN (SELECT value FROM json_each(?))" for column in names]
    parts += ["e.type_id IN (SELECT value FROM json_each(?))", "e.id = ?", r"e.request_id LIKE ? ESCAPE '\'"]
    # of each event that is looked at; as EXISTS, PostgreSQL would look for it in all details first
    parts += [r"(SELECT d.entity_name FROM event_details d WHERE d.seq = e.seq) LIKE ? ESCAPE '\'"]
    values: list[Any] = [named] * len(columns) + [words] * len(names)
    values += [types, pack_id(f"request:{word}"), f"{_escaped(word)}%", pattern]
    return f"({' OR '.join(parts)})", values


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


class Places(NamedTuple):
    """Spans of time that hold every event that a question means, oldest first."""

    starts_ms: tuple[int, ...]
    width_ms: int

    def touch(self, from_ms: int, to_ms: int) -> bool:
        """Whether any of them has an instant in common with a span that is closed at both ends."""
        place = bisect.bisect_right(self.starts_ms, to_ms)
        return place > 0 and self.starts_ms[place - 1] + self.width_ms > from_ms


def read_places(snapshot: Snapshot, search: Search) -> Places | None:
    """Where the totals say that the events of a question are; None when they cannot say it cheaply."""
    query = search.query
    if query.violations_only and search.restriction.dims:
        return _places_of_violations(snapshot, search)
    if search.types is not None and len(search.types) <= MAX_GUIDED_TYPES:
        width_ms = max(HOUR_MS, read_kept(snapshot).finest_ms(query.window.from_ms))
        source, values = of_spans(
            [_span(query.window, width_ms)],
            "type_id IN (SELECT value FROM json_each(?))",
            [as_list(search.types)],
        )
        return _places(snapshot, source, values, width_ms)
    return None


def _places_of_violations(snapshot: Snapshot, search: Search) -> Places | None:
    """Only where the filters leave few combinations: where there are many, events are met soon enough."""
    window = search.query.window
    width_ms = max(MINUTE_MS, read_kept(snapshot).finest_ms(window.from_ms))
    few = few_combos(snapshot, search.restriction)
    if few is None:
        return None
    source, values = cells_of_few(few, _span(window, width_ms))
    return _places(snapshot, source, values, width_ms)


def _span(window: Window, width_ms: int) -> Span:
    whole = window.aligned(width_ms)
    return Span(RES_CODES[width_ms], whole.from_ms // 1000, whole.to_ms // 1000)


def _places(snapshot: Snapshot, source: str, values: list[Any], width_ms: int) -> Places | None:
    rows = snapshot.rows(
        f"SELECT DISTINCT bucket_s FROM ({source}) WHERE n > 0 ORDER BY bucket_s LIMIT {MAX_PLACES + 1}",
        values,
    )
    if len(rows) > MAX_PLACES:
        return None
    return Places(tuple(bucket_s * 1000 for (bucket_s,) in rows), width_ms)


def count(snapshot: Snapshot, search: Search) -> int | None:
    """How many events a question means, where totals say it; None otherwise."""
    query = search.query
    if search.is_impossible:
        return 0
    kept = read_kept(snapshot)
    cleared_ms = snapshot.value("SELECT value FROM meta WHERE name = ?", (META_EVENTS_FROM,)) or 0
    if query.text or not is_exact(query.window, kept) or query.window.from_ms < cleared_ms:
        return None
    wanted = spans(query.window, kept)
    if not wanted:
        return 0
    if query.violations_only and search.types is None:
        return _count_violations(snapshot, search, wanted)
    if not (search.restriction.dims or query.certainties or query.violations_only):
        types = search.types
        source, values = of_spans(
            wanted,
            EVERYTHING if types is None else "type_id IN (SELECT value FROM json_each(?))",
            [] if types is None else [as_list(types)],
        )
        return int(snapshot.value(f"SELECT coalesce(sum(n), 0) FROM ({source})", values))
    return None


def _count_violations(snapshot: Snapshot, search: Search, wanted: list[Span]) -> int | None:
    restriction, certainties = search.restriction, set(search.query.certainties)
    dims = restriction.dims
    dim = next(iter(dims)) if len(dims) == 1 else Dim.ALL
    if may_use_activity(dim, restriction) and dim not in MANY:
        sums = read_activity(snapshot, wanted, dim, restriction, {})
        limited, probable = (int(sums.measures[name].sum()) for name in ("limited", "probable"))
    else:
        entries = read_entries(snapshot, wanted, restriction, (), (REFUSED,))
        limited, probable = entries.total("limited"), entries.total("probable")
    if not certainties:
        return limited + probable
    return limited * ("certain" in certainties) + probable * ("probable" in certainties)
