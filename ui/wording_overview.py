"""Sentences of the lists of all consumers and of all addresses."""

from __future__ import annotations

from collections.abc import Sequence

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from storage.rows import CellRow, Totals
from ui import wording as words

SEARCH_HINT = {
    Dimension.CONSUMER: "Name, former name or id",
    Dimension.IP: "Address, its beginning, or a range",
}
SORTS = {
    "violations": "Violations",
    "ratio": "Refused",
    "requests": "Requests",
    "spread": "",
    "last": "Last seen",
}
"""What the list can be sorted by, as it stands in the URL."""
FOLDED = {
    Dimension.CONSUMER: (
        "Other: consumers beyond the number told apart per minute (setting max_names_per_minute). They are "
        "counted, not named; the events behind them say who they were."
    ),
    Dimension.IP: (
        "Other: addresses beyond the number told apart per minute (settings max_names_per_minute and "
        "max_addresses_per_minute), where even their prefixes were too many. They are counted, not named."
    ),
}


def leading(
    dimension: Dimension,
    totals: Totals,
    cells: Sequence[CellRow],
    span: str,
    *,
    is_filtered: bool = False,
    is_known: bool = True,
) -> str:
    """The answer first: how many were refused, how often, and whether one stands out.

    Args:
        dimension: Consumers or addresses.
        totals: Of the span, under the filters.
        cells: The first of the list.
        span: As in a sentence: `in the last 24 h`.
        is_filtered: Whether filters leave something out.
        is_known: False when the feed is not current, so that none seen is not none.
    """
    hit = totals.consumers if dimension == Dimension.CONSUMER else totals.addresses
    nouns = (words.SINGULARS[dimension], words.PLURALS[dimension])
    if not totals.violations:
        among = f"None of the {nouns[1]} that the filters leave" if is_filtered else f"No {nouns[0]}"
        return f"{among} was refused {span}{'' if is_known else ', as far as we know'}."
    is_folded = totals.consumers_folded if dimension == Dimension.CONSUMER else totals.addresses_folded
    at_least = totals.at_least or is_folded
    who = words.counted(hit, *nouns, at_least=at_least) + (" was" if hit == 1 else " were")
    said = f"{who} refused {span}: {words.counted(totals.violations, 'violation', at_least=totals.at_least)}"
    if totals.requests:
        share = words.ratio(totals.violations, totals.requests)
        said += f", {share} of {words.counted(totals.requests, 'request')}"
    return said[:1].upper() + said[1:] + "." + _first(dimension, totals, cells)


def _first(dimension: Dimension, totals: Totals, cells: Sequence[CellRow]) -> str:
    named = [cell for cell in cells if cell.token not in (UNKNOWN_TOKEN, OTHER_TOKEN)]
    first = max(named, key=lambda cell: cell.limited + cell.probable, default=None)
    if first is None or not first.limited + first.probable:
        return ""
    share = words.ratio(first.limited + first.probable, totals.violations)
    label = words.label(dimension, first.token, first.label)
    return f" {label} alone makes {share} of the violations."


def shown_of(first: int, last: int, known: int | None, *, is_cut: bool) -> str:
    """`1 to 50 of 812`; `1 to 50, more follow` where nobody has counted; the cut where the list was cut."""
    if known is None:
        return f"{first:,} to {last:,}, more follow"
    all_of_them = f"the {known:,} with most violations" if is_cut else f"{known:,}"
    return f"{first:,} to {last:,} of {all_of_them}"


def nobody(dimension: Dimension, text: str) -> str:
    """Nothing that was searched for did anything."""
    noun = words.PLURALS[dimension]
    return f"None of the {noun} that match “{text}” did anything in this span."


def unknown_name(dimension: Dimension, text: str) -> str:
    """Nothing is known under what was searched for."""
    noun = words.SINGULARS[dimension]
    return f"No {noun} is known as “{text}”, by name, former name or id."
