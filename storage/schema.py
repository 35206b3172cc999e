"""The tables, as named migrations; each runs in the transaction that records it.

`user_version` is the number of migrations that a file has seen. Words are kept once, in `keys`; every other
table holds their numbers (`storage/codes.py` has those that are fixed).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from domain.errors import StoreForeign
from storage.alert_tables import ALERT_TABLES, INCIDENTS_VIEW
from storage.changes_tables import CHANGE_TABLES, CONFIG_CHANGES_VIEW
from storage.cluster_tables import CLUSTER_TABLES
from storage.connection import APPLICATION_ID
from storage.node_tables import NODE_TABLES
from storage.privacy_tables import AUDIT_TABLES, AUDIT_TRIGGERS, PSEUDONYM_TABLE
from storage.slim_utils import Database, Migrations
from storage.views import VIEWS

migrations = Migrations("gatewatch")

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    key_id INTEGER PRIMARY KEY,
    dim INTEGER NOT NULL,
    value TEXT NOT NULL,            -- Kong's id where there is one, else the name or the address
    is_name INTEGER NOT NULL,       -- 1: no id was known, `value` is a name
    first_name TEXT,                -- events that do not say otherwise had this name
    name TEXT,                      -- the latest name
    name_at_ms INTEGER,
    deleted_ms INTEGER,
    same_as INTEGER,                -- a name whose id became known later: the key of that id
    ip_sort BLOB                    -- 4 or 16 bytes, for ranges of addresses
) STRICT;
INSERT INTO keys (key_id, dim, value, is_name) VALUES (0, 0, '~none', 1), (1, 0, '~other', 1);

CREATE TABLE limits (
    key_id INTEGER PRIMARY KEY, limit_name TEXT, limit_value INTEGER, window_s INTEGER
) STRICT;

CREATE TABLE entities (
    entity_type TEXT, entity_id TEXT,
    name TEXT, deleted_ms INTEGER, attributes TEXT, attributes_at_ms INTEGER, first_seen_ms INTEGER,
    PRIMARY KEY (entity_type, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE entity_names (
    entity_type TEXT, entity_id TEXT, valid_from_ms INTEGER,
    seen_ms INTEGER NOT NULL,       -- last seen with this name, to within ten minutes
    name TEXT,
    PRIMARY KEY (entity_type, entity_id, valid_from_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_types (
    type_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, event TEXT NOT NULL, n INTEGER NOT NULL,
    UNIQUE (kind, event)
) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,        -- order of arrival
    id BLOB NOT NULL,               -- storage/packing.py
    kind INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    lag_ms INTEGER NOT NULL,        -- received this much after at_ms
    flags INTEGER NOT NULL,
    inexact INTEGER NOT NULL,
    counted INTEGER NOT NULL,       -- 1: a violation that the totals hold
    certainty INTEGER NOT NULL,
    source INTEGER NOT NULL,
    node INTEGER NOT NULL,
    consumer INTEGER NOT NULL,
    ip INTEGER NOT NULL,
    service INTEGER NOT NULL,
    route INTEGER NOT NULL,
    limit_key INTEGER NOT NULL,
    status INTEGER,
    evidence INTEGER,
    consumer_name INTEGER,          -- these three only where they differ from keys.first_name
    service_name INTEGER,
    route_name INTEGER,
    request_id TEXT                 -- only where `id` does not hold it
) STRICT;
CREATE TABLE event_details (
    seq INTEGER PRIMARY KEY,
    entity_type INTEGER, entity_id TEXT, entity_name TEXT, operation INTEGER, actor INTEGER,
    cache INTEGER, key_masked TEXT, upstream INTEGER, target INTEGER, health INTEGER,
    before TEXT, after TEXT
) STRICT;
CREATE TABLE payloads (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE event_blocks (
    block INTEGER PRIMARY KEY, n INTEGER NOT NULL, min_at_ms INTEGER NOT NULL, max_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE judgements (
    seq INTEGER PRIMARY KEY,        -- events that came as probable or ruled out, as they came
    at_ms INTEGER NOT NULL, certainty INTEGER NOT NULL, status INTEGER NOT NULL, answer_bytes INTEGER,
    limit_key INTEGER NOT NULL, evidence INTEGER
) STRICT;

CREATE TABLE activity (
    res INTEGER, dim INTEGER, bucket_s INTEGER, key INTEGER,
    requests INTEGER NOT NULL, limited INTEGER NOT NULL, probable INTEGER NOT NULL,
    s2xx INTEGER NOT NULL, s3xx INTEGER NOT NULL, s401 INTEGER NOT NULL,
    s4xx INTEGER NOT NULL, s5xx INTEGER NOT NULL, upstream_429 INTEGER NOT NULL,
    PRIMARY KEY (res, dim, bucket_s, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE combos (
    combo INTEGER PRIMARY KEY,
    consumer INTEGER NOT NULL, ip INTEGER NOT NULL, service INTEGER NOT NULL, route INTEGER NOT NULL,
    node INTEGER NOT NULL, limit_key INTEGER NOT NULL, outcome INTEGER NOT NULL
) STRICT;
CREATE TABLE cells (
    res INTEGER, bucket_s INTEGER, combo INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (res, bucket_s, combo)
) STRICT, WITHOUT ROWID;
CREATE TABLE packs (                -- storage/packs.py
    pack INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: readers keep what they have read
    res INTEGER NOT NULL, bucket_s INTEGER NOT NULL,
    refused INTEGER NOT NULL, passed INTEGER NOT NULL, -- how many combinations in each part
    UNIQUE (res, bucket_s)
) STRICT;
CREATE TABLE pack_columns (place INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE kind_counts (
    res INTEGER, bucket_s INTEGER, type_id INTEGER, entity_type INTEGER, node INTEGER, n INTEGER NOT NULL,
    PRIMARY KEY (res, bucket_s, type_id, entity_type, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    source TEXT, epoch TEXT, acked INTEGER NOT NULL, moved_ms INTEGER NOT NULL, PRIMARY KEY (source, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE sources (
    source TEXT PRIMARY KEY, way TEXT NOT NULL, connected INTEGER, peer TEXT,
    node_id TEXT, hostname TEXT, version TEXT,
    first_received_ms INTEGER NOT NULL, last_received_ms INTEGER, last_beat_ms INTEGER,
    events INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0,
    gaps INTEGER NOT NULL DEFAULT 0, acked INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE collector_status (
    one INTEGER PRIMARY KEY CHECK (one = 1), beat_ms INTEGER NOT NULL, status TEXT NOT NULL
) STRICT;
CREATE TABLE known_gaps (
    gap_id INTEGER PRIMARY KEY, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    source TEXT NOT NULL, cause TEXT NOT NULL, UNIQUE (source, from_ms, to_ms, cause)
) STRICT;
CREATE TABLE quarantine_items (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, source TEXT NOT NULL, why TEXT NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE TABLE plugins (
    plugin_id TEXT, at_ms INTEGER, source TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (plugin_id, at_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE plugin_sources (
    source TEXT, plugin_id TEXT, PRIMARY KEY (source, plugin_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE resends (resend_id INTEGER PRIMARY KEY, marks BLOB NOT NULL) STRICT
"""

