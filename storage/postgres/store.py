"""`storage.protocol.Store` on PostgreSQL. Several of it may write at once, in any number of processes.

They take turns: each transaction holds the lock of who writes (`storage/postgres/connection.py`). Between two
turns of one writer others may have written, so what it remembers is compared with the counters of `commits`
when a turn begins, and what another has changed is forgotten. The marks of log entries that came before are
read on from where this writer left them, and arrival numbers go on from the last that anybody gave.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from domain.errors import StoreBusy, StoreError
from settings import Settings, SettingValueError
from storage.batches import Batch, SourceBeat, Written
from storage.book_store import BookStore
from storage.codes import META_LAST_SEQ, Dim
from storage.location import PostgresUrl
from storage.packing import prefix_of, sort_bytes
from storage.postgres.bulk import FEW, Whole
from storage.postgres.commits import ALL, parts_of
from storage.postgres.connection import PostgresConnection
from storage.postgres.days import Days
from storage.postgres.opening import open_prepared
from storage.writing.event_rows import try_pack
from storage.writing.pseudonyms import read_or_make_key

_COUNTERS = f"""
SELECT what, n FROM commits
UNION ALL SELECT '{META_LAST_SEQ}', value FROM meta WHERE name = '{META_LAST_SEQ}'"""
_COMBO = "consumer, ip, service, route, node, limit_key, outcome"
_ASKED = f"unnest({', '.join('?' * 7)}) AS w({_COMBO})"
_FIND_COMBOS = f"SELECT c.combo, w.* FROM {_ASKED} JOIN combos c USING ({_COMBO})"
_ADD_COMBOS = f"INSERT INTO combos ({_COMBO}) SELECT * FROM {_ASKED} RETURNING combo, {_COMBO}"
_KEY_MARK = "pseudonym_key"


class PostgresStore(BookStore):
    """Opens a database, and makes or upgrades its tables where needed.

    Raises:
        StoreBusy: No server that takes writes answers now.
        StoreForeign: A newer version of this program made its tables.
        StoreError: The role may not make them, or another writer has another key of pseudonyms.
        SettingValueError: Addresses are to be replaced by pseudonyms, and no file is named for their key.
    """

    def __init__(self, url: PostgresUrl, settings: Settings) -> None:
        self._postgres = open_prepared(url)
        self._seen: dict[str, int] = {}
        self._days = Days(self._postgres)
        try:
            key = _pseudonym_key(settings)
            _check_key(self._postgres, key)
            super().__init__(url, self._postgres, settings, key)
        except BaseException:
            self._postgres.close()
            raise
        self._opened = self._postgres.opened

    def write(self, batches: Sequence[Batch], beats: Sequence[SourceBeat] = ()) -> list[Written]:
        """Store all batches in one durable transaction and return, per batch, what it came to.

        Raises:
            StoreBusy: No server takes it now; nothing was written, or nobody knows: the same call may work
                later, and stores nothing twice.
            StoreCorrupt: Data are damaged.
        """
        packed = [try_pack(event.id) for batch in batches for event in batch.decoded.events]
        ids = [one for one in packed if one is not None]
        if batches:
            self._days.make(max(batch.received_ms for batch in batches))
        with self._one_transaction():
            if ids:  # one look for all batches, not one for each
                found = self._postgres.execute("SELECT id FROM events WHERE id = ANY(?)", (ids,)).fetchall()
                self._books.rows.foresee(ids, (known for (known,) in found))
            self._foresee_addresses(batches)
            return self._intake.write(batches, beats)

    def prune(self, now_ms: int, max_rows: int) -> int:
        """Remove at most `max_rows` rows past their retention, and whole days; returns how many rows went."""
        self._days.drop(now_ms)
        return super().prune(now_ms, max_rows)

    def checkpoint(self) -> None:
        """Nothing to do: PostgreSQL tidies up by itself."""

    # ---- turns

    def _begun(self) -> None:
        """Forget what others have changed since our last turn, and go on from their last arrival number."""
        found = dict(self._postgres.execute(_COUNTERS).fetchall())
        last_seq = found.pop(META_LAST_SEQ, 0)
        changed = {name for name, n in found.items() if n != self._seen.get(name)}
        if self._postgres.opened != self._opened or not self._seen:
            # another server may have taken over, and it need not have all that the last one had
            self._opened = self._postgres.opened
            self._books.begin_anew()
        elif ALL in changed:
            self._books.catch_up(changed)
        self._books.go_on_from(last_seq)
        self._seen = found

    def _foresee_addresses(self, batches: Sequence[Batch]) -> None:
        """Look all addresses up at once, and their prefixes."""
        named = {event.ip for batch in batches for event in batch.decoded.events}
        named |= {item.ip for batch in batches for item in batch.decoded.traffic}
        addresses = [one for one in named if isinstance(one, str) and sort_bytes(one) is not None]
        prefixes = {prefix for one in addresses if (prefix := prefix_of(one)) is not None}
        for dim, words in ((Dim.IP, addresses), (Dim.PREFIX, prefixes)):
            asked = self._books.keys.unknown(dim, words)
            if asked:
                query = "SELECT value, key_id FROM keys WHERE dim = ? AND value = ANY(?)"
                found = self._postgres.execute(query, (dim, asked)).fetchall()
                self._books.keys.foresee(dim, asked, found)

    def _flushing(self) -> None:
        """Number all combinations at once."""
        rollups = self._books.rollups
        for query in (_FIND_COMBOS, _ADD_COMBOS):
            asked = rollups.unnumbered()
            if len(asked) >= FEW:
                columns = [Whole(column) for column in zip(*asked, strict=True)]
                rollups.foresee(self._postgres.execute(query, columns).fetchall())

    def _ended(self) -> None:
        for name in parts_of(self._postgres.committed):
            self._seen[name] += 1


def _pseudonym_key(settings: Settings) -> bytes:
    if not settings.pseudonymise_addresses_days:
        return b""
    if not settings.pseudonym_key_file:
        raise SettingValueError(
            "pseudonym_key_file is empty; with a PostgreSQL database and pseudonymise_addresses_days above 0"
            " it must name a file, the same key on every machine that writes"
        )
    try:
        return read_or_make_key(Path(settings.pseudonym_key_file))
    except OSError as error:
        raise StoreError(f"{settings.pseudonym_key_file}: {error.strerror or error}") from error


def _check_key(connection: PostgresConnection, key: bytes) -> None:
    """Have all writers of a database use one key: with two, one address would have two pseudonyms.

    Raises:
        StoreError: Others use another.
        StoreBusy: The database does not answer.
    """
    if not key:
        return
    mark = int.from_bytes(hmac.new(key, b"mark", hashlib.sha256).digest()[:7], "big")
    connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", (_KEY_MARK, mark))
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_KEY_MARK,)).fetchone()
    if row is None:
        raise StoreBusy(f"{connection.url}: the mark of the pseudonyms' key is gone again; try once more")
    if row[0] != mark:
        raise StoreError(
            f"{connection.url}: other writers replace addresses under another key; copy the file that"
            " pseudonym_key_file names from one of them"
        )
