"""The zone in which times are shown: UTC, or the viewer's own."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import zoneinfo

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """A zone by its IANA name. `UTC` is the default everywhere."""

    name: str = "UTC"

    def moment(self, at_ms: int) -> dt.datetime:
        """An instant as an aware time of this zone."""
        return (_EPOCH + dt.timedelta(milliseconds=at_ms)).astimezone(_info(self.name))

    def label(self, at_ms: int) -> str:
        """What stands beside times: `UTC`, or `Europe/Rome, UTC+02:00` with the offset at that instant."""
        if self.name == "UTC":
            return "UTC"
        return f"{self.name}, UTC{_offset(self.moment(at_ms))}"

    def at_ms(self, local: dt.datetime) -> int:
        """The instant of a naive time of this zone; of two equal times in autumn, the earlier."""
        aware = local.replace(tzinfo=_info(self.name))
        return (aware - _EPOCH) // dt.timedelta(milliseconds=1)


UTC = Zone()


def zone_named(name: str | None) -> Zone:
    """The zone of that IANA name; UTC when there is none of that name."""
    if not name:
        return UTC
    try:
        _info(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
    return Zone(name)


@functools.lru_cache(maxsize=600)
def _info(name: str) -> dt.tzinfo:
    return dt.UTC if name == "UTC" else zoneinfo.ZoneInfo(name)


def _offset(moment: dt.datetime) -> str:
    text = moment.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"
