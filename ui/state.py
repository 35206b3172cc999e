"""The URL is the state: what a page shows, as plain text that can be shared, checked on the way in.

    range=15m | 5m 1h 6h 24h 7d 30d all        a span that moves with time; a page has its own default
    from=2026-01-13T09:30:00Z&to=...           or one that stands still; milliseconds since 1970 work too
    consumer=acme&not_ip=203.0.113.7           filters, see domain.filters
    of=acme                                    the one consumer, address, node, ... that the page is about
    group=service                              what charts are split by
    zone=local                                 times in the viewer's zone; UTC otherwise
    sample=1                                   the recorded sample's database
    anything else                              the page's own, `own("kind")`; dropped when leaving the page

How a page uses it (`page_frame.opened` gives the state as `page.state`):

    token = page.state.selected                # or None
    page.state.own("kind")                     # ("rate-limiting",)
    changed = page.state.adding(Dimension.SERVICE, "orders")
    navigation.go("consumers", page.state.about("acme"))          # another page
    set_state(page.state.with_own(kind=("crud",)))                # this page, in a widget's callback
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import streamlit as st

from domain.filters import MAX_VALUE_CHARS, Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window

RANGES = {
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "6h": 6 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
"""Spans that move with time, by their name in the URL."""
ALL = "all"
"""Everything that was ever received."""
DEFAULT_RANGE = "15m"
NEVER_MS = 253_402_300_800_000
"""The year 10000: no instant of ours is later."""
MAX_OWN_VALUES = 20
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LOST_PLUS = re.compile(r"(T\S+) (\d\d:\d\d)$")
"""In a query a bare plus means a space."""

_OURS = {"range", "from", "to", "of", "group", "zone", "sample"}
_OURS |= {prefix + dimension for dimension in Dimension for prefix in ("", "not_")}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """What a page shows. Immutable and hashable; change it with the methods, then link or set it."""

    range: str | None = None
    """A name of `RANGES`, or `all`; None: the page's own default, unless `fixed` is set."""
    fixed: Window | None = None
    """A span that stands still."""
    filters: Filters = dataclasses.field(default_factory=Filters)
    selected: str | None = None
    """Token of the one consumer, address, node, ... that the page is about."""
    group: Dimension | None = None
    is_local: bool = False
    """Times in the viewer's zone rather than UTC."""
    sample: bool = False
    page_own: tuple[tuple[str, str], ...] = ()

    def window(self, now_ms: int, default: str = DEFAULT_RANGE, oldest_ms: int | None = None) -> Window:
        """The span that is shown.

        Args:
            now_ms: Where a span that moves ends.
            default: The page's own range, for a URL that names none.
            oldest_ms: Where `all` starts; None (nothing was received) gives the last hour.
        """
        if self.fixed is not None:
            return self.fixed
        name = self.range or default
        if name == ALL:
            return Window(min(now_ms - HOUR_MS if oldest_ms is None else oldest_ms, now_ms), now_ms)
        return Window(now_ms - RANGES[name], now_ms)

    @property
    def moves(self) -> bool:
        """Whether the span ends now."""
        return self.fixed is None

    def own(self, name: str) -> tuple[str, ...]:
        """Values of a parameter of the page's own; check them against what you know."""
        return tuple(value for key, value in self.page_own if key == name)

    def ranged(self, name: str | None) -> PageState:
        """With a span that moves: a name of `RANGES`, `all`, or None for the page's default."""
        return dataclasses.replace(self, range=name, fixed=None)

    def at(self, window: Window) -> PageState:
        """With a span that stands still."""
        return dataclasses.replace(self, range=None, fixed=window)

    def adding(self, dimension: Dimension, value: str, *, excluded: bool = False) -> PageState:
        """With one more filter; its opposite goes."""
        return dataclasses.replace(self, filters=self.filters.adding(dimension, value, excluded=excluded))

    def without(self, dimension: Dimension, value: str | None = None) -> PageState:
        """Without one value of a filter, or without the whole dimension."""
        return dataclasses.replace(self, filters=self.filters.without(dimension, value))

    def unfiltered(self) -> PageState:
        """Without any filter."""
        return dataclasses.replace(self, filters=Filters())

    def about(self, token: str | None) -> PageState:
        """About this one consumer, address, node, ...; None for the page's list."""
        return dataclasses.replace(self, selected=token)

    def grouped(self, group: Dimension | None) -> PageState:
        """With charts split by that."""
        return dataclasses.replace(self, group=group)

    def with_own(self, **values: Sequence[str]) -> PageState:
        """With parameters of the page's own; an empty sequence removes one."""
        kept = tuple((name, value) for name, value in self.page_own if name not in values)
        added = tuple((name, value) for name, found in values.items() for value in found if value)
        return dataclasses.replace(self, page_own=kept + added)

    def elsewhere(self) -> PageState:
        """What another page is given: span, filters, zone and sample, but not what was this page's alone."""
        return dataclasses.replace(self, selected=None, group=None, page_own=())

    def to_params(self) -> dict[str, list[str]]:
        """URL parameters in a fixed order; what is the default is left out."""
        params: dict[str, list[str]] = {}
        if self.fixed is not None:
            params |= {"from": [_iso(self.fixed.from_ms)], "to": [_iso(self.fixed.to_ms)]}
        elif self.range is not None:
            params["range"] = [self.range]
        if self.selected is not None:
            params["of"] = [self.selected]
        params |= self.filters.to_params()
        if self.group is not None:
            params["group"] = [str(self.group)]
        for name, value in self.page_own:
            params.setdefault(name, []).append(value)
        if self.is_local:
            params["zone"] = ["local"]
        if self.sample:
            params["sample"] = ["1"]
        return params

    def query(self) -> str:
        """The part of a URL after `?`; empty when everything is the default."""
        return urlencode(self.to_params(), doseq=True, quote_via=quote, safe=":/~")

    @classmethod
    def from_params(cls, params: Mapping[str, Sequence[str]]) -> PageState:
        """Read URL parameters. What cannot be understood counts as not given."""

        def one(name: str) -> str:
            return next(iter(params.get(name, ())), "")[:MAX_VALUE_CHARS]

        named = one("range")
        return cls(
            range=named if named in RANGES or named == ALL else None,
            fixed=_fixed(one("from"), one("to")),
            filters=Filters.from_params(params),
            selected=one("of") or None,
            group=dimension_named(one("group")),
            is_local=one("zone") == "local",
            sample=one("sample") == "1",
            page_own=tuple(
                (name, value[:MAX_VALUE_CHARS])
                for name, values in params.items()
                if name not in _OURS
                for value in values
                if value
            )[:MAX_OWN_VALUES],
        )