INDEXES = """
-- a word's number, when the writer meets it; a token, when a reader does
CREATE UNIQUE INDEX keys_by_value ON keys (dim, value);
-- whether a name is unambiguous; which id a bare name stands for
CREATE INDEX keys_by_name ON keys (dim, name) WHERE name IS NOT NULL;
-- filters by a range of addresses
CREATE INDEX keys_by_address ON keys (ip_sort) WHERE ip_sort IS NOT NULL;
-- names whose id became known later, read with every grouping
CREATE INDEX keys_merged ON keys (same_as) WHERE same_as IS NOT NULL;
-- former names in filters and for events that name no id
CREATE INDEX entity_names_by_name ON entity_names (entity_type, name);
-- the same event by another way, and events by request id
CREATE UNIQUE INDEX events_by_id ON events (id);
-- events whose own id does not hold the request's, by that
CREATE INDEX events_by_request ON events (request_id) WHERE request_id IS NOT NULL;
-- a consumer's events, newest arrival first
CREATE INDEX events_by_consumer ON events (consumer) WHERE consumer > 1;
-- an address's events, newest arrival first
CREATE INDEX events_by_ip ON events (ip) WHERE ip > 1;
-- markers, the last change, and pages of the kinds that are rare
CREATE INDEX events_by_kind ON events (kind, at_ms) WHERE kind > 1;
-- which blocks hold a span: events near a hook, events to be judged again, samples for an alert
CREATE INDEX event_blocks_by_end ON event_blocks (max_at_ms);
-- "at least", and what an exact event takes the count of
CREATE INDEX events_inexact ON events (at_ms) WHERE inexact = 1;
-- one consumer's or one address's past
CREATE INDEX activity_by_key ON activity (dim, key, res, bucket_s) WHERE dim BETWEEN 1 AND 2;
-- a combination's number, when the writer meets it; all combinations of a consumer
CREATE UNIQUE INDEX combos_by_all ON combos (consumer, ip, service, route, node, limit_key, outcome);
-- all combinations of an address, a service, a route
CREATE INDEX combos_by_ip ON combos (ip);
CREATE INDEX combos_by_service ON combos (service);
CREATE INDEX combos_by_route ON combos (route);
-- the past of the combinations that a filter leaves
CREATE INDEX cells_by_combo ON cells (combo, res, bucket_s);
-- gaps that touch a window
CREATE INDEX known_gaps_by_end ON known_gaps (to_ms);
-- the newest of a window
CREATE INDEX quarantine_items_by_time ON quarantine_items (at_ms)
"""


