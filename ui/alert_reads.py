"""What the page of alerts reads from, and the only way in which it writes.

People decide; the collector acts. A decision is one short transaction on a connection of its own
(`storage.decisions`), opened for it and closed again.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator

from domain.errors import GatewatchError
from domain.roles import Act
from settings import Settings
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from ui import permits, store
from ui.components.proposals import say

_lock = threading.Lock()
_readers: dict[str, AlertsReader] = {}
_settings: list[Settings] = []
"""What a test put in place of the settings of the process."""


def settings() -> Settings:
    """The settings that decisions are made under."""
    return _settings[-1] if _settings else store.settings()


def reader(*, sample: bool) -> AlertsReader:
    """The shared reader of our own database, or of the sample's. Never close it."""
    known = settings()
    database = known.sample_database if sample else known.database
    with _lock:
        if database not in _readers:
            _readers[database] = AlertsReader(database, known.query_deadline_ms)
        return _readers[database]


@contextlib.contextmanager
def deciding(act: Act = Act.HANDLE) -> Iterator[Decisions]:
    """A connection for one decision of somebody who may take it.

    Raises:
        NotPermitted: The viewer may not do this.
        StoreError: The database cannot be written now; nothing was decided.
    """
    permits.check(act, settings())
    with Decisions(settings().database) as decisions:
        yield decisions


def why_not(act: Act = Act.HANDLE) -> str | None:
    """Why the viewer may not do this, for buttons that are disabled then; `deciding` asks again."""
    return permits.why_not(act, settings())


def decide(what: Callable[[Decisions], object], done: str, act: Act = Act.HANDLE) -> None:
    """Carry out a decision inside a widget's callback, and tell what came of it."""
    try:
        with deciding(act) as decisions:
            what(decisions)
    except GatewatchError as error:
        say(f"Nothing was decided: {error}")
    else:
        say(done)


def new_id() -> str:
    """An id for something asked of the collector."""
    return str(uuid.uuid4())


@contextlib.contextmanager
def using(replaced: Settings) -> Iterator[None]:
    """Within the block the page reads and decides under these settings, in every thread: for tests."""
    _settings.append(replaced)
    try:
        yield
    finally:
        _settings.remove(replaced)
        with _lock:
            for database in (replaced.database, replaced.sample_database):
                found = _readers.pop(database, None)
                if found is not None:
                    found.close()
