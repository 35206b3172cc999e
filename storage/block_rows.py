"""Stored blocks as objects, for every part that asks about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.blocks import Block, Touched, scope_of_json
from storage.reading.snapshot import Snapshot

BLOCK_COLUMNS = (
    "block_id, state, subject_type, subject, label, scope, reason, asked_by, asked_ms, duration_ms,"
    " is_dry_run, private_allowed, proposal_id, applied_ms, expires_ms, touched, ended_ms, ended_why, lift_id"
)


def to_block(row: Sequence[Any]) -> Block:
    """A row of `BLOCK_COLUMNS`."""
    fields = dict(zip(BLOCK_COLUMNS.replace(" ", "").split(","), row, strict=True))
    touched = fields.pop("touched")
    return Block(
        **{
            **fields,
            "scope": scope_of_json(json.loads(fields["scope"])),
            "is_dry_run": bool(fields["is_dry_run"]),
            "private_allowed": bool(fields["private_allowed"]),
            "touched": () if touched is None else msgspec.json.decode(touched, type=tuple[Touched, ...]),
        }
    )


def read_blocks_between(snapshot: Snapshot, from_ms: int, to_ms: int) -> list[Block]:
    """Blocks that were on at some time of a span: what they refused is no sign of anything."""
    rows = snapshot.rows(
        f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE applied_ms IS NOT NULL AND is_dry_run = 0"
        " AND applied_ms < ? AND coalesce(ended_ms, ?) >= ? ORDER BY applied_ms, block_id",
        (to_ms, to_ms, from_ms),
    )
    return [to_block(row) for row in rows]
