"""The number row of Live: what each number says, what it was before, and what it cannot know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from storage.rows import Freshness, Totals
from ui import wording
from ui import wording_live as words

CACHE_WAYS = {"stream", "events", "replay"}
"""Ways in that can tell of cache invalidations; Kong's http-log cannot."""
CHANGE_WAYS = CACHE_WAYS | {"event-hooks", "admin-api"}


class Hearing(StrEnum):
    """How much of the window we can vouch for."""

    WHOLE = "whole"
    PART = "part"
    NONE = "none"


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the number row is made from."""

    now: Totals
    before: Totals | None
    """The span before; None when nobody was listening for the whole of it."""
    spark: tuple[Totals | None, ...]
    """Slices of the window, oldest first, the last one unfinished; None where nobody listened."""
    freshness: Freshness
    hearing: Hearing
    is_filtered: bool
    length_ms: int


def tiles(numbers: Numbers) -> list[dict[str, Any]]:
    """The six numbers, in the order in which they stand."""
    found = [
        _violations(numbers),
        _ratio(numbers),
        _distinct(
            numbers,
            "consumers",
            "Consumers hit",
            lambda t: t.consumers,
            is_folded=numbers.now.consumers_folded,
        ),
        _distinct(
            numbers,
            "addresses",
            "Addresses hit",
            lambda t: t.addresses,
            is_folded=numbers.now.addresses_folded,
        ),
        _cache(numbers),
        _changes(numbers),
    ]
    return [_unheard(tile) for tile in found] if numbers.hearing == Hearing.NONE else found


def _unheard(tile: dict[str, Any]) -> dict[str, Any]:
    """A span in which nobody listened has no numbers; what did come in late is shown all the same."""
    if tile["known"] and tile["value"] not in ("0", "no requests"):
        return tile | {"note": "at least", "change": "", "direction": "none"}
    unknown = {"value": wording.UNKNOWN, "known": False, "change": "", "direction": "none"}
    return tile | unknown | {"note": words.NOTHING_HEARD}


def _violations(numbers: Numbers) -> dict[str, Any]:
    now = numbers.now
    notes = [_bound(numbers), f"{now.probable:,} probable" if now.probable else ""]
    title = "Requests that a limit of Kong's refused; probable ones included."
    if now.gap_ms:
        title += f" {wording.span(now.gap_ms)} of this window are missing."
    return _tile(numbers, "violations", "Violations", lambda t: t.violations, _joined(notes), title)


def _ratio(numbers: Numbers) -> dict[str, Any]:
    tile = _tile(
        numbers,
        "ratio",
        "Refusal ratio",
        lambda t: t.violations / t.requests if t.requests else None,
        "" if numbers.now.requests is None else f"of {numbers.now.requests:,} requests",
        "Violations as a share of all requests that a log told us of.",
    )
    tile["value"] = wording.ratio(numbers.now.violations, numbers.now.requests)
    tile["known"] = numbers.now.requests is not None
    if not tile["known"]:
        tile["note"] = "no log tells of all requests"
    return tile


def _distinct(
    numbers: Numbers, key: str, label: str, of: Callable[[Totals], float | None], *, is_folded: bool
) -> dict[str, Any]:
    title = f"{label}: how many different ones had a violation."
    if not is_folded:
        return _tile(numbers, key, label, of, _bound(numbers), title)
    title += (
        " There were more than are told apart within a minute: those count in every total, without a name."
    )
    return _tile(numbers, key, label, of, words.TOO_MANY, title)


def _bound(numbers: Numbers) -> str:
    """What stands by a count that may be too low."""
    return "at least" if numbers.now.at_least or numbers.hearing != Hearing.WHOLE else ""


def _cache(numbers: Numbers) -> dict[str, Any]:
    tile = _tile(
        numbers,
        "cache",
        "Cache invalidations",
        lambda t: t.cache_invalidations,
        _joined([_bound(numbers), "filters do not apply" if numbers.is_filtered else ""]),
        "Entries that nodes dropped from their caches, as our Kong plugin reports them.",
    )
    return _known_by(tile, numbers, CACHE_WAYS, of_now=numbers.now.cache_invalidations)


def _changes(numbers: Numbers) -> dict[str, Any]:
    last_ms = numbers.now.last_change_ms
    notes = [
        _bound(numbers),
        "" if last_ms is None else f"last {{at:{last_ms}}}",
        "filters do not apply" if numbers.is_filtered else "",
    ]
    tile = _tile(
        numbers,
        "changes",
        "Config changes",
        lambda t: t.config_changes,
        _joined(notes),
        "Services, routes, plugins, consumers and other entities created, updated or deleted.",
    )
    return _known_by(tile, numbers, CHANGE_WAYS, of_now=numbers.now.config_changes)


def _known_by(tile: dict[str, Any], numbers: Numbers, ways: set[str], of_now: int) -> dict[str, Any]:
    """Zero is only zero when someone would have told us."""
    if of_now or any(source.way in ways for source in numbers.freshness.sources):
        return tile
    unknown = {"value": wording.UNKNOWN, "known": False, "spark": [], "change": "", "direction": "none"}
    return tile | unknown | {"note": "no sender reports them"}


def _tile(
    numbers: Numbers,
    key: str,
    label: str,
    of: Callable[[Totals], float | None],
    note: str,
    title: str,
) -> dict[str, Any]:
    now = of(numbers.now)
    before = None if numbers.before is None else of(numbers.before)
    direction, change = words.change(now, before, numbers.length_ms)
    return {
        "key": key,
        "label": label,
        "value": wording.count(None if now is None else int(now)),
        "known": now is not None,
        "change": change,
        "direction": direction,
        "note": note,
        "title": title,
        "spark": [None if part is None else of(part) for part in numbers.spark],
    }


def _joined(notes: Sequence[str]) -> str:
    return " · ".join(note for note in notes if note)
