"""The list of all consumers, or of all addresses, of a span: sorted, searched and turned in the URL."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import streamlit as st

from domain.egress import private_network, range_of
from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension, Filters
from domain.roles import Act
from domain.windows import Window, bucket_width_ms
from storage.rows import CellRow
from ui import navigation, permits, store, wording
from ui import wording_overview as words
from ui.components import links
from ui.components.page_frame import Frame
from ui.components.portrait_lists import is_none_known, seen_at, shared_reader, silences_in
from ui.components.screens import show_filtered, show_quiet
from ui.components.table import COUNT, SPARK, TIME, Cell, Column, Row, show_table, without_column
from ui.portrait import snapped
from ui.safe_text import in_markdown, plain
from ui.server.name_exports import names_export_url
from ui.server.tickets import PROCESS_KEY, Tickets
from ui.state import PageState, current_state, set_state
from ui.unheard import heard_values
from ui.viewer import viewer_name

PAGE_ROWS = 50
MAX_DIGITS = 5
"""Of the number of a page."""
MAX_CELLS = 5_000
"""The store hands out no more; the list says so."""
SPARK_POINTS = 32
"""An hour for 24 h, a day for 30 d: widths that are stored, ten times as quick as those between."""
MAX_FOUND = 40
TURNS = {"Previous": ":material/chevron_left:", "Next": ":material/chevron_right:"}
OTHER_SIDE = {Dimension.CONSUMER: Dimension.IP, Dimension.IP: Dimension.CONSUMER}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the URL asks of the list."""

    sort: str
    page: int
    text: str

    @classmethod
    def of(cls, state: PageState) -> Asked:
        """Read and checked; what cannot be understood counts as not given."""
        sort = next(iter(state.own("sort")), "violations")
        page = next(iter(state.own("page")), "1")
        return cls(
            sort=sort if sort in words.SORTS else "violations",
            page=max(1, int(page)) if page.isascii() and page.isdecimal() and len(page) <= MAX_DIGITS else 1,
            text=next(iter(state.own("q")), ""),
        )


def show_overview(frame: Frame, dimension: Dimension) -> None:
    """Draw the list, or the screen that stands in its place."""
    asked = Asked.of(frame.state)
    reader, filters = shared_reader(frame), frame.state.filters
    window, _ = snapped(reader, frame.window, moves=frame.state.moves)
    totals = reader.totals(window, filters)
    found = _searched(frame, dimension, asked.text)
    cells = () if found == () else _cells(frame, dimension, window, found, asked)
    span = _span(frame, window)
    left, right = st.columns([8, 3], vertical_alignment="center")
    with left:
        said = words.leading(
            dimension,
            totals,
            cells,
            span,
            is_filtered=bool(filters),
            is_known=is_none_known(frame, window),
        )
        st.markdown(f"#### {in_markdown(said, 500)}")
    with right:
        _search_box(dimension, asked)
    if found == ():
        st.info(in_markdown(words.unknown_name(dimension, asked.text), 400), icon=":material/search_off:")
    elif not cells and asked.text:
        st.info(in_markdown(words.nobody(dimension, asked.text), 400), icon=":material/search_off:")
    elif not cells:
        unfiltered = reader.totals(window, Filters()).violations if filters else None
        if unfiltered:
            show_filtered(frame, unfiltered)
        else:
            show_quiet(frame, "No requests")
    else:
        _show_list(frame, dimension, window, cells, asked)


def _span(frame: Frame, window: Window) -> str:
    if frame.state.moves:
        return f"in the last {wording.span(window.length_ms)}"
    return "from " + wording.window(window, frame.zone)


def _search_box(dimension: Dimension, asked: Asked) -> None:
    key = "gw-find"
    st.session_state[key] = asked.text

    def search() -> None:
        text = plain(st.session_state[key])
        set_state(current_state().with_own(q=[text] if text else [], page=[]))

    st.text_input(
        f"Find {wording.PLURALS[dimension]}",
        key=key,
        on_change=search,
        placeholder=words.SEARCH_HINT[dimension],
        label_visibility="collapsed",
        icon=":material/search:",
    )


def _searched(frame: Frame, dimension: Dimension, text: str) -> tuple[str, ...] | None:
    """Tokens of what was searched for; None when nothing was."""
    if not text:
        return None
    if dimension == Dimension.IP and (found := range_of(text)) is not None:
        return (found,)
    reader = shared_reader(frame)
    tokens = [entity.token for entity in reader.search(text, MAX_FOUND) if entity.dimension == dimension]
    exact = reader.resolve(dimension, text)
    return tuple(dict.fromkeys([*([exact.token] if exact is not None else []), *tokens]))


