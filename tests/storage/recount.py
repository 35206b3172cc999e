"""Counts everything anew, the slow and plain way: from the stored events and a list of requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from domain.events import Traffic
from storage.codes import CERTAIN, MEASURES, PROBABLE, WIDTHS_S, Dim
from storage.engine import Connection
from storage.packing import prefix_of
from tests.storage.filling import rows

Place = tuple[int, str, int, str]
"""resolution, dimension, bucket start, word"""
NOTHING = "~none"

_EVENTS = """
SELECT e.at_ms, e.certainty, e.counted, (e.flags & 2) > 0 AND (e.flags & 4) = 0 AS is_new_request, e.status,
    c.value, i.value, s.value, r.value, n.value, l.value
FROM events e JOIN keys c ON c.key_id = e.consumer JOIN keys i ON i.key_id = e.ip
JOIN keys s ON s.key_id = e.service JOIN keys r ON r.key_id = e.route
JOIN keys n ON n.key_id = e.node JOIN keys l ON l.key_id = e.limit_key"""
_DIMS = (Dim.CONSUMER, Dim.IP, Dim.SERVICE, Dim.ROUTE, Dim.NODE, Dim.LIMIT)


def counted_anew(path: Path | Connection, requests: Iterable[Traffic]) -> dict[Place, dict[str, int]]:
    """What `activity` must hold, by words."""
    found: dict[Place, Counter[str]] = defaultdict(Counter)
    for at_ms, certainty, counted, is_new_request, status, *words in rows(path, _EVENTS):
        measures = []
        if counted and certainty == CERTAIN:
            measures.append("limited")
        if counted and certainty == PROBABLE:
            measures.append("probable")
        if is_new_request:
            measures.append("requests")
            if certainty not in {CERTAIN, PROBABLE}:
                measures += _status_measure(status or 0, upstream_limited=False)
        _add(found, at_ms, words, measures, 1)
    for one in requests:
        words = [one.consumer_id, one.ip, one.service_id, one.route_id, one.node, None]
        measures = ["requests", *_status_measure(one.status, upstream_limited=one.upstream_limited)]
        _add(found, one.at_ms, [word or NOTHING for word in words], measures, one.count)
    return {place: dict(counts) for place, counts in found.items()}


def _prefix(address: str) -> str:
    return prefix_of(address) or (address if address == "~other" or "/" in address else NOTHING)


def _status_measure(status: int, *, upstream_limited: bool) -> list[str]:
    if upstream_limited:
        return ["upstream_429"]
    if status == 401:
        return ["s401"]
    name = {2: "s2xx", 3: "s3xx", 4: "s4xx"}.get(status // 100, "s5xx" if status >= 500 else "")
    return [name] if name else []


def _add(found: dict[Place, Counter[str]], at_ms: int, words: list[str], measures: list[str], n: int) -> None:
    if not measures:
        return
    places = [(Dim.ALL, NOTHING), (Dim.PREFIX, _prefix(words[1]))]
    places += [
        (dim, word)
        for dim, word in zip(_DIMS, words, strict=True)
        if dim is not Dim.LIMIT or word != NOTHING or {"limited", "probable"} & set(measures)
    ]
    for res, width_s in enumerate(WIDTHS_S):
        bucket_s = at_ms // 1000 // width_s * width_s
        for dim, word in places:
            for measure in measures:
                found[res, dim.name, bucket_s, word][measure] += n


def stored_activity(path: Path | Connection) -> dict[Place, dict[str, int]]:
    """What `activity` holds, by words, without its zeros."""
    query = f"SELECT a.res, a.dim, a.bucket_s, k.value, {', '.join(MEASURES)} FROM activity a"
    found = {}
    for res, dim, bucket_s, word, *counts in rows(path, f"{query} JOIN keys k ON k.key_id = a.key"):
        named = dict(zip(MEASURES, counts, strict=True))
        found[res, Dim(dim).name, bucket_s, word] = {name: n for name, n in named.items() if n}
    return found


def stored_cells(path: Path | Connection) -> dict[Place, dict[str, int]]:
    """What `activity` would hold if it were summed from `cells`: the two must agree in every dimension."""
    query = (
        "SELECT x.res, x.bucket_s, x.n, b.outcome, c.value, i.value, s.value, r.value, n.value, l.value"
        " FROM cells x JOIN combos b USING (combo) JOIN keys c ON c.key_id = b.consumer"
        " JOIN keys i ON i.key_id = b.ip JOIN keys s ON s.key_id = b.service"
        " JOIN keys r ON r.key_id = b.route JOIN keys n ON n.key_id = b.node"
        " JOIN keys l ON l.key_id = b.limit_key"
    )
    found: dict[Place, Counter[str]] = defaultdict(Counter)
    for res, bucket_s, n, outcome, *words in rows(path, query):
        measures = _OUTCOMES[outcome]
        places = [(Dim.ALL, NOTHING), (Dim.PREFIX, _prefix(words[1]))]
        places += [
            (dim, word)
            for dim, word in zip(_DIMS, words, strict=True)
            if dim is not Dim.LIMIT or word != NOTHING or outcome <= 4
        ]
        for dim, word in places:
            for measure in measures:
                found[res, dim.name, bucket_s, word][measure] += n
    return {place: dict(counts) for place, counts in found.items()}


_OUTCOMES = {
    1: ("requests", "limited"),
    2: ("requests", "probable"),
    3: ("limited",),
    4: ("probable",),
    5: ("requests", "s2xx"),
    6: ("requests", "s3xx"),
    7: ("requests", "s401"),
    8: ("requests", "s4xx"),
    9: ("requests", "s5xx"),
    10: ("requests", "upstream_429"),
    11: ("requests",),
}
"""Written out once more on purpose: numbers in files never change."""


def kinds_anew(path: Path | Connection) -> dict[tuple[int, int, int, int, int], int]:
    """What `kind_counts` must hold."""
    found: Counter[tuple[int, int, int, int, int]] = Counter()
    query = (
        "SELECT e.at_ms, e.type_id, coalesce(d.entity_type, 0), e.node"
        " FROM events e LEFT JOIN event_details d USING (seq)"
    )
    for at_ms, type_id, entity_type, node in rows(path, query):
        for res, width_s in enumerate(WIDTHS_S):
            found[res, at_ms // 1000 // width_s * width_s, type_id, entity_type, node] += 1
    return dict(found)


def stored_kinds(path: Path | Connection) -> dict[tuple[int, int, int, int, int], int]:
    """What `kind_counts` holds."""
    query = "SELECT res, bucket_s, type_id, entity_type, node, n FROM kind_counts"
    return {place: n for *key, n in rows(path, query) if (place := (key[0], key[1], key[2], key[3], key[4]))}
