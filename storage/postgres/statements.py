"""Our SQL as PostgreSQL reads it. Pure text in, text out; the results are remembered.

The books keep to what both engines understand. What is left is a matter of spelling: placeholders, hints for
SQLite's planner, `LIKE` that does not tell ASCII's cases apart, `IS` between values.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<numbered>\?\d+)|(?P<mark>\?)
    |(?P<cast>::)|(?P<named>:[a-z_][a-z0-9_]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<digits>[0-9]+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_TARGET = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]+)")
_ENDS_JOIN = {"JOIN", "CROSS", "LEFT", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION", "INNER", "HAVING", ","}
_NOT_A_VALUE = {"NULL", "NOT", "DISTINCT", "TRUE", "FALSE"}
_RENAMED = {"sqlite_sequence": "given_numbers"}
MAX_REMEMBERED = 4_096


class Statement(NamedTuple):
    """A statement for PostgreSQL."""

    text: str
    names: tuple[str, ...]
    """Names of the values by place; empty where they come in order."""
    arrays: tuple[int, ...]
    """Places of values that `json_each` takes apart."""
    target: str | None
    """The table that it writes."""


@functools.lru_cache(MAX_REMEMBERED)
def translate(sql: str, of_texts: tuple[int, ...] = ()) -> Statement:
    """A statement in PostgreSQL's spelling.

    Args:
        sql: In the SQL that our books share.
        of_texts: Places in `arrays` whose values are arrays of texts; the others are arrays of numbers.
            SQLite's `json_each` gives each value the type that it has, PostgreSQL's functions have one type.
    """
    tokens = [
        (match.lastgroup or "", _RENAMED.get(match[0], match[0]))
        for match in _TOKEN.finditer(sql)
        if match.lastgroup != "space"
    ]
    target = _TARGET.match(sql)
    found = _Translation(tokens, of_texts)
    return Statement(found.text(), tuple(found.names), tuple(found.arrays), target[1] if target else None)


def bound(statement: Statement, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """The values of a statement in order."""
    if isinstance(values, Mapping):
        return [values[name] for name in statement.names]
    return list(values)


def of_texts(statement: Statement, values: Sequence[Any]) -> tuple[int, ...]:
    """Which of the arrays that a statement takes apart hold texts."""
    return tuple(place for place in statement.arrays if str(values[place]).lstrip(" [").startswith('"'))


class _Translation:
    """One statement on its way; tokens are (what it is, its text)."""

    def __init__(self, tokens: list[tuple[str, str]], of_texts: tuple[int, ...]) -> None:
        self._tokens = tokens
        self._of_texts = of_texts
        self._marks = 0
        self.names: list[str] = []
        self.arrays: list[int] = []

    def text(self) -> str:
        """All of it, one space between any two tokens that need it."""
        out: list[str] = []
        place = 0
        while place < len(self._tokens):
            taken, word = self._at(place)
            if word:
                out.append(word)
            place += taken
        return _spaced(out)

    def _at(self, place: int) -> tuple[int, str]:  # noqa: PLR0911 - one line a spelling
        """How many tokens are read here, and what stands for them."""
        kind, token = self._tokens[place]
        if kind in {"mark", "numbered", "named"}:
            return 1, self._placeholder(kind, token)
        if kind != "word":
            return 1, token
        upper = token.upper()
        if upper == "INDEXED" and self._word(place + 1) == "BY":
            return 3, ""
        if upper == "NOT" and self._word(place + 1) == "INDEXED":
            return 2, ""
        if upper == "CROSS" and self._word(place + 1) == "JOIN" and self._has_condition(place + 2):
            return 2, "JOIN"
        if upper == "LIKE":
            return 1, "ILIKE"
        if upper == "IS":
            return self._is(place)
        if token == "json_each":  # noqa: S105 - SQL, and no password
            return 1, self._json_each(place)
        return 1, token

    def _placeholder(self, kind: str, token: str) -> str:
        if kind == "named":
            if token[1:] not in self.names:
                self.names.append(token[1:])
            return f"${self.names.index(token[1:]) + 1}"
        if kind == "numbered":
            return f"${token[1:]}"
        self._marks += 1
        return f"${self._marks}"

    def _word(self, place: int) -> str:
        return self._tokens[place][1].upper() if place < len(self._tokens) else ""

    def _has_condition(self, place: int) -> bool:
        """Whether `ON` or `USING` follows before the next join; without one PostgreSQL says CROSS too."""
        depth = 0
        for _, token in self._tokens[place:]:
            upper = token.upper()
            if token == "(":  # noqa: S105
                depth += 1
            elif token == ")":  # noqa: S105
                depth -= 1
            if depth < 0:
                return False
            if not depth and upper in {"ON", "USING"}:
                return True
            if not depth and upper in _ENDS_JOIN:
                return False
        return False

    def _is(self, place: int) -> tuple[int, str]:
        """`a IS b` between values."""
        is_not = self._word(place + 1) == "NOT"
        following = place + 2 if is_not else place + 1
        if self._word(following) in _NOT_A_VALUE:
            return 1, "IS"
        return following - place, f"IS {'' if is_not else 'NOT '}DISTINCT FROM"

    def _json_each(self, place: int) -> str:
        kind, token = self._tokens[place + 2]
        if kind not in {"mark", "numbered"}:
            return "json_texts"
        number = self._marks if kind == "mark" else int(token[1:]) - 1
        if number not in self.arrays:
            self.arrays.append(number)
        return "json_texts" if number in self._of_texts else "json_numbers"


def _spaced(words: list[str]) -> str:
    out: list[str] = []
    for word in words:
        before = out[-1][-1] if out else ""
        if before and (before.isalnum() or before in "_$'\"") and (word[0].isalnum() or word[0] in "_$'\""):
            out.append(" ")
        out.append(word)
    return "".join(out)
