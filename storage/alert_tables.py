"""The tables of alerts: rules, incidents and their history, silences, what is sent to whom.

Migration m003. Receivers and subscriptions are configured in a file (secrets never enter the store); here
stands only how they are doing.
"""

from __future__ import annotations

ALERT_TABLES = """
CREATE TABLE alert_rules (
    rule_id TEXT, version INTEGER,
    at_ms INTEGER NOT NULL, author TEXT NOT NULL, note TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (rule_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_incidents (
    incident_id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL, opened_ms INTEGER NOT NULL,
    rule TEXT NOT NULL, detector TEXT NOT NULL, shape TEXT NOT NULL, severity TEXT NOT NULL,
    entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, entity TEXT NOT NULL,
    from_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, resolved_ms INTEGER,
    count INTEGER NOT NULL, why TEXT NOT NULL,
    state TEXT NOT NULL, before TEXT, reason TEXT NOT NULL,
    assignee TEXT, closed_by TEXT, verdict TEXT,
    muted INTEGER NOT NULL, reopened INTEGER NOT NULL, team TEXT NOT NULL,
    body TEXT NOT NULL,             -- actors, covers, facts: JSON
    UNIQUE (fingerprint, opened_ms)
) STRICT;
CREATE TABLE alert_history (
    entry INTEGER PRIMARY KEY,
    incident_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    who TEXT,                       -- NULL: it moved by itself
    what TEXT NOT NULL, state_before TEXT, state_after TEXT, note TEXT NOT NULL
) STRICT;
CREATE TABLE alert_evidence (
    incident_id INTEGER, seq INTEGER, PRIMARY KEY (incident_id, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_silences (
    silence_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,             -- silence or maintenance
    from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    author TEXT NOT NULL, reason TEXT NOT NULL,
    body TEXT NOT NULL,             -- rules, whom, up_to: JSON
    made_ms INTEGER NOT NULL, ended_by TEXT, warned_ms INTEGER
) STRICT;
CREATE TABLE alert_outbox (
    message_id TEXT PRIMARY KEY,
    receiver TEXT NOT NULL, kind TEXT NOT NULL,
    incident_id INTEGER, subscription TEXT,
    made_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,            -- waiting, sent, dead, dropped
    ended_ms INTEGER,
    error TEXT,
    body TEXT NOT NULL              -- what is told, JSON; each notifier makes its own form of it
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_deliveries (
    delivery INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL, receiver TEXT NOT NULL, at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,          -- sent, retry, dead
    code INTEGER, took_ms INTEGER NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE TABLE alert_receivers (
    receiver TEXT PRIMARY KEY,
    kind TEXT NOT NULL, shown TEXT NOT NULL,
    is_on INTEGER NOT NULL, off_reason TEXT,
    last_success_ms INTEGER, last_error_ms INTEGER, last_error TEXT, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_subscriptions (
    subscription TEXT PRIMARY KEY,
    receiver TEXT NOT NULL, what TEXT NOT NULL,
    seq INTEGER NOT NULL,           -- events up to this one are in the outbox
    last_event_ms INTEGER, last_success_ms INTEGER, last_error TEXT, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_requests (
    request_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,             -- backtest, test
    asked_ms INTEGER NOT NULL, asked_by TEXT NOT NULL, body TEXT NOT NULL,
    done_ms INTEGER, answer TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE alert_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- what the evaluation takes up, and what pages show first
CREATE INDEX alert_incidents_live ON alert_incidents (state) WHERE state <> 'resolved';
-- incidents by time, the newest first
CREATE INDEX alert_incidents_by_time ON alert_incidents (opened_ms);
-- incidents that touch a window
CREATE INDEX alert_incidents_by_last ON alert_incidents (last_ms);
-- the incidents of one consumer or address
CREATE INDEX alert_incidents_by_entity ON alert_incidents (entity_type, entity_id);
-- one incident's story
CREATE INDEX alert_history_by_incident ON alert_history (incident_id, entry);
-- what is to be sent next
CREATE INDEX alert_outbox_waiting ON alert_outbox (due_ms) WHERE state = 'waiting';
-- dead letters, and what is older than its keeping time
CREATE INDEX alert_outbox_by_time ON alert_outbox (made_ms);
-- the log, newest first
CREATE INDEX alert_deliveries_by_time ON alert_deliveries (at_ms);
-- silences that may hold
CREATE INDEX alert_silences_by_end ON alert_silences (until_ms)
"""

INCIDENTS_VIEW = """
SELECT rule, shape, severity, entity_type, entity, opened_ms, resolved_ms, count, why, state, assignee
FROM alert_incidents"""
