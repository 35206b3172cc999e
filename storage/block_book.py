"""Writes of blocks and of the list of those who are never blocked."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.blocks import Block, BlockState, Protected, Touched
from domain.proposals import Kind
from storage.block_rows import BLOCK_COLUMNS, to_block
from storage.change_book import ChangeBook
from storage.connection import mapped_errors, transaction

HOUR_MS = 3_600_000


def ask_block(book: ChangeBook, block: Block, at_ms: int) -> None:
    """Ask for a block, with its proposal; a dry run needs none and begins at once."""
    with mapped_errors(book.path), transaction(book.connection):
        marks = ", ".join("?" * len(BLOCK_COLUMNS.split(", ")))
        book.connection.execute(
            f"INSERT INTO blocks ({BLOCK_COLUMNS}) VALUES ({marks})",
            (
                block.block_id,
                block.state,
                block.subject_type,
                block.subject,
                block.label,
                msgspec.json.encode(block.scope).decode(),
                block.reason,
                block.asked_by,
                block.asked_ms,
                block.duration_ms,
                int(block.is_dry_run),
                int(block.private_allowed),
                block.proposal_id,
                block.applied_ms,
                block.expires_ms,
                None,
                None,
                None,
                None,
            ),
        )
        if block.proposal_id is not None:
            book.ask_within(
                block.proposal_id,
                Kind.BLOCK.value,
                block.asked_by,
                block.reason,
                {"block": block.block_id},
                at_ms,
            )
        else:
            book.log(at_ms, block.asked_by, "dry run", block.block_id, f"{block.subject}: {block.reason}")


def get_block(book: ChangeBook, block_id: str) -> Block:
    """One block as it is at this moment.

    Raises:
        KeyError: There is none.
    """
    with mapped_errors(book.path):
        row = book.connection.execute(
            f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE block_id = ?", (block_id,)
        ).fetchone()
    if row is None:
        raise KeyError(block_id)
    return to_block(row)


def blocks_in(book: ChangeBook, states: Iterable[BlockState]) -> list[Block]:
    """All in some states, oldest first."""
    wanted = [state.value for state in states]
    with mapped_errors(book.path):
        rows = book.connection.execute(
            f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE state IN ({', '.join('?' * len(wanted))})"
            " ORDER BY asked_ms, block_id",
            wanted,
        ).fetchall()
    return [to_block(row) for row in rows]


def blocks_that_made(book: ChangeBook) -> list[Block]:
    """All blocks, ended ones too, that made a plugin."""
    with mapped_errors(book.path):
        rows = book.connection.execute(
            f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE touched LIKE '%\"is_ours\":true%'"
            " ORDER BY asked_ms, block_id"
        ).fetchall()
    return [to_block(row) for row in rows]


def asked_since(book: ChangeBook, at_ms: int) -> int:
    """How many blocks were asked for in the hour before an instant."""
    with mapped_errors(book.path):
        row = book.connection.execute(
            "SELECT count(*) FROM blocks WHERE asked_ms > ? AND is_dry_run = 0", (at_ms - HOUR_MS,)
        ).fetchone()
    return int(row[0])


def plan_touches(book: ChangeBook, block_id: str, touched: tuple[Touched, ...]) -> None:
    """Keep which plugins a plan will touch, before it is sent."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute(
            "UPDATE blocks SET touched = ? WHERE block_id = ? AND state = ?",
            (msgspec.json.encode(touched).decode(), block_id, BlockState.REQUESTED.value),
        )


def begun(book: ChangeBook, block_id: str, at_ms: int) -> None:
    """A block is on, wholly or in part: from now on it is undone when its time is over."""
    with mapped_errors(book.path), transaction(book.connection):
        moved = book.connection.execute(
            "UPDATE blocks SET state = ?, applied_ms = ?, expires_ms = ? + duration_ms"
            " WHERE block_id = ? AND state = ?",
            (BlockState.ACTIVE.value, at_ms, at_ms, block_id, BlockState.REQUESTED.value),
        ).rowcount
        if moved:
            book.log(at_ms, "gatewatch", "block on", block_id, "")