def _fixed(start: str, end: str) -> Window | None:
    from_ms, to_ms = instant_ms(start), instant_ms(end)
    if from_ms is None or to_ms is None or not from_ms < to_ms:
        return None
    return Window(from_ms, to_ms)


def dimension_named(name: object) -> Dimension | None:
    """The dimension of that name, from a URL or a browser; None for anything else."""
    return Dimension(name) if isinstance(name, str) and name in set(Dimension) else None


def instant_ms(text: str) -> int | None:
    """An ISO 8601 time (UTC where it names no offset) or milliseconds since 1970; None when it is neither."""
    if text.isascii() and text.isdecimal():
        found = int(text[:15])
    else:
        try:
            moment = dt.datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text))
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        found = (aware - _EPOCH) // dt.timedelta(milliseconds=1)
    return found if 0 <= found < NEVER_MS else None


def _iso(at_ms: int) -> str:
    moment = _EPOCH + dt.timedelta(milliseconds=at_ms)
    text = moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def current_state() -> PageState:
    """The state of the page that runs, from its URL."""
    params: Any = st.query_params
    return PageState.from_params({name: params.get_all(name) for name in params})


def set_state(state: PageState) -> None:
    """Put a state into the URL of the page that runs.

    Meant for callbacks of widgets, which run before the page does: the page then runs with it. Elsewhere,
    follow it with `st.rerun()`.
    """
    st.query_params.from_dict(state.to_params())