def execute(db: Database, script: str) -> None:
    """Run the statements of a script, each ended by `;` and a new line, in the transaction that is open.

    `executescript` would commit that transaction first.
    """
    for statement in script.split(";\n"):
        db.conn.execute(statement)


def _make_view(db: Database, name: str) -> None:
    db.conn.execute(f"CREATE VIEW {name} AS {VIEWS[name]}")


@migrations()
def m001_tables(db: Database) -> None:
    """Everything that a first file needs, and the views that we promise to others."""
    execute(db, TABLES)
    execute(db, INDEXES)
    for name in VIEWS:
        if name != "nodes":
            _make_view(db, name)


@migrations()
def m002_nodes(db: Database) -> None:
    """Nodes, their states over time, and the targets behind upstreams."""
    execute(db, NODE_TABLES)
    _make_view(db, "nodes")


@migrations()
def m003_alerts(db: Database) -> None:
    """Rules, incidents, silences, notifications and how their receivers are doing."""
    execute(db, ALERT_TABLES)
    db.conn.execute(f"CREATE VIEW incidents AS {INCIDENTS_VIEW}")


@migrations()
def m004_changes(db: Database) -> None:
    """Proposals, approvals and what was sent; blocks; who made a change; drift. The actor joins its view."""
    execute(db, CHANGE_TABLES)
    db.conn.execute(f"CREATE VIEW config_changes AS {CONFIG_CHANGES_VIEW}")


@migrations()
def m005_audit_trail(db: Database) -> None:
    """Who did what, chained by hashes; it and the log of changes can only be added to."""
    execute(db, AUDIT_TABLES)
    for trigger in AUDIT_TRIGGERS:
        db.conn.execute(trigger)


@migrations()
def m006_pseudonyms(db: Database) -> None:
    """Which addresses were replaced by pseudonyms, and their prefixes."""
    execute(db, PSEUDONYM_TABLE)


@migrations()
def m007_cluster(db: Database) -> None:
    """What several writers need: numbers that have not arrived yet, and which processes there are."""
    execute(db, CLUSTER_TABLES)


VERSION = len(migrations.pending(Database(memory=True)))
"""How many migrations there are; every one of them stands above this line."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a file up to date: the migrations that it has not seen, each in a transaction of its own.

    Raises:
        StoreForeign: A newer version of this program made the file.
    """
    check_version(connection, path)
    if version_of(connection) == VERSION:
        return
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    migrations.apply(Database(connection))
    connection.execute(f"PRAGMA user_version={VERSION}")


def version_of(connection: sqlite3.Connection) -> int:
    """How many migrations a file has seen."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file of the future.

    Raises:
        StoreForeign: A newer version of this program made it.
    """
    found = version_of(connection)
    if found > VERSION:
        raise StoreForeign(
            f"{path} was made by a newer version (schema {found}, this program knows {VERSION});"
            " run the newer version, or name another database"
        )
