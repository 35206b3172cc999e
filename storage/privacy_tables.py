"""The audit trail (migration m005) and what is known of addresses that were replaced (migration m006)."""

from __future__ import annotations

AUDIT_TABLES = """
CREATE TABLE audit_trail (
    entry INTEGER PRIMARY KEY AUTOINCREMENT, -- its highest stays known: an end that was cut off shows
    at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    chain TEXT NOT NULL             -- SHA-256 over this entry and the one before
) STRICT;
CREATE TABLE audit_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID
"""

AUDIT_TRIGGERS = tuple(
    f"CREATE TRIGGER {table}_keeps_{word.lower()} BEFORE {word} ON {table}"
    f" BEGIN SELECT raise(ABORT, '{table} is append-only'); END"
    for table in ("audit_trail", "change_log")
    for word in ("UPDATE", "DELETE")
)
"""Refuse what is no addition, by mistake or for want of knowing better; the chain tells the rest."""

PSEUDONYM_TABLE = """
CREATE TABLE pseudonyms (
    key_id INTEGER PRIMARY KEY,     -- an address in `keys` that was replaced
    prefix INTEGER NOT NULL         -- the key of its prefix, which its pseudonym does not tell
) STRICT
"""
