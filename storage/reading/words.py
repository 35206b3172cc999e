"""Tokens, ids and names <-> the numbers that tables hold.

A token is what stands in a URL: the current name where it means one thing only, else Kong's id, else `~#` and
the number in this file. A bare name whose id became known later counts as that id (`keys.same_as`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domain.filters import MAX_VALUE_CHARS, OTHER_TOKEN, UNKNOWN_TOKEN
from storage.codes import ENTITY_TYPE_OF, NONE_KEY, OTHER_KEY, Dim
from storage.packing import address_range
from storage.reading.snapshot import Snapshot

NUMBER_TOKEN = "~#"  # noqa: S105 - the beginning of a token, not a secret
_MOST_DIGITS = 18


class Word(NamedTuple):
    """What a number stands for."""

    key: int
    value: str
    """Kong's id where there is one, else the name or the address."""
    is_name: bool
    first_name: str | None
    name: str | None
    """The latest one."""
    deleted_ms: int | None

    @property
    def label(self) -> str:
        """What people read."""
        return self.name if self.name is not None else self.value

    @property
    def id(self) -> str | None:
        """Kong's id; None where only a name is known."""
        return None if self.is_name else self.value


def as_list(keys: Iterable[int]) -> str:
    """Numbers as one bound value, for `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(keys))


def read_merged(snapshot: Snapshot) -> dict[int, int]:
    """Bare names whose id became known later: their number -> the number of that id."""
    return dict(
        snapshot.rows("SELECT key_id, same_as FROM keys INDEXED BY keys_merged WHERE same_as IS NOT NULL")
    )


def read_words(snapshot: Snapshot, keys: Iterable[int]) -> dict[int, Word]:
    """What numbers stand for; those that stand for nothing are left out."""
    rows = snapshot.rows(
        "SELECT k.key_id, k.value, k.is_name, k.first_name, k.name, k.deleted_ms"
        " FROM json_each(?) j CROSS JOIN keys k ON k.key_id = j.value",
        (as_list(set(keys)),),
    )
    return {row[0]: Word(row[0], row[1], bool(row[2]), row[3], row[4], row[5]) for row in rows}


def tokens_of(snapshot: Snapshot, dim: Dim, words: Iterable[Word]) -> dict[int, str]:
    """The token of each word of a dimension. Words that were joined with another are not asked for."""
    found: dict[int, str] = {}
    wanted = list(words)
    owners = _owners(snapshot, dim, [word.label for word in wanted])
    for word in wanted:
        if word.key == NONE_KEY:
            found[word.key] = UNKNOWN_TOKEN
        elif word.key == OTHER_KEY:
            found[word.key] = OTHER_TOKEN
        elif _is_plain(dim, word.label) and owners.get(word.label) == {word.key}:
            found[word.key] = word.label
        elif not word.is_name and _is_plain(dim, word.value):
            found[word.key] = word.value
        else:
            found[word.key] = f"{NUMBER_TOKEN}{word.key}"
    return found


def keys_of(snapshot: Snapshot, dim: Dim, token: str) -> tuple[int, ...]:
    """The numbers that a token, an id, a name or a former name stands for; empty when nothing is known.

    An id means itself even where something else is called so: a name must not draw in what is another's.
    A former name is only looked for where nothing is called so now. For addresses also a range, `10.0.0.0/8`.
    """
    if token == UNKNOWN_TOKEN:
        return (NONE_KEY,)
    if token == OTHER_TOKEN:
        return (OTHER_KEY,)
    if token.startswith(NUMBER_TOKEN):
        return _with_joined(snapshot, _numbered(snapshot, dim, token[len(NUMBER_TOKEN) :]))
    if dim == Dim.IP and (found := address_range(token)) is not None:
        return _in_range(snapshot, *found)
    rows = snapshot.rows(
        "SELECT key_id, is_name, same_as, 0 FROM keys WHERE dim = ?1 AND value = ?2"
        " UNION ALL SELECT key_id, is_name, same_as, 1 FROM keys INDEXED BY keys_by_name"
        " WHERE dim = ?1 AND name = ?2",
        (dim, token),
    )
    ids = [key for key, is_name, _, is_called in rows if not is_name and not is_called]
    if not ids:
        ids = [same_as or key for key, _, same_as, _ in rows]
    if not ids and dim in ENTITY_TYPE_OF:
        ids = _once_called(snapshot, dim, token)
    return _with_joined(snapshot, ids)


def _is_plain(dim: Dim, text: str) -> bool:
    """Whether a text can stand in a URL and be found again as a filter."""
    is_range = dim == Dim.IP and "/" in text
    return 0 < len(text) <= MAX_VALUE_CHARS and not text.startswith("~") and not is_range


def _owners(snapshot: Snapshot, dim: Dim, names: Sequence[str]) -> dict[str, set[int]]:
    """Who each text means: ids and bare names that are it, and what is called so now."""
    owners: dict[str, set[int]] = {}
    if not names:
        return {}
    wanted = json.dumps(list(set(names)))
    rows = snapshot.rows(
        "SELECT k.value, coalesce(k.same_as, k.key_id) FROM json_each(?1) j"
        " CROSS JOIN keys k ON k.dim = ?2 AND k.value = j.value"
        " UNION ALL SELECT k.name, coalesce(k.same_as, k.key_id) FROM json_each(?1) j"
        " CROSS JOIN keys k ON k.dim = ?2 AND k.name = j.value",
        (wanted, dim),
    )
    for name, key in rows:
        owners.setdefault(name, set()).add(key)
    return owners


def _numbered(snapshot: Snapshot, dim: Dim, digits: str) -> list[int]:
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > _MOST_DIGITS:
        return []
    rows = snapshot.rows(
        "SELECT coalesce(same_as, key_id) FROM keys WHERE key_id = ? AND dim = ?", (int(digits), dim)
    )
    return [key for (key,) in rows]


def _once_called(snapshot: Snapshot, dim: Dim, name: str) -> list[int]:
    rows = snapshot.rows(
        "SELECT DISTINCT k.key_id FROM entity_names n INDEXED BY entity_names_by_name"
        " CROSS JOIN keys k ON k.dim = ? AND k.value = n.entity_id WHERE n.entity_type = ? AND n.name = ?",
        (dim, ENTITY_TYPE_OF[dim], name),
    )
    return [key for (key,) in rows]


def _in_range(snapshot: Snapshot, first: bytes, last: bytes) -> tuple[int, ...]:
    """Addresses of a range, and the rests of whole prefixes in it: no other addresses have names."""
    size = int.from_bytes(last, "big") - int.from_bytes(first, "big") + 1
    is_narrow = size < (2**8 if len(first) == 4 else 2**64)  # noqa: PLR2004 - bytes of an IPv4 address
    whose = " AND name IS NULL" if is_narrow else ""
    rows = snapshot.rows(
        "SELECT key_id FROM keys INDEXED BY keys_by_address"
        f" WHERE ip_sort BETWEEN ? AND ? AND length(ip_sort) = ?{whose}",
        (first, last, len(first)),
    )
    return tuple(key for (key,) in rows)


def _with_joined(snapshot: Snapshot, keys: Iterable[int]) -> tuple[int, ...]:
    """Together with the bare names that count as one of them."""
    wanted = sorted(set(keys))
    if not wanted:
        return ()
    rows = snapshot.rows(
        "SELECT k.key_id FROM json_each(?) j CROSS JOIN keys k INDEXED BY keys_merged ON k.same_as = j.value",
        (as_list(wanted),),
    )
    return tuple(sorted({*wanted, *(key for (key,) in rows)}))
