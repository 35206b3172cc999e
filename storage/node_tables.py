"""Tables of nodes and of the targets behind upstreams: migration m002."""

from __future__ import annotations

NODE_TABLES = """
CREATE TABLE known_nodes (
    node TEXT PRIMARY KEY,          -- Kong's id; the address of one that never answered
    hostname TEXT, version TEXT, state TEXT NOT NULL, since_ms INTEGER NOT NULL,
    last_seen_ms INTEGER, config_hash TEXT,
    body TEXT NOT NULL              -- everything else: `domain.nodes.Node` as JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE node_states (
    node TEXT, at_ms INTEGER, state TEXT, reason TEXT NOT NULL,
    PRIMARY KEY (node, at_ms, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE known_targets (
    node TEXT, upstream TEXT, target TEXT,
    health TEXT NOT NULL, since_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,      -- when it was first heard of
    confirmed_ms INTEGER NOT NULL,  -- when it was last said to be so
    is_polled INTEGER NOT NULL,     -- 1: a poll found out, up to one round after it happened
    PRIMARY KEY (node, upstream, target)
) STRICT, WITHOUT ROWID
"""
