"""Kong's plugins as they were configured over time."""

from __future__ import annotations

import msgspec

from domain.events import PluginSeen
from storage.reading.snapshot import Snapshot


def read_plugins(snapshot: Snapshot) -> tuple[PluginSeen, ...]:
    """Every sighting that said something new, oldest first: tens of plugins, seldom changed."""
    rows = snapshot.rows("SELECT at_ms, body FROM plugins ORDER BY at_ms, plugin_id")
    return tuple(
        msgspec.structs.replace(msgspec.json.decode(body, type=PluginSeen), at_ms=at_ms)
        for at_ms, body in rows
    )
