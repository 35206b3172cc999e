"""All books of one file, and what happens to them when a transaction ends."""

from __future__ import annotations

from settings import Settings
from storage.codes import META_FOLDED, META_FOLDED_CONSUMERS, META_LAST_SEQ, meta_distinct
from storage.engine import Connection
from storage.writing.crowds import Crowds
from storage.writing.cursors import CursorBook
from storage.writing.entities import EntityBook
from storage.writing.event_rows import EventRows
from storage.writing.hooks import HookBook
from storage.writing.keys import KeyBook
from storage.writing.nodes import NodeBook
from storage.writing.packs import PackBook
from storage.writing.places import PlaceBook
from storage.writing.plugins import PluginBook
from storage.writing.pseudonyms import PseudonymBook
from storage.writing.resends import ResendMemory
from storage.writing.retention import Retention
from storage.writing.rollups import Rollups
from storage.writing.settlement import Settlement
from storage.writing.sources import SourceBook
from storage.writing.targets import TargetBook
from storage.writing.traffic import TrafficFolder


class Books:
    """The parts of the writer. Each remembers what is committed; a rollback makes all of them forget."""

    def __init__(self, connection: Connection, settings: Settings, pseudonym_key: bytes = b"") -> None:
        self.keys = KeyBook(connection)
        self.entities = EntityBook(connection, self.keys)
        self.crowds = Crowds(connection, self.keys, settings.max_names_per_minute)
        self.places = PlaceBook(self.entities, self.crowds)
        self.rollups = Rollups(connection, self.keys)
        self.rows = EventRows(connection, self.keys, self.places, self.crowds)
        self.rows.last_seq = self._last_seq = stored_last_seq(connection)
        self.hooks = HookBook(connection, self.rows, self.rollups)
        self.resends = ResendMemory(connection, settings.resend_memory_entries)
        self.traffic = TrafficFolder(
            connection,
            self.keys,
            self.places,
            self.rollups,
            self.resends,
            self.crowds,
            settings.max_addresses_per_minute,
        )
        self.sources = SourceBook(connection)
        self.cursors = CursorBook(connection, self.sources)
        self.plugins = PluginBook(connection)
        self.settlement = Settlement(connection, self.keys, self.plugins, self.rollups, self.hooks)
        self.nodes = NodeBook(connection, settings.events_days)
        self.targets = TargetBook(connection)
        self.retention = Retention(connection, settings)
        self.packs = PackBook(connection)
        self.pseudonyms = PseudonymBook(
            connection, self.keys, settings.pseudonymise_addresses_days, pseudonym_key
        )

    def flush(self) -> None:
        """Write what was gathered into the transaction that is about to end."""
        self.rows.finish()
        self.targets.flush()
        self.rollups.flush()
        self.resends.flush()
        self.crowds.flush()
        counters = self.sources.counters
        counters[META_FOLDED] += self.traffic.folded
        counters[META_FOLDED_CONSUMERS] += self.traffic.folded_consumers
        counters[META_LAST_SEQ] += self.rows.last_seq - self._last_seq
        for dim, n in self.keys.added.items():
            counters[meta_distinct(dim)] += n
        if self.plugins.changed_ms is not None:
            self.settlement.rewind(self.plugins.changed_ms)
        self.sources.flush()

    def committed(self) -> None:
        """The transaction is on disk."""
        self._last_seq = self.rows.last_seq
        self.resends.committed()
        self.traffic.finish()
        self.keys.added.clear()
        self.keys.begin()
        if self.plugins.changed_ms is not None:
            self.settlement.forget()
        self.plugins.committed()

    def catch_up(self, changed: set[str]) -> None:
        """Another writer has committed: forget what it changed, by parts of `storage.postgres.commits`."""
        self.hooks.forget()
        if "words" in changed:
            self.forget()
        if "names" in changed:
            self.entities.forget()
            self.places.forget()
        if "names" in changed or "plugins" in changed:
            self.settlement.forget()
        if "plugins" in changed:
            self.plugins.forget()
        if "nodes" in changed:
            self.nodes.forget()
        if "targets" in changed:
            self.targets.look_again()
        self.resends.catch_up()

    def begin_anew(self) -> None:
        """Forget everything: what is stored now need not hold what was stored before."""
        self.forget()
        self.resends.begin_anew()

    def go_on_from(self, last_seq: int) -> None:
        """Give arrival numbers after this one."""
        self.rows.last_seq = self._last_seq = last_seq
        self.keys.begin()

    def forget(self) -> None:
        """The transaction was rolled back: back to what is on disk."""
        self.keys.forget()
        self.entities.forget()
        self.places.forget()
        self.crowds.forget()
        self.rollups.forget()
        self.rows.forget()
        self.rows.last_seq = self._last_seq
        self.resends.forget_fresh()
        self.traffic.forget()
        self.sources.forget()
        self.settlement.forget()
        self.hooks.forget()
        self.nodes.forget()
        self.targets.forget()
        self.plugins.forget()


def stored_last_seq(connection: Connection) -> int:
    """The newest arrival number ever given, also when retention has removed its event."""
    row = connection.execute(
        "SELECT max(coalesce((SELECT value FROM meta WHERE name = ?), 0),"
        " coalesce((SELECT max(seq) FROM events), 0))",
        (META_LAST_SEQ,),
    ).fetchone()
    return int(row[0])
