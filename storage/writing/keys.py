"""Words -> small integers, kept in `keys`; the newest ones also in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from storage.codes import NONE_KEY, OTHER_KEY, Dim
from storage.engine import Connection
from storage.packing import address_range, limit_token, prefix_of, sort_bytes

MAX_CACHED = 30_000
"""About 6 MB. When full the older half goes; a miss costs one index look-up, about 3 us."""
MAX_PREFIXES = 20_000
"""About 2 MB: prefixes of addresses, asked for with every total."""
MAX_LIMITS = 10_000
MAX_VALUE_CHARS = 4_096
END_OF_TIME_MS = 253_402_300_800_000
"""The year 10000: the last that calendars and JavaScript agree upon."""


class KeyBook:
    """Gives every word of a dimension its number.

    Args:
        connection: The writer's; new words are inserted in the transaction that is open.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._keys: dict[tuple[int, str], int] = {}
        self._prefixes: dict[int, int] = {}
        self._limits: dict[tuple[str | None, int | None, int | None], int] = {}
        self._absent: set[tuple[int, str]] = set()
        self._fresh: dict[int, str] = {}
        """Addresses of this transaction by number: none of them can have been replaced."""
        self.added: Counter[int] = Counter()
        """New words by dimension since the transaction began."""

    def forget(self) -> None:
        """Drop everything remembered: it may have been rolled back."""
        self._keys.clear()
        self._prefixes.clear()
        self._limits.clear()
        self.added.clear()
        self.begin()

    def begin(self) -> None:
        """A transaction begins: what was absent may be there."""
        self._absent.clear()
        self._fresh.clear()

    def unknown(self, dim: int, values: Iterable[str]) -> list[str]:
        """Those whose number is not remembered."""
        return [value for value in values if (dim, value) not in self._keys]

    def foresee(self, dim: int, asked: Iterable[str], found: Iterable[tuple[str, int]]) -> None:
        """In this transaction these words will be asked for, and these of them have numbers."""
        self._absent.update((dim, value) for value in asked)
        for value, key in found:
            self._absent.discard((dim, value))
            self._remember(dim, value, key)

    def find(self, dim: int, value: str) -> int | None:
        """The number of a word, None when it has none yet."""
        key = self._keys.get((dim, value))
        if key is None:
            if (dim, value) in self._absent:
                return None
            row = self._connection.execute(
                "SELECT key_id FROM keys WHERE dim = ? AND value = ?", (dim, value)
            ).fetchone()
            if row is None:
                return None
            key = self._remember(dim, value, row[0])
        return key

    def key(self, dim: int, value: str | None) -> int:
        """The number of a word, a new one where it had none; `NONE_KEY` for None.

        Raises:
            ValueError: The word cannot be stored: not text, a lone surrogate, or too long.
        """
        if value is None:
            return NONE_KEY
        key = self._keys.get((dim, value))
        if key is None:
            check_text(value)
            key = self.find(dim, value)
        return self.add(dim, value) if key is None else key

    def add(self, dim: int, value: str, *, name: str | None = None, is_name: bool = False) -> int:
        """Give a word that has none its number."""
        (key,) = self._connection.execute(
            "INSERT INTO keys (dim, value, is_name, first_name, ip_sort) VALUES (?, ?, ?, ?, ?)"
            " RETURNING key_id",
            (dim, value, is_name, name, sort_bytes(value) if dim == Dim.IP else None),
        ).fetchone()
        self.added[dim] += 1
        self._absent.discard((dim, value))
        if dim == Dim.IP:
            self._fresh[key] = value
        return self._remember(dim, value, key)

    def add_rest(self, prefix: str) -> int:
        """Give the addresses of a prefix that are not told apart their number: one word among addresses.

        It stands where the prefix begins, so that a filter by a range around it finds it. No address has a
        name but these: by that they are told from addresses.
        """
        found = address_range(prefix)
        (key,) = self._connection.execute(
            "INSERT INTO keys (dim, value, is_name, name, ip_sort) VALUES (?, ?, 0, ?, ?) RETURNING key_id",
            (Dim.IP, prefix, f"rest of {prefix}", None if found is None else found[0]),
        ).fetchone()
        self._absent.discard((Dim.IP, prefix))
        return self._remember(Dim.IP, prefix, key)

    def prefix(self, address: str | None, ip_key: int) -> int:
        """The number of an address's prefix; folded and missing addresses have none of their own."""
        if ip_key in {NONE_KEY, OTHER_KEY} or address is None:
            return ip_key
        return self.key(Dim.PREFIX, address if "/" in address else prefix_of(address))

    def prefix_of_key(self, ip_key: int) -> int:
        """The number of the prefix of an address that has a number."""
        if ip_key in {NONE_KEY, OTHER_KEY}:
            return ip_key
        found = self._prefixes.get(ip_key)
        if found is None:
            address, found = self._fresh.get(ip_key), None
            if address is None:
                address, found = self._connection.execute(
                    "SELECT k.value, p.prefix FROM keys k LEFT JOIN pseudonyms p ON p.key_id = k.key_id"
                    " WHERE k.key_id = ?",
                    (ip_key,),
                ).fetchone()
            if len(self._prefixes) >= MAX_PREFIXES:
                self._prefixes.clear()
            found = self.prefix(address, ip_key) if found is None else int(found)
            self._prefixes[ip_key] = found
        return found

    def limit(self, name: str | None, value: int | None, window_s: int | None) -> int:
        """The number of a limit.

        Raises:
            ValueError: A part of it cannot be stored.
        """
        parts = (name, value, window_s)
        key = self._limits.get(parts)
        if key is None:
            if len(self._limits) >= MAX_LIMITS:
                self._limits.clear()
            key = self._limits[parts] = self._add_limit(name, value, window_s)
        return key

    def _add_limit(self, name: str | None, value: int | None, window_s: int | None) -> int:
        token = limit_token(name, value, window_s)
        if token is None:
            return NONE_KEY
        check_integer(value, "limit_value")
        check_integer(window_s, "window_s")
        for spelling in (token, f"{token} ({window_s} s)"):
            key = self.key(Dim.LIMIT, spelling)
            self._connection.execute(
                "INSERT INTO limits VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (key, name, value, window_s)
            )
            held = self._connection.execute(
                "SELECT limit_name, limit_value, window_s FROM limits WHERE key_id = ?", (key,)
            ).fetchone()
            if held == (name, value, window_s):
                break
        return key

    def _remember(self, dim: int, value: str, key: int) -> int:
        if len(self._keys) >= MAX_CACHED:
            for old in list(self._keys)[: MAX_CACHED // 2]:
                del self._keys[old]
        self._keys[dim, value] = key
        return key


def check_text(value: str, most: int = MAX_VALUE_CHARS) -> None:
    """Refuse what SQLite cannot keep as text.

    Raises:
        ValueError: Not text, a lone surrogate (UnicodeEncodeError), or longer than `most`.
    """
    if not isinstance(value, str):
        raise ValueError(f"found {type(value).__name__}, expected text")  # noqa: TRY004 - one error for bad values
    if len(value) > most:
        raise ValueError(f"a text of {len(value)} characters, expected at most {most}")
    if not value.isascii():
        value.encode("utf-8")


def check_instant(value: int | None, name: str) -> None:
    """Refuse what is no moment of ours.

    Raises:
        ValueError: Not a whole number of milliseconds from 1970 to the year 9999.
    """
    if type(value) is int and 0 <= value < END_OF_TIME_MS:
        return
    check_integer(value, name)
    if value is None or not 0 <= value < END_OF_TIME_MS:
        raise ValueError(f"{name} is {value}, expected milliseconds from 1970 to the year 9999")


def check_integer(value: int | None, name: str) -> None:
    """Refuse what does not fit SQLite's integers.

    Raises:
        ValueError: Not a whole number of 64 bits.
    """
    if value is None or (type(value) is int and -(2**63) <= value < 2**63):
        return
    if not isinstance(value, int):
        raise ValueError(f"{name} is {type(value).__name__}, expected a whole number")  # noqa: TRY004
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} does not fit 64 bits")
