"""Numbers, times and names as people read them, the same on every page.

`None` is unknown and says so; it is never zero. Times carry their zone at least once per table or chart.
A page's own sentences stand in `ui/wording_<page>.py`; nothing here escapes data, see `ui.safe_text`.
"""

from __future__ import annotations

import itertools

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension, Filters
from domain.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Window
from ui.zones import Zone

UNKNOWN = "unknown"

SINGULARS = {
    Dimension.CONSUMER: "consumer",
    Dimension.IP: "address",
    Dimension.SERVICE: "service",
    Dimension.ROUTE: "route",
    Dimension.NODE: "node",
    Dimension.LIMIT: "limit",
}
PLURALS = {
    Dimension.CONSUMER: "consumers",
    Dimension.IP: "addresses",
    Dimension.SERVICE: "services",
    Dimension.ROUTE: "routes",
    Dimension.NODE: "nodes",
    Dimension.LIMIT: "limits",
}

_WHOLE_UNITS = {
    SECOND_MS: "second",
    MINUTE_MS: "minute",
    HOUR_MS: "hour",
    DAY_MS: "day",
    7 * DAY_MS: "week",
}

SEVERITIES = {
    "critical": ("▲", "Critical"),
    "high": ("△", "High"),
    "notice": ("●", "Notice"),
    "information": ("○", "Information"),
}
"""Of alerts: icon and word, always together."""

CERTAINTIES = {"certain": "● certain", "probable": "◐ probable", "ruled-out": "○ ruled out"}
"""How sure it is that a limit of Kong's refused a request: icon and word, always together."""


def count(number: float | None, *, at_least: bool = False) -> str:
    """`1,204`, `at least 1,204`, `unknown`."""
    if number is None:
        return UNKNOWN
    return f"at least {number:,.0f}" if at_least else f"{number:,.0f}"


def counted(number: int | None, one: str, many: str | None = None, *, at_least: bool = False) -> str:
    """A number with its noun: `1 consumer`, `14 consumers`, `at least 14 consumers`, `unknown consumers`."""
    noun = one if number == 1 else many or one + "s"
    return f"{count(number, at_least=at_least)} {noun}"


def ratio(part: float | None, whole: float | None) -> str:
    """A share in percent, as precise as it deserves."""
    if part is None or whole is None:
        return UNKNOWN
    if not whole:
        return "no requests"
    percent = 100 * part / whole
    if not part:
        return "0 %"
    if 0 < percent < 0.1:  # noqa: PLR2004 - 0.0 % of something is not nothing
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"  # noqa: PLR2004 - two digits say enough


def size(number: int | None) -> str:
    """Bytes in the unit that leaves one to three digits before the point: `12.3 MB`, 1 kB is 1,000 bytes."""
    if number is None:
        return UNKNOWN
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - three digits
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def span(length_ms: int) -> str:
    """A length in the largest unit that leaves no rest: `15 min`, `24 h`, `90 s`. For windows and buckets.

    Whole hours beyond two days are `9 d 20 h`: nobody reads 236 h.
    """
    if length_ms == DAY_MS:
        return "24 h"
    if length_ms > 2 * DAY_MS and length_ms % DAY_MS and not length_ms % HOUR_MS:
        return duration(length_ms)
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
        if length_ms >= unit_ms and length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms} {unit}"
    return f"{max(1, round(length_ms / SECOND_MS))} s"


def range_words(name: str) -> str:
    """A named span of the URL as people say it: `15 min`, `24 h`, `7 d`."""
    return f"{name[:-1]} {'min' if name.endswith('m') else name[-1]}"


def per(bucket_ms: int) -> str:
    """A bucket as people say it after "per": `10 s`, `minute`, `5 min`."""
    return _WHOLE_UNITS.get(bucket_ms) or span(bucket_ms)


def duration(length_ms: int | None) -> str:
    """A measured length in its two largest units: `0.4 s`, `41 s`, `12 min 5 s`, `3 h 12 min`, `2 d 4 h`."""
    if length_ms is None:
        return UNKNOWN
    if length_ms < 10 * SECOND_MS:
        return f"{max(0, length_ms) / SECOND_MS:.1f} s"
    units = ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min"), (SECOND_MS, "s"))
    for (unit_ms, unit), (next_ms, next_unit) in itertools.pairwise(units):
        if length_ms >= unit_ms:
            rest = length_ms % unit_ms // next_ms
            return f"{length_ms // unit_ms} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{length_ms // SECOND_MS} s"


def ago(at_ms: int | None, now_ms: int) -> str:
    """How long since an instant: `0.4 s ago`, `12 min ago`, `in 3 s`, `never`."""
    if at_ms is None:
        return "never"
    passed_ms = now_ms - at_ms
    if passed_ms < 0:
        return f"in {duration(-passed_ms)}"
    if passed_ms < MINUTE_MS:
        return f"{duration(passed_ms)} ago"
    for unit_ms, unit in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
        if passed_ms >= unit_ms:
            return f"{passed_ms // unit_ms} {unit} ago"
    return UNKNOWN


def clock(at_ms: int | None, zone: Zone, *, milliseconds: bool = False) -> str:
    """`14:02:41`, or `14:02:41.220`: for columns whose heading names the zone and whose day is plain."""
    if at_ms is None:
        return UNKNOWN
    moment = zone.moment(at_ms)
    return moment.strftime("%H:%M:%S") + (f".{at_ms % 1000:03}" if milliseconds else "")


def day_and_clock(at_ms: int | None, zone: Zone) -> str:
    """`2026-01-13 14:02:41`: for columns whose heading names the zone; sorts as text."""
    return UNKNOWN if at_ms is None else zone.moment(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def moment(at_ms: int | None, zone: Zone) -> str:
    """An instant on its own, with its zone: `2026-01-13 14:02:41 UTC`."""
    return UNKNOWN if at_ms is None else f"{day_and_clock(at_ms, zone)} ({zone.label(at_ms)})"


def window(shown: Window, zone: Zone) -> str:
    """A span with its zone: `2026-01-13 14:02 to 14:17 (UTC)`; the second day only where it differs."""
    start, end = zone.moment(shown.from_ms), zone.moment(shown.to_ms)
    form = "%H:%M" if shown.length_ms >= 5 * MINUTE_MS else "%H:%M:%S"
    last = end.strftime(form if start.date() == end.date() else f"%Y-%m-%d {form}")
    return f"{start.strftime(f'%Y-%m-%d {form}')} to {last} ({zone.label(shown.to_ms)})"


def label(dimension: Dimension, token: str, given: str) -> str:
    """What people read for a token: words of ours for the two that are no names."""
    if token == UNKNOWN_TOKEN:
        return "no consumer" if dimension == Dimension.CONSUMER else f"no {SINGULARS[dimension]} known"
    return "Other" if token == OTHER_TOKEN else given


def limit(value: int | None, name: str | None, window_s: int | None) -> str:
    """A limit as Kong has it: `20 / minute`, `100 / 90 s`; what is not known stays open."""
    per_what = name or (f"{window_s} s" if window_s else None)
    if value is None:
        return per_what or ""
    return f"{value:,} / {per_what}" if per_what else f"{value:,}"


def filter_words(filters: Filters) -> list[tuple[str, Dimension, str, bool]]:
    """(sentence, dimension, value, excluded) for each restriction, to name and to remove."""
    found = [(f"{SINGULARS[d]} = {label(d, v, v)}", d, v, False) for d, v in filters.include]
    return found + [
        (f"{SINGULARS[d]} \N{NOT EQUAL TO} {label(d, v, v)}", d, v, True) for d, v in filters.exclude
    ]
