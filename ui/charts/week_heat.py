"""When in the week it happens: seven days of 24 hours, rows in, Plotly figure out."""

from __future__ import annotations

import dataclasses
from typing import Any

from domain.baseline import Past
from ui import wording as words
from ui.zones import Zone

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = tuple(f"{hour:02}" for hour in range(24))
LOWEST, HIGHEST = "--st-secondary-background-color", "--st-primary-color"
"""One hue: more is darker on light, brighter on dark. Unknown is left open, zero is not."""


@dataclasses.dataclass(frozen=True, slots=True)
class WeekGrid:
    """Per place in the viewer's week: what was counted, and in how many hours that we can vouch for.

    Both are seven rows (Monday first) of 24 numbers.
    """

    totals: tuple[tuple[int, ...], ...]
    hours: tuple[tuple[int, ...], ...]

    @property
    def total(self) -> int:
        """Everything counted."""
        return sum(map(sum, self.totals))

    @property
    def observed_hours(self) -> int:
        """Hours that we can vouch for."""
        return sum(map(sum, self.hours))

    def mean(self, day: int, hour: int) -> float | None:
        """Per hour; None where no such hour is known."""
        known = self.hours[day][hour]
        return self.totals[day][hour] / known if known else None

    def busiest(self) -> tuple[int, int] | None:
        """(day, hour) with the highest mean, the earliest of equals; None when nothing was counted."""
        places = [(day, hour) for day in range(7) for hour in range(24) if self.totals[day][hour]]
        return max(places, key=lambda place: (self.mean(*place) or 0, -place[0], -place[1]), default=None)


def week_grid(past: Past, zone: Zone) -> WeekGrid:
    """Sort hours into the week of a zone. An hour that a gap touches is left out, one that was quiet counts.

    Where a zone is off by half an hour, an hour goes where it begins.
    """
    totals = [[0] * 24 for _ in DAYS]
    hours = [[0] * 24 for _ in DAYS]
    for start_ms, count in past.samples():
        moment = zone.moment(start_ms)
        totals[moment.weekday()][moment.hour] += count
        hours[moment.weekday()][moment.hour] += 1
    return WeekGrid(tuple(map(tuple, totals)), tuple(map(tuple, hours)))


def week_figure(grid: WeekGrid, noun: str, zone_label: str) -> dict[str, Any]:
    """A heat map, Monday on top, midnight on the left.

    Args:
        grid: What to draw.
        noun: What is counted, in the plural: `violations`.
        zone_label: Of the hours.
    """
    means = [[grid.mean(day, hour) for hour in range(24)] for day in range(7)]
    known = [mean for row in means for mean in row if mean is not None]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": list(HOURS),
                "y": list(DAYS),
                "z": means,
                "customdata": [[_hover(grid, day, hour, noun) for hour in range(24)] for day in range(7)],
                "hovertemplate": "%{customdata}<extra></extra>",
                "hoverongaps": True,
                "zmin": 0,
                "zmax": max(known, default=0) or 1,
                "colorscale": [[0, LOWEST], [1, HIGHEST]],
                "xgap": 1,
                "ygap": 1,
                "colorbar": {
                    "title": {"text": f"{noun}<br>per hour", "side": "top", "font": {"size": 11}},
                    "thickness": 8,
                    "outlinewidth": 0,
                    "nticks": 4,
                    "tickfont": {"size": 11},
                },
            }
        ],
        "layout": {
            "margin": {"l": 56, "r": 4, "t": 6, "b": 40},
            "dragmode": False,
            "xaxis": {
                "type": "category",
                "title": {"text": f"hour of day ({zone_label})", "standoff": 6},
                "dtick": 3,
                "showgrid": False,
                "fixedrange": True,
            },
            "yaxis": {
                "type": "category",
                "autorange": "reversed",
                "title": {"text": "day", "standoff": 2},
                "showgrid": False,
                "fixedrange": True,
            },
        },
    }


def week_sentence(grid: WeekGrid, noun: str) -> str:
    """What the map shows, in words: the busiest hour and how much of the week is known."""
    place = grid.busiest()
    known = f"{words.counted(grid.observed_hours, 'hour')} known"
    if not grid.observed_hours:
        return "No hour of the week is known yet."
    if place is None:
        return f"No {noun} in any hour of the week, {known}."
    return f"Busiest {_when(*place)}: {_per_hour(grid.mean(*place))} {noun} per hour, {known}."


def _when(day: int, hour: int) -> str:
    return f"{DAYS[day]} {hour:02} to {(hour + 1) % 24:02} h"


def _hover(grid: WeekGrid, day: int, hour: int, noun: str) -> str:
    known = grid.hours[day][hour]
    if not known:
        return f"{_when(day, hour)}: not known, no such hour was watched without a gap"
    weeks = words.counted(known, "such hour")
    return f"{_when(day, hour)}: {_per_hour(grid.mean(day, hour))} {noun} per hour, {weeks} known"


def _per_hour(mean: float | None) -> str:
    if mean is None:
        return words.UNKNOWN
    return f"{mean:,.0f}" if mean >= 10 or mean == int(mean) else f"{mean:.1f}"  # noqa: PLR2004 - two digits