def ask_again(
    book: ChangeBook, block_id: str, proposal_id: str, asked_by: str, reason: str, at_ms: int
) -> None:
    """Ask for a block with a new proposal, because the plan of the old one does not fit any more."""
    with mapped_errors(book.path), transaction(book.connection):
        book.ask_within(proposal_id, Kind.BLOCK.value, asked_by, reason, {"block": block_id}, at_ms)
        book.connection.execute(
            "UPDATE blocks SET proposal_id = ?, touched = NULL WHERE block_id = ? AND state = ?",
            (proposal_id, block_id, BlockState.REQUESTED.value),
        )


def cut_short(book: ChangeBook, block_id: str, at_ms: int, why: str) -> None:
    """A block that is on only in part is over at once, so that the rest of it is undone."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute(
            "UPDATE blocks SET expires_ms = ?, ended_why = ? WHERE block_id = ? AND state = ?",
            (at_ms, why, block_id, BlockState.ACTIVE.value),
        )


def ended(book: ChangeBook, block_id: str, old: BlockState, new: BlockState, why: str, at_ms: int) -> bool:
    """End a block; False when it is not in the state that it was thought to be in."""
    with mapped_errors(book.path), transaction(book.connection):
        moved = book.connection.execute(
            "UPDATE blocks SET state = ?, ended_ms = ?, ended_why = ? WHERE block_id = ? AND state = ?",
            (new.value, at_ms, why, block_id, old.value),
        ).rowcount
        if moved:
            book.log(at_ms, "gatewatch", new.value, block_id, why)
        return bool(moved)


def end_dry_run(book: ChangeBook, block_id: str, why: str, at_ms: int) -> bool:
    """End a dry run before its time; False when it has ended already."""
    return ended(book, block_id, BlockState.DRY_RUN, BlockState.DRY_RUN_ENDED, why, at_ms)


def note_trouble(book: ChangeBook, block_id: str, why: str) -> None:
    """Keep why a block could not be undone yet; it is tried again."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute("UPDATE blocks SET ended_why = ? WHERE block_id = ?", (why, block_id))


def ask_lift(
    book: ChangeBook, block_id: str, proposal_id: str, asked_by: str, reason: str, at_ms: int
) -> None:
    """Ask to lift a block before its time."""
    with mapped_errors(book.path), transaction(book.connection):
        book.ask_within(proposal_id, Kind.LIFT.value, asked_by, reason, {"block": block_id}, at_ms)
        book.connection.execute("UPDATE blocks SET lift_id = ? WHERE block_id = ?", (proposal_id, block_id))


def add_protected(book: ChangeBook, entry_id: str, entry: Protected, added_by: str, at_ms: int) -> None:
    """Put somebody on the list of those who are never blocked."""
    with mapped_errors(book.path), transaction(book.connection):
        book.connection.execute(
            "INSERT INTO block_lists (entry_id, subject_type, subject, note, added_by, added_ms, expires_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (entry_id, entry.subject_type, entry.subject, entry.note, added_by, at_ms, entry.expires_ms),
        )
        book.log(at_ms, added_by, "never block", entry.subject, entry.note)


def remove_protected(book: ChangeBook, entry_id: str, removed_by: str, at_ms: int) -> None:
    """Take somebody off that list; the entry stays, with who removed it."""
    with mapped_errors(book.path), transaction(book.connection):
        moved = book.connection.execute(
            "UPDATE block_lists SET removed_by = ?, removed_ms = ? WHERE entry_id = ? AND removed_ms IS NULL",
            (removed_by, at_ms, entry_id),
        ).rowcount
        if moved:
            book.log(at_ms, removed_by, "may be blocked again", entry_id, "")
