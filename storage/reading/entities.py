"""What is known of a consumer, service, route, node, limit or address; finding one by a part of its name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from domain.filters import Dimension
from storage.codes import DIM_OF, ENTITY_TYPE_OF, FIRST_KEY, WIDTHS_S, Dim
from storage.packing import prefix_of
from storage.reading.activity import MANY
from storage.reading.snapshot import Snapshot
from storage.reading.words import Word, as_list, keys_of, read_merged, read_words, tokens_of
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
    return next(iter(_entities(snapshot, dimension, list(read_words(snapshot, keys).values()))), None)


def _entities(snapshot: Snapshot, dimension: Dimension, words: Sequence[Word]) -> list[Entity]:
    """What is known of some words of a dimension, in their order."""
    if not words:
        return []
    dim = DIM_OF[dimension]
    tokens = tokens_of(snapshot, dim, words)
    told = _told(snapshot, dim, [word.value for word in words if not word.is_name])
    seen = _seen(snapshot, dim, [word.key for word in words])
    found: list[Entity] = []
    for word in words:
        attributes, told_ms, deleted_ms = (None if word.is_name else told.get(word.value)) or (None,) * 3
        first_ms, last_ms = seen[word.key]
        has_names = dim in ENTITY_TYPE_OF and not word.is_name
        found.append(
            Entity(
                dimension=dimension,
                token=tokens[word.key],
                id=word.value,
                label=word.label,
                names=_names(snapshot, dim, word, deleted_ms) if has_names else (),
                deleted_ms=deleted_ms,
                attributes=_attributes(dim, word, attributes),
                first_seen_ms=min(
                    (at_ms for at_ms in (first_ms, told_ms) if at_ms is not None), default=None
                ),
                last_seen_ms=last_ms,
            )
        )
    return found


def _told(snapshot: Snapshot, dim: Dim, ids: Sequence[str]) -> dict[str, tuple[Any, Any, Any]]:
    """What Kong told of some ids: attributes, when first, when they were deleted."""
    if not ids or dim not in ENTITY_TYPE_OF:
        return {}
    rows = snapshot.rows(
        "SELECT e.entity_id, e.attributes, e.first_seen_ms, e.deleted_ms FROM json_each(?2) j"
        " CROSS JOIN entities e ON e.entity_type = ?1 AND e.entity_id = j.value",
        (ENTITY_TYPE_OF[dim], json.dumps(list(ids))),
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


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


def _seen(snapshot: Snapshot, dim: Dim, keys: Sequence[int]) -> dict[int, tuple[int | None, int | None]]:
    """First and last bucket in which each did anything, as narrow as is still kept, in ms."""
    means = {key: key for key in keys}
    means |= snapshot.rows(
        "SELECT k.key_id, k.same_as FROM json_each(?) j CROSS JOIN keys k INDEXED BY keys_merged"
        " ON k.same_as = j.value",
        (as_list(keys),),
    )
    first_s, last_s = (_edges_s(snapshot, dim, list(means), order) for order in ("ASC", "DESC"))
    found: dict[int, tuple[int | None, int | None]] = {}
    for key in keys:
        its = [bare for bare, known in means.items() if known == key]
        first = min((first_s[one] for one in its if one in first_s), default=None)
        last = max((last_s[one] for one in its if one in last_s), default=None)
        found[key] = (None if first is None else first * 1000, None if last is None else last * 1000)
    return found


def _edges_s(snapshot: Snapshot, dim: Dim, keys: Sequence[int], order: str) -> dict[int, int]:
    """Of each the day, in it the hour, in it the minute, in it the ten seconds; those with nothing left out.

    All at once: one by one, a search for a name asked a server five hundred times.
    """
    # of few names each bucket holds few rows; of many there is an index by name
    index = "INDEXED BY activity_by_key" if dim in MANY else ""
    known = " AND dim BETWEEN 1 AND 2" if dim in MANY else ""
    found: dict[int, int] = {}
    from_s, width_s = dict.fromkeys(keys, -(2**61)), 2**62
    for res in reversed(range(len(WIDTHS_S))):
        rows = snapshot.rows(
            f"SELECT k.value, (SELECT bucket_s FROM activity {index} WHERE dim = {int(dim)}{known}"
            " AND activity.key = k.value AND res = ? AND bucket_s >= f.value AND bucket_s < f.value + ?"
            f" ORDER BY bucket_s {order} LIMIT 1)"
            " FROM json_each(?) k CROSS JOIN json_each(?) f ON f.key = k.key",
            (res, width_s, as_list(from_s), as_list(from_s.values())),
        )
        from_s, width_s = {key: bucket_s for key, bucket_s in rows if bucket_s is not None}, WIDTHS_S[res]
        if not from_s:
            break
        found |= from_s
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
            found += _entities(snapshot, dimension, words)
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
