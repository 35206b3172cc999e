"""The tables of changes and response: proposals and what became of them, blocks, lists, who did what.

A proposal moves by compare-and-set on its state. What is sent to Kong is written down, durably, before it is
sent (`change_steps.intent_ms`), so that a crash leaves a question that can be answered and never a guess.
"""

from __future__ import annotations

CHANGE_TABLES = """
CREATE TABLE change_proposals (
    proposal_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    asked_ms INTEGER NOT NULL, asked_by TEXT NOT NULL, reason TEXT NOT NULL,
    ask TEXT NOT NULL,              -- what was asked for, JSON
    target TEXT,                    -- the Admin API that the plan is for
    plan TEXT, plan_hash TEXT,      -- exactly what is sent, JSON
    shown TEXT,                     -- the difference to the live entities, JSON, secrets masked
    planned_ms INTEGER,
    expires_ms INTEGER,             -- not to be approved or begun after this
    approved_ms INTEGER, approved_by TEXT, approved_hash TEXT,
    ended_ms INTEGER,
    outcome TEXT                    -- why it was refused, what became of it: one or two sentences
) STRICT, WITHOUT ROWID;
CREATE TABLE change_approvals (
    proposal_id TEXT, approver TEXT, at_ms INTEGER NOT NULL, verdict TEXT NOT NULL,
    plan_hash TEXT NOT NULL, won INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (proposal_id, approver, at_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE change_steps (
    proposal_id TEXT, step INTEGER,
    intent_ms INTEGER NOT NULL,     -- written before the request was sent
    done_ms INTEGER, status INTEGER, answer TEXT,
    verified INTEGER,               -- 1: read back as planned, 0: read back and different
    outcome TEXT,
    PRIMARY KEY (proposal_id, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE change_log (
    entry INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    chain TEXT NOT NULL             -- SHA-256 over this entry and the one before: nothing can be taken out
) STRICT;
CREATE TABLE change_actors (
    seq INTEGER PRIMARY KEY,        -- of the change's event
    actor TEXT, how TEXT NOT NULL, why TEXT NOT NULL, client_ip TEXT, call_id TEXT, proposal_id TEXT
) STRICT;
CREATE TABLE change_verdicts (
    seq INTEGER PRIMARY KEY,
    judged_ms INTEGER NOT NULL, is_final INTEGER NOT NULL, verdict TEXT NOT NULL
) STRICT;
CREATE TABLE admin_calls (
    call_id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL, source TEXT NOT NULL, actor TEXT, method TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER, client_ip TEXT, request_id TEXT, workspace TEXT
) STRICT, WITHOUT ROWID;
-- calls around the moment of a change
CREATE INDEX admin_calls_by_time ON admin_calls (at_ms);
CREATE TABLE blocks (
    block_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    subject_type TEXT NOT NULL, subject TEXT NOT NULL, label TEXT NOT NULL,
    scope TEXT NOT NULL,            -- where, JSON
    reason TEXT NOT NULL, asked_by TEXT NOT NULL, asked_ms INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
    is_dry_run INTEGER NOT NULL, private_allowed INTEGER NOT NULL,
    proposal_id TEXT,
    applied_ms INTEGER, expires_ms INTEGER,
    touched TEXT,                   -- plugins that carry it, and what was added to each, JSON
    ended_ms INTEGER, ended_why TEXT,
    lift_id TEXT                    -- the proposal that lifts it before its time
) STRICT, WITHOUT ROWID;
-- those that are still on, at every round
CREATE INDEX blocks_by_state ON blocks (state, expires_ms);
CREATE TABLE block_lists (
    entry_id TEXT PRIMARY KEY,
    subject_type TEXT NOT NULL, subject TEXT NOT NULL, note TEXT NOT NULL,
    added_by TEXT NOT NULL, added_ms INTEGER NOT NULL, expires_ms INTEGER,
    removed_by TEXT, removed_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE config_states (
    entity_type TEXT, entity_id TEXT,
    state TEXT,                     -- as it was last known, JSON, secrets masked; NULL: it is gone
    known_ms INTEGER NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE config_drifts (
    drift_id INTEGER PRIMARY KEY,
    entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, entity_name TEXT,
    direction TEXT NOT NULL, from_ms INTEGER NOT NULL, found_ms INTEGER NOT NULL,
    before TEXT, after TEXT
) STRICT;
CREATE INDEX config_drifts_by_time ON config_drifts (found_ms);
-- changes of one entity, for its history
CREATE INDEX event_details_by_entity ON event_details (entity_id) WHERE entity_id IS NOT NULL;
DROP VIEW config_changes
"""

CONFIG_CHANGES_VIEW = """
SELECT e.at_ms AS at_ms, t.value AS entity_type, d.entity_id AS entity_id, d.entity_name AS entity_name,
    op.value AS operation, coalesce(a.value, j.actor) AS actor,
    CASE WHEN e.node > 1 THEN n.value END AS node, d.before AS before, d.after AS after
FROM events e
JOIN keys n ON n.key_id = e.node
LEFT JOIN event_details d ON d.seq = e.seq
LEFT JOIN keys t ON t.key_id = d.entity_type
LEFT JOIN keys op ON op.key_id = d.operation
LEFT JOIN keys a ON a.key_id = d.actor
LEFT JOIN change_actors j ON j.seq = e.seq
WHERE e.kind = 4 AND e.kind > 1"""
"""`config_changes` as m001 made it, with the actor that an audit log or an approval told."""
