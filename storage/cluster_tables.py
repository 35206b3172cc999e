"""Tables for stores that several writers fill: what has not arrived yet, and which processes there are."""

from __future__ import annotations

CLUSTER_TABLES = """
CREATE TABLE cursor_holes (         -- numbers below a cursor that are not stored: storage/writing/cursors.py
    source TEXT, epoch TEXT, first INTEGER,
    upto INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    cause TEXT,                     -- of the known gap that tells of them; NULL where they are only under way
    PRIMARY KEY (source, epoch, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE members (              -- one row for every process of ours, that it overwrites
    member TEXT PRIMARY KEY, role TEXT NOT NULL, beat_ms INTEGER NOT NULL, body TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
