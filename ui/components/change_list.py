"""The list of changes: what, how risky, by whom, and what followed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import streamlit as st

from domain.change_actors import How
from domain.change_risks import Flag, flags_of
from domain.change_verdict import Outcome
from domain.changes import Change, Names, cascades, scope_of, sentence
from domain.filters import Dimension, Filters
from storage.change_rows import ChangeRow
from storage.changes_reader import ChangesReader
from storage.protocol import Reader
from ui import navigation, wording
from ui import wording_changes as words
from ui.components.page_frame import Frame
from ui.components.table import TIME, Cell, Column, Row, show_table

PAGE_ROWS = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ListedChange:
    """One change as the list shows it; what went with it is counted, not listed."""

    row: ChangeRow
    told: str
    flags: tuple[Flag, ...]
    children: tuple[str, ...]

    @property
    def change(self) -> Change:
        """The change itself."""
        return self.row.change


def names_of(reads: ChangesReader, changes: Sequence[Change]) -> Names:
    """The names of everything that changes point to."""
    known = reads.names_in(changes)
    return lambda collection, entity_id: known.get((collection, entity_id))


def listed(reads: ChangesReader, rows: Sequence[ChangeRow]) -> list[ListedChange]:
    """Changes with their sentences, newest first; deletions that came with another are folded into it."""
    changes = [row.change for row in rows]
    names, parent_of = names_of(reads, changes), cascades(changes)
    told = {change.seq: sentence(change, names) for change in changes}
    children: dict[int, list[str]] = {}
    for change in changes:
        if change.seq in parent_of:
            children.setdefault(parent_of[change.seq], []).append(told[change.seq])
    return [
        ListedChange(
            row=row,
            told=told[row.change.seq],
            flags=flags_of(row.change, names),
            children=tuple(children.get(row.change.seq, ())),
        )
        for row in rows
        if row.change.seq not in parent_of
    ]


def within(filters: Filters, changes: Sequence[ListedChange], reader: Reader) -> list[ListedChange]:
    """Those whose scope can hold a request that the filters leave."""
    ids: dict[Dimension, set[str]] = {}
    for dimension in (Dimension.SERVICE, Dimension.ROUTE, Dimension.CONSUMER):
        for token in filters.values(dimension):
            entity = reader.resolve(dimension, token)
            ids.setdefault(dimension, set()).add(entity.id if entity else token)
    if not ids:
        return list(changes)

    def fits(change: Change) -> bool:
        scope = scope_of(change)
        held = {
            Dimension.SERVICE: scope.service_id,
            Dimension.ROUTE: scope.route_id,
            Dimension.CONSUMER: scope.consumer_id,
        }
        return any(held.values()) and all(held[d] is None or held[d] in wanted for d, wanted in ids.items())

    return [item for item in changes if fits(item.change)]


def show_list(frame: Frame, changes: Sequence[ListedChange], *, key: str = "gw-change-list") -> None:
    """Draw the list."""
    columns = (
        Column(f"Time ({frame.zone.label(frame.now_ms)})", TIME),
        Column("What", wide=True, wrap=True),
        Column("Risk"),
        Column("By", hint="Who, and how that is known"),
        Column("What followed", hint="Refusals in the 15 minutes after, against before"),
        Column("Node", low=True),
    )
    show_table(
        columns,
        [_row(frame, item) for item in changes[:PAGE_ROWS]],
        key=key,
        label="Changes of Kong's configuration",
        height=560,
    )
    if len(changes) > PAGE_ROWS:
        st.caption(f"The newest {PAGE_ROWS} of {len(changes):,}. Choose a shorter span to see the others.")


def _row(frame: Frame, item: ListedChange) -> Row:
    href = navigation.href("changes", frame.state.about(str(item.change.seq)))
    actor, how = words.actor(item.row.actor)
    note = f"and {wording.counted(len(item.children), 'thing')} that belonged to it" if item.children else ""
    is_grave = any(flag.risk in words.GRAVE for flag in item.flags)
    return Row(
        (
            Cell(wording.day_and_clock(item.change.at_ms, frame.zone)),
            Cell(item.told, note=note, href=href, title="; ".join(item.children)),
            Cell(
                ", ".join(words.RISKS[flag.risk] for flag in item.flags),
                tone="critical" if is_grave else "high" if item.flags else "",
                title="; ".join(flag.sentence for flag in item.flags),
            ),
            Cell(actor, note=how, tone="unknown" if item.row.actor.how is How.UNKNOWN else "",
                 title=item.row.actor.why),
            verdict_cell(item.row),
            Cell(short_node(item.change.node), tone="faint", title=item.change.node or ""),
        ),
        href=href,
    )  # fmt: skip


def verdict_cell(row: ChangeRow) -> Cell:
    """What followed a change, in two words; the whole sentence when it is pointed at."""
    if row.verdict is None:
        return Cell(words.NOT_JUDGED, tone="faint")
    text, tone = words.OUTCOMES[row.verdict.outcome]
    ratio = row.verdict.ratio
    moved = row.verdict.outcome in {Outcome.CAUSED_MORE, Outcome.CAUSED_FEWER, Outcome.COINCIDED}
    note = f"\N{MULTIPLICATION SIGN} {factor(ratio.value)}" if ratio is not None and moved else ""
    if not row.is_final:
        note = f"{note} so far".strip()
    return Cell(text, note=note, tone=tone or "faint", title=row.verdict.sentence)


def factor(value: float) -> str:
    """`460`, `28`, `1.4`, `0.03`: two digits say enough."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"  # noqa: PLR2004 - two digits before the point


def short_node(node: str | None) -> str:
    """The first part of a node's id."""
    return (node or "").partition("-")[0]
