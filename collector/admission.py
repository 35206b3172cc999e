"""How many connections may be open, and how often one peer may fill a line of the log. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable

PER_ADDRESS = 64
"""Kong opens one connection per worker and way in; 64 leaves room for a machine with many workers."""
KEPT_FILES = 256
"""File handles that connections may not take: the database, its log, the standard streams, and a reserve."""
MOST_CONNECTIONS = 10_240
"""10,000 idle streams measured 252 MiB with everything else in the process."""
REMEMBERED_PEERS = 1_024


class ConnectionCaps:
    """Counts open connections, in all and by address, and says when there are too many."""

    def __init__(self, total: int, per_address: int = PER_ADDRESS) -> None:
        self.total = total
        self.per_address = per_address
        self.open = 0
        self._by_address: Counter[str] = Counter()

    def refusal(self, address: str) -> str | None:
        """Why one more connection from `address` may not be: `address-limit`, `total-limit`, or None."""
        if self.open >= self.total:
            return "total-limit"
        return "address-limit" if self._by_address[address] >= self.per_address else None

    def take(self, address: str) -> None:
        """Count a connection in."""
        self.open += 1
        self._by_address[address] += 1

    def give_back(self, address: str) -> None:
        """Count a connection out."""
        self.open -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]


def most_connections(file_limit: int) -> int:
    """How many connections a process may hold that may open `file_limit` files."""
    return max(16, min(MOST_CONNECTIONS, file_limit - KEPT_FILES))


GUESSES_FREE = 100
GUESSES_PER_S = 10.0
GUESS_DELAY_S = 0.05
"""After 100 wrong tokens or signatures within ten seconds each more is answered this much later: what one
connection can ask falls from 700 a second to 20, and a peer has 64. Who is right never waits."""


class Guesses:
    """How long a peer that is wrong again and again waits for each answer."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def delay_s(self, peer: str) -> float:
        """Count one more wrong guess of a peer; returns the seconds to wait before it is told."""
        now_s = self._clock_s()
        since_s, wrong = self._seen.get(peer, (now_s, 0))
        if now_s - since_s >= GUESSES_PER_S:
            since_s, wrong = now_s, 0
        self._seen[peer] = (since_s, wrong + 1)
        self._seen.move_to_end(peer)
        while len(self._seen) > REMEMBERED_PEERS:
            self._seen.popitem(last=False)
        return GUESS_DELAY_S if wrong >= GUESSES_FREE else 0.0


class OncePerMinute:
    """Lets one line per key and minute through, and counts what it held back."""

    def __init__(self, clock_s: Callable[[], float], every_s: float = 60.0) -> None:
        self._clock_s = clock_s
        self._every_s = every_s
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def passes(self, key: str) -> int | None:
        """How many lines of `key` were held back since its last one; None when this one is held back too."""
        now_s = self._clock_s()
        since_s, held = self._seen.get(key, (now_s - self._every_s, 0))
        if now_s - since_s < self._every_s:
            self._seen[key] = (since_s, held + 1)
            return None
        self._seen[key] = (now_s, 0)
        self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED_PEERS:
            self._seen.popitem(last=False)
        return held
