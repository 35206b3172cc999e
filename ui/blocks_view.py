"""Numbers about blocks, put together from the readers: who would be hit, and what is seen of them."""

from __future__ import annotations

import dataclasses

from domain.blast_radius import LOOK_BACK_MS, Counted, Radius, measure
from domain.blocks import (
    SETTLE_MS,
    Block,
    BlockScope,
    Protected,
    Seen,
    SubjectType,
    Working,
    judge_working,
    never_blocked,
    refusal,
)
from domain.filters import Dimension, Filters
from domain.windows import DAY_MS, SECOND_MS, Window, floor_ms
from settings import Settings
from storage.changes_reader import ChangesReader
from storage.protocol import Reader
from storage.rows import CellRow, Entity

MAX_BEHIND = 200
CALLERS_MS = 30 * DAY_MS


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who could be blocked."""

    subject_type: SubjectType
    subject: str
    """An address or range, or a consumer's id."""
    label: str
    entity: Entity | None = None


def find_subject(reader: Reader, subject_type: SubjectType, text: str) -> Subject | None:
    """Who is meant; None for a consumer that nobody has heard of."""
    if subject_type != SubjectType.CONSUMER:
        return Subject(subject_type, text, text)
    entity = reader.resolve(Dimension.CONSUMER, text)
    return None if entity is None else Subject(subject_type, entity.id, entity.label, entity)


def subject_filters(subject_type: str, subject: str, scope: BlockScope) -> Filters:
    """The requests of a subject within a scope."""
    dimension = Dimension.CONSUMER if subject_type == SubjectType.CONSUMER else Dimension.IP
    return scope_filters(scope).adding(dimension, subject)


def scope_filters(scope: BlockScope) -> Filters:
    """The requests within a scope."""
    filters = Filters()
    if scope.service_id is not None:
        filters = filters.adding(Dimension.SERVICE, scope.service_id)
    if scope.route_id is not None:
        filters = filters.adding(Dimension.ROUTE, scope.route_id)
    return filters


def blast_radius(reader: Reader, found: Subject, scope: BlockScope, now_ms: int) -> Radius:
    """What a block would have hit in the last 24 hours."""
    window = Window(now_ms - LOOK_BACK_MS, now_ms)
    filters = subject_filters(found.subject_type, found.subject, scope)
    everybody = reader.totals(window, scope_filters(scope))
    consumers = reader.breakdown(Dimension.CONSUMER, window, filters, MAX_BEHIND)
    services = reader.breakdown(Dimension.SERVICE, window, filters, MAX_BEHIND)
    return measure(
        None if found.subject_type == SubjectType.CONSUMER else found.subject,
        [_counted(row) for row in consumers],
        [_counted(row) for row in services],
        None
        if everybody.requests is None
        else max(0, everybody.requests - everybody.violations - everybody.unauthorized),
        at_least=everybody.at_least or len(consumers) >= MAX_BEHIND,
    )


def _counted(row: CellRow) -> Counted:
    return Counted(
        token=row.token,
        label=row.label,
        requests=row.requests,
        violations=row.limited + row.probable,
        unauthorized=row.unauthorized,
    )


def protected_now(settings: Settings, reads: ChangesReader, now_ms: int) -> list[Protected]:
    """Those who are never blocked, as the collector sees it too.

    Raises:
        ValueError: The setting `never_block` holds something that is no address.
    """
    callers = [
        Protected(subject_type=SubjectType.RANGE, subject=ip, note="Kong's Admin API is called from there")
        for ip in reads.admin_callers(now_ms - CALLERS_MS)
    ]
    listed = [entry.protected for entry in reads.never_block_list(now_ms)]
    return [*never_blocked(settings.never_block), *listed, *callers]


def why_not(
    settings: Settings, reads: ChangesReader, found: Subject, now_ms: int, *, private_allowed: bool
) -> str | None:
    """Why somebody may not be blocked; None when they may."""
    return refusal(
        found.subject_type,
        found.subject,
        protected=protected_now(settings, reads, now_ms),
        now_ms=now_ms,
        label=found.label,
        private_allowed=private_allowed,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """What is seen of a block."""

    working: Working
    refused: int
    passed: int
    nodes_told: int
    nodes: int


def standing_of(reader: Reader, reads: ChangesReader, block: Block, now_ms: int) -> Standing:
    """What requests of the subject came to since the block, and which nodes took it in.

    The ten seconds in which it was applied, and those in which nodes learn of it, are left out.
    """
    start_ms = block.applied_ms or block.asked_ms
    end_ms = block.ended_ms or now_ms
    from_ms = floor_ms(start_ms + SETTLE_MS + 10 * SECOND_MS, 10 * SECOND_MS)
    refused = passed = 0
    is_known = True
    if from_ms < end_ms:
        totals = reader.totals(
            Window(from_ms, end_ms), subject_filters(block.subject_type, block.subject, block.scope)
        )
        is_known = totals.requests is not None
        refused = totals.client_errors + totals.unauthorized + totals.violations
        passed = max(0, (totals.requests or 0) - refused)
    seen = Seen(refused=refused, passed=passed, is_known=is_known)
    live = {row.node for row in reader.nodes(now_ms).rows if row.state == "live"}
    told = reads.nodes_told(start_ms - 2 * SECOND_MS, start_ms + 60 * SECOND_MS)
    return Standing(judge_working(seen), refused, passed, len(told), max(len(live), len(told)))


def would_have_refused(reader: Reader, block: Block, now_ms: int) -> int | None:
    """Requests that a dry run counted; None where no log tells."""
    end_ms = block.ended_ms or min(now_ms, block.expires_ms or now_ms)
    start_ms = block.applied_ms or block.asked_ms
    if end_ms <= start_ms:
        return 0
    filters = subject_filters(block.subject_type, block.subject, block.scope)
    return reader.totals(Window(start_ms, end_ms), filters).requests
