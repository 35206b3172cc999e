"""What pages of changes and blocks read from, and the only way in which they write.

People decide; the collector acts. A decision is one short transaction on a connection of its own
(`storage.change_book`), opened for it and closed again. The recorded sample has no Kong behind it: there is
nothing to decide on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import uuid
from collections.abc import Iterator

from domain.roles import Act
from settings import Settings
from storage.change_book import ChangeBook
from storage.changes_reader import ChangesReader
from storage.limit_counts import LimitCounts
from ui import permits, store


@dataclasses.dataclass(frozen=True, slots=True)
class Reads:
    """The readers of one database."""

    changes: ChangesReader
    limits: LimitCounts


_lock = threading.Lock()
_reads: dict[str, Reads] = {}
_settings: list[Settings] = []
"""What a test put in place of the settings of the process."""


def settings() -> Settings:
    """The settings that decisions are made under."""
    return _settings[-1] if _settings else store.settings()


def reads(*, sample: bool) -> Reads:
    """The shared readers of our own database, or of the sample's."""
    known = settings()
    database = known.sample_database if sample else known.database
    with _lock:
        found = _reads.get(database)
        if found is None:
            deadline_ms = known.query_deadline_ms
            changes, limits = ChangesReader(database, deadline_ms), LimitCounts(database, deadline_ms)
            found = _reads[database] = Reads(changes, limits)
        return found


@contextlib.contextmanager
def deciding(act: Act = Act.PROPOSE) -> Iterator[ChangeBook]:
    """A connection for one decision of somebody who may take it.

    Raises:
        NotPermitted: The viewer may not do this.
        StoreError: The database cannot be written now; nothing was decided.
    """
    permits.check(act, settings())
    with ChangeBook(settings().database) as book:
        yield book


def new_id() -> str:
    """An id for a proposal or a block."""
    return str(uuid.uuid4())


@contextlib.contextmanager
def using(replaced: Settings) -> Iterator[None]:
    """Within the block pages decide under these settings, in every thread: for tests."""
    _settings.append(replaced)
    try:
        yield
    finally:
        _settings.remove(replaced)
        with _lock:
            for database in (replaced.database, replaced.sample_database):
                found = _reads.pop(database, None)
                if found is not None:
                    found.changes.close()
                    found.limits.close()
