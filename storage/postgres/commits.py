"""What a transaction changed, for those who remember what they read: one counter for each kind of memory.

Every transaction that wrote adds one to `all` and to the parts that it changed (table `commits`). A writer
compares the counters when its turn begins, and forgets what another writer has changed.
"""

from __future__ import annotations

from collections.abc import Iterable

ALL = "all"
PARTS: dict[str, str] = {
    "entities": "names",
    "entity_names": "names",
    "plugins": "plugins",
    "plugin_sources": "plugins",
    "known_nodes": "nodes",
    "node_states": "nodes",
    "known_targets": "targets",
    "pseudonyms": "words",
}
"""Table -> the part of the writer's memory that is read from it. Words, once given a number, keep it; only
pseudonyms rename them."""
NAMES = (ALL, *sorted({*PARTS.values()}))


def parts_of(tables: Iterable[str]) -> set[str]:
    """The counters that grow when these tables were written."""
    written = set(tables)
    return {ALL, *(PARTS[table] for table in written if table in PARTS)} if written else set()
