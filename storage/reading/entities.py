"""What is known of a consumer, service, route, node, limit or address; finding one by a part of its name."""

from __future__ import annotations

import json
from typing import Any

from domain.filters import Dimension
from storage.codes import DIM_OF, ENTITY_TYPE_OF, FIRST_KEY, WIDTHS_S, Dim
from storage.packing import prefix_of
from storage.reading.activity import MANY
from storage.reading.snapshot import Snapshot
from storage.reading.words import Word, keys_of, read_merged, read_words, tokens_of
from storage.rows import Entity

SEARCHED = (Dimension.CONSUMER, Dimension.IP, Dimension.SERVICE, Dimension.ROUTE)
MAX_FOUND = 100
_LAST = "\U0010ffff"


def resolve(snapshot: Snapshot, dimension: Dimension, text: str) -> Entity | None:
    """The entity that a token, id or (former) name stands for; None when it is nothing or not one thing."""
    dim = DIM_OF[dimension]
    merged = read_merged(snapshot)
    keys = {merged.get(key, key) for key in keys_of(snapshot, dim, text)}
    if len(keys) != 1:
        return None
    words = read_words(snapshot, keys)
    tokens = tokens_of(snapshot, dim, words.values())
    return next((_entity(snapshot, dimension, word, tokens[word.key]) for word in words.values()), None)


def _entity(snapshot: Snapshot, dimension: Dimension, word: Word, token: str) -> Entity:
    dim = DIM_OF[dimension]
    row: tuple[Any, ...] | None = None
    names: tuple[tuple[str, int, int | None], ...] = ()
    if dim in ENTITY_TYPE_OF and not word.is_name:
        row = snapshot.row(
            "SELECT attributes, first_seen_ms, deleted_ms FROM entities"
            " WHERE entity_type = ? AND entity_id = ?",
            (ENTITY_TYPE_OF[dim], word.value),
        )
        names = _names(snapshot, dim, word, None if row is None else row[2])
    first_ms, last_ms = _seen(snapshot, dim, word.key)
    attributes, told_ms, deleted_ms = row or (None, None, None)
    known = [at_ms for at_ms in (first_ms, told_ms) if at_ms is not None]
    return Entity(
        dimension=dimension,
        token=token,
        id=word.value,
        label=word.label,
        names=names,
        deleted_ms=deleted_ms,
        attributes=_attributes(dim, word, attributes),
        first_seen_ms=min(known, default=None),
        last_seen_ms=last_ms,
    )


def _names(
    snapshot: Snapshot, dim: Dim, word: Word, deleted_ms: int | None
) -> tuple[tuple[str, int, int | None], ...]:
    rows = snapshot.rows(
        "SELECT name, valid_from_ms FROM entity_names WHERE entity_type = ? AND entity_id = ?"
        " ORDER BY valid_from_ms LIMIT 1000",
        (ENTITY_TYPE_OF[dim], word.value),
    )
    ends = [*(from_ms for _, from_ms in rows[1:]), deleted_ms]
    return tuple(
        (name, from_ms, to_ms) for (name, from_ms), to_ms in zip(rows, ends, strict=False) if name is not None
    )


def _attributes(dim: Dim, word: Word, text: str | None) -> dict[str, Any]:
    if dim == Dim.IP and word.key >= FIRST_KEY:
        prefix = prefix_of(word.value)
        return {} if prefix is None else {"prefix": prefix}
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        # cut at 64 KiB when it was stored
        return {}
    return found if isinstance(found, dict) else {}


def _seen(snapshot: Snapshot, dim: Dim, key: int) -> tuple[int | None, int | None]:
    """First and last bucket in which it did anything, as narrow as is still kept."""
    keys = [key, *(k for (k,) in snapshot.rows("SELECT key_id FROM keys WHERE same_as = ?", (key,)))]
    first_s = min((s for k in keys if (s := _edge_s(snapshot, dim, k, "ASC")) is not None), default=None)
    last_s = max((s for k in keys if (s := _edge_s(snapshot, dim, k, "DESC")) is not None), default=None)
    return (
        None if first_s is None else first_s * 1000,
        None if last_s is None else last_s * 1000,
    )


def _edge_s(snapshot: Snapshot, dim: Dim, key: int, order: str) -> int | None:
    """The day, in it the hour, in it the minute, in it the ten seconds."""
    # of few names each bucket holds few rows; of many there is an index by name
    index = "INDEXED BY activity_by_key" if dim in MANY else ""
    known = " AND dim BETWEEN 1 AND 2" if dim in MANY else ""
    found, from_s, to_s = None, -(2**62), 2**62
    for res in reversed(range(len(WIDTHS_S))):
        bucket_s = snapshot.value(
            f"SELECT bucket_s FROM activity {index} WHERE dim = {int(dim)}{known} AND key = ? AND res = ?"
            f" AND bucket_s >= ? AND bucket_s < ? ORDER BY bucket_s {order} LIMIT 1",
            (key, res, from_s, to_s),
        )
        if bucket_s is None:
            break
        found, from_s, to_s = bucket_s, bucket_s, bucket_s + WIDTHS_S[res]
    return found


def search(snapshot: Snapshot, text: str, limit: int) -> tuple[Entity, ...]:
    """What begins with a text, then what holds it; within each by dimension and label."""
    text = text.strip()
    limit = max(0, min(limit, MAX_FOUND))
    if not text or not limit:
        return ()
    merged = read_merged(snapshot)
    found: list[Entity] = []
    seen: set[int] = set()
    for finder in (_beginning, _holding):
        for dimension in SEARCHED:
            dim = DIM_OF[dimension]
            keys = [merged.get(key, key) for key in finder(snapshot, dim, text, limit)]
            fresh = [key for key in dict.fromkeys(keys) if key not in seen]
            seen.update(fresh)
            words = sorted(read_words(snapshot, fresh).values(), key=lambda word: word.label)
            words = words[: limit - len(found)]
            tokens = tokens_of(snapshot, dim, words)
            found += [_entity(snapshot, dimension, word, tokens[word.key]) for word in words]
            if len(found) >= limit:
                return tuple(found)
    return tuple(found)


def _beginning(snapshot: Snapshot, dim: Dim, text: str, limit: int) -> list[int]:
    rows = snapshot.rows(
        "SELECT key_id FROM (SELECT key_id FROM keys INDEXED BY keys_by_value"
        " WHERE dim = ?1 AND value >= ?2 AND value < ?3 ORDER BY value LIMIT ?4)"
        " UNION SELECT key_id FROM (SELECT key_id FROM keys INDEXED BY keys_by_name"
        " WHERE dim = ?1 AND name >= ?2 AND name < ?3 ORDER BY name, key_id LIMIT ?4)",
        (dim, text, text + _LAST, limit),
    )
    return [key for (key,) in rows]


def _holding(snapshot: Snapshot, dim: Dim, text: str, limit: int) -> list[int]:
    pattern = "%" + text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
    rows = snapshot.rows(
        "SELECT key_id FROM keys INDEXED BY keys_by_value WHERE dim = ?1"
        r" AND (value LIKE ?2 ESCAPE '\' OR name LIKE ?2 ESCAPE '\') ORDER BY value LIMIT ?3",
        (dim, pattern, limit),
    )
    return [key for (key,) in rows]