def _cells(
    frame: Frame, dimension: Dimension, window: Window, found: tuple[str, ...] | None, asked: Asked
) -> tuple[CellRow, ...]:
    """Everyone who has to be known for the page that is shown; in the store's own order that is few."""
    filters = frame.state.filters if found is None else frame.state.filters.only(dimension, found)
    limit = min(MAX_CELLS, asked.page * PAGE_ROWS + 1) if asked.sort == "violations" else MAX_CELLS
    return shared_reader(frame).breakdown(dimension, window, filters, limit)


def _show_list(
    frame: Frame, dimension: Dimension, window: Window, cells: Sequence[CellRow], asked: Asked
) -> None:
    reader, other = shared_reader(frame), OTHER_SIDE[dimension]
    if asked.sort == "spread":
        everyone = tuple(cell.token for cell in cells)
        spread = reader.spread(dimension, other, everyone, window, frame.state.filters)
        ordered = ordered_by(cells, asked.sort, spread)
        shown = ordered[(asked.page - 1) * PAGE_ROWS :][:PAGE_ROWS]
    else:
        ordered = ordered_by(cells, asked.sort, {})
        shown = ordered[(asked.page - 1) * PAGE_ROWS :][:PAGE_ROWS]
        tokens = tuple(cell.token for cell in shown)
        spread = reader.spread(dimension, other, tokens, window, frame.state.filters)
    sparks = _sparks(frame, dimension, window, shown)
    most = max((cell.limited + cell.probable for cell in cells), default=0)
    columns = _columns(frame, dimension, asked)
    rows = [_row(frame, dimension, window, cell, most, spread, sparks) for cell in shown]
    if not any(cell.probable for cell in shown):
        columns, rows = without_column(columns, rows, "Probable")
    show_table(
        columns,
        rows,
        key="gw-overview",
        label=f"{wording.PLURALS[dimension].capitalize()} of this span",
    )
    _footer(frame, dimension, window, len(ordered), len(shown), asked)


def ordered_by(cells: Sequence[CellRow], sort: str, spread: Mapping[str, int]) -> list[CellRow]:
    """Sorted, most first; within equals in the store's own order, most violations first."""

    def ratio(cell: CellRow) -> float:
        return (cell.limited + cell.probable) / cell.requests if cell.requests else -1.0

    keys = {
        "violations": lambda _: 0,
        "ratio": ratio,
        "requests": lambda cell: -1 if cell.requests is None else cell.requests,
        "spread": lambda cell: spread.get(cell.token, 0),
        "last": lambda cell: cell.last_ms,
    }
    return sorted(cells, key=keys[sort], reverse=True)


def _columns(frame: Frame, dimension: Dimension, asked: Asked) -> list[Column]:
    def sorted_by(name: str) -> PageState:
        return frame.state.with_own(sort=[] if name == "violations" else [name], page=[])

    other = "Addresses" if dimension == Dimension.CONSUMER else "Consumers"
    spread_hint = f"{other} with a violation"

    def counted(title: str, name: str, hint: str, *, low: bool = False) -> Column:
        return Column(title, COUNT, hint=hint, sort=sorted_by(name), is_sorted=asked.sort == name, low=low)

    return [
        Column(wording.SINGULARS[dimension].capitalize()),
        counted("Violations", "violations", "Requests that a limit of Kong's refused"),
        Column("Probable", COUNT, hint="Of the violations; the log entry alone cannot tell", low=True),
        Column("Over time", SPARK, hint="Violations in this span, oldest on the left", wide=True),
        counted("Requests", "requests", "All requests that a log told us of"),
        counted("Refused", "ratio", "Violations as a share of the requests"),
        counted(other, "spread", spread_hint),
        Column("Wrong keys", COUNT, hint="Requests answered 401", low=True),
        Column(
            f"Last seen ({frame.zone.label(frame.now_ms)})",
            TIME,
            hint="To within ten seconds to a day, by the length of the span",
            sort=sorted_by("last"),
            is_sorted=asked.sort == "last",
        ),
    ]


