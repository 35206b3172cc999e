"""Kong's plugins as they were configured over time, for judging again.

A row is written when a sighting says something new. Nothing is overwritten by a later sighting: an event is
judged by what was configured at its own time.
"""

from __future__ import annotations

import bisect

import msgspec

from domain.events import PluginSeen
from domain.plugins import plugins_at
from storage.engine import Connection
from storage.writing.keys import check_instant, check_text

MAX_BODY_CHARS = 262_144


class PluginBook:
    """The history of plugins, wholly in memory: a Kong has tens of them, rarely thousands."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._history: dict[str, list[PluginSeen]] = {}
        self._told: dict[str, set[str]] = {}
        self._states: dict[int, list[PluginSeen]] = {}
        self._changes: list[int] = []
        self._is_loaded = False
        self._is_stale = True
        self.changed_ms: int | None = None
        """Events from this moment on have to be judged again because of this transaction; None when none."""

    def forget(self) -> None:
        """Read everything again with the next use: what is remembered may have been rolled back."""
        self._is_loaded = False
        self.changed_ms = None

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._history.clear()
        self._told.clear()
        rows = self._connection.execute("SELECT plugin_id, at_ms, body FROM plugins ORDER BY at_ms")
        for plugin_id, at_ms, body in rows:
            self._history.setdefault(plugin_id, []).append(_loaded(at_ms, body))
        for source, plugin_id in self._connection.execute("SELECT source, plugin_id FROM plugin_sources"):
            self._told.setdefault(source, set()).add(plugin_id)
        self._is_loaded = self._is_stale = True

    def committed(self) -> None:
        """The transaction is on disk."""
        self.changed_ms = None

    def saw(self, seen: PluginSeen, source: str) -> bool:
        """Take in one sighting; returns whether it said something new.

        Raises:
            ValueError: It cannot be stored.
        """
        self._load()
        check_text(seen.plugin_id)
        check_instant(seen.at_ms, "at_ms")
        body = msgspec.json.encode(msgspec.structs.replace(seen, at_ms=0)).decode("utf-8")
        check_text(body, MAX_BODY_CHARS)
        self._note_source(seen.plugin_id, source)
        history = self._history.setdefault(seen.plugin_id, [])
        before = [held for held in history if held.at_ms <= seen.at_ms]
        if before and msgspec.structs.replace(before[-1], at_ms=seen.at_ms) == seen:
            return False
        self._connection.execute(
            "INSERT INTO plugins VALUES (?, ?, ?, ?)"
            " ON CONFLICT (plugin_id, at_ms) DO UPDATE SET source = excluded.source, body = excluded.body",
            (seen.plugin_id, seen.at_ms, source, body),
        )
        history[:] = sorted(
            [*(held for held in history if held.at_ms != seen.at_ms), seen], key=lambda held: held.at_ms
        )
        # what is seen for the first time is taken to have been so before
        from_ms = seen.at_ms if before else 0
        self.changed_ms = from_ms if self.changed_ms is None else min(self.changed_ms, from_ms)
        self._is_stale = True
        return True

    def saw_all(self, seen: list[PluginSeen], source: str, at_ms: int) -> None:
        """Take what a source once told of and now does not list as deleted."""
        self._load()
        gone = self._told.get(source, set()) - {plugin.plugin_id for plugin in seen}
        for plugin_id in sorted(gone):
            before = [held for held in self._history[plugin_id] if held.at_ms <= at_ms]
            if before and not before[-1].deleted:
                self.saw(msgspec.structs.replace(before[-1], at_ms=at_ms, deleted=True), source)

    def is_known(self) -> bool:
        """Whether anything is known of any plugin."""
        self._load()
        return bool(self._history)

    def interval_at(self, at_ms: int) -> int:
        """The number of the span without any change that holds `at_ms`; good until the next sighting."""
        self._refresh()
        return bisect.bisect_right(self._changes, at_ms)

    def configured_in(self, interval: int) -> list[PluginSeen]:
        """The plugins as configured in a span."""
        found = self._states.get(interval)
        if found is None:
            at_ms = self._changes[interval - 1] if interval else self._changes[0] - 1
            everything = (seen for history in self._history.values() for seen in history)
            found = self._states[interval] = plugins_at(everything, at_ms)
        return found

    def _refresh(self) -> None:
        self._load()
        if self._is_stale:
            self._states.clear()
            self._changes = sorted({seen.at_ms for history in self._history.values() for seen in history})
            self._is_stale = False

    def _note_source(self, plugin_id: str, source: str) -> None:
        told = self._told.setdefault(source, set())
        if plugin_id not in told:
            told.add(plugin_id)
            self._connection.execute(
                "INSERT INTO plugin_sources VALUES (?, ?) ON CONFLICT DO NOTHING", (source, plugin_id)
            )


def _loaded(at_ms: int, body: str) -> PluginSeen:
    return msgspec.structs.replace(msgspec.json.decode(body, type=PluginSeen), at_ms=at_ms)