def _sparks(
    frame: Frame, dimension: Dimension, window: Window, cells: Sequence[CellRow]
) -> dict[str, tuple[int | None, ...]]:
    tokens = [cell.token for cell in cells if cell.limited + cell.probable]
    if not tokens:
        return {}
    series = shared_reader(frame).series(
        window,
        frame.state.filters.only(dimension, tokens),
        dimension,
        bucket_width_ms(window, SPARK_POINTS),
        len(tokens),
    )
    silences = silences_in(frame, window)
    return {
        group.token: heard_values(group.values, series.from_ms, series.bucket_ms, silences)
        for group in series.groups
    }


def _row(
    frame: Frame,
    dimension: Dimension,
    window: Window,
    cell: CellRow,
    most: int,
    spread: Mapping[str, int],
    sparks: Mapping[str, tuple[int | None, ...]],
) -> Row:
    violations = cell.limited + cell.probable
    href = _href(frame, dimension, cell.token)
    label = wording.label(dimension, cell.token, cell.label)
    is_nobody = cell.token in (OTHER_TOKEN, UNKNOWN_TOKEN)
    spark = sparks.get(cell.token)
    return Row(
        (
            Cell(
                label,
                note=_kind_of(dimension, cell.token),
                href=href,
                tone="faint" if is_nobody else "",
                title=words.FOLDED[dimension] if cell.token == OTHER_TOKEN else "",
                filter_by=None if cell.token == OTHER_TOKEN else (dimension, cell.token),
            ),
            Cell(
                f"{violations:,}",
                bar=violations / most if most and violations else None,
                tone="" if violations else "faint",
            ),
            Cell(f"{cell.probable:,}", tone="faint"),
            Cell(
                spark=spark, title=f"Violations of {label} over time, at most {max(n or 0 for n in spark):,}"
            )
            if spark
            else None,
            Cell(wording.count(cell.requests), tone="unknown" if cell.requests is None else ""),
            Cell(wording.ratio(violations, cell.requests), tone="unknown" if cell.requests is None else ""),
            Cell(f"{spread.get(cell.token, 0):,}", tone="" if spread.get(cell.token) else "faint"),
            Cell(f"{cell.unauthorized:,}", tone="" if cell.unauthorized else "faint"),
            Cell(seen_at(cell.last_ms, window, frame.zone)),
        ),
        href=href,
    )


def _href(frame: Frame, dimension: Dimension, token: str) -> str | None:
    """The page of one; requests without any have no page, but events."""
    target = links.target(frame.state, dimension, token)
    if target is not None:
        return navigation.href(target.page, target.state)
    if token == UNKNOWN_TOKEN:
        return navigation.href("events", frame.state.elsewhere().adding(dimension, token))
    return None


def _kind_of(dimension: Dimension, token: str) -> str:
    """Of an address: that no client on the internet has it."""
    return "private" if dimension == Dimension.IP and private_network(token) else ""


def _footer(frame: Frame, dimension: Dimension, window: Window, known: int, shown: int, asked: Asked) -> None:
    first = (asked.page - 1) * PAGE_ROWS
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="gw-footer"):
        if asked.page > 1:
            _turn(frame, "Previous", asked.page - 1)
        has_more = asked.sort == "violations" and known > first + PAGE_ROWS
        st.caption(
            words.shown_of(
                min(first + 1, known),
                first + shown,
                None if has_more else known,
                is_cut=known >= MAX_CELLS,
            )
        )
        if first + PAGE_ROWS < known:
            _turn(frame, "Next", asked.page + 1)
        tickets = Tickets(PROCESS_KEY, store.now_ms)
        why = permits.why_not(Act.EXPORT, store.settings())
        for form, title in (("csv", "CSV"), ("jsonl", "JSON lines")):
            st.link_button(
                title,
                "#"
                if why
                else names_export_url(
                    tickets,
                    form,
                    dimension,
                    window,
                    frame.state.filters,
                    sample=frame.state.sample,
                    who=viewer_name(),
                ),
                icon=":material/download:",
                type="tertiary",
                help=why
                or f"All {wording.PLURALS[dimension]} of this span and these filters. "
                "The link holds for 15 minutes.",
                disabled=why is not None,
            )


def _turn(frame: Frame, label: str, page: int) -> None:
    state = frame.state.with_own(page=[] if page == 1 else [str(page)])
    st.button(
        label, key=f"gw-turn-{label}", type="tertiary", icon=TURNS[label], on_click=lambda: set_state(state)
    )
