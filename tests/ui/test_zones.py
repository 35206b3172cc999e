from __future__ import annotations

import datetime as dt

import pytest

from ui.zones import UTC, Zone, zone_named

JANUARY_MS = 1_768_296_600_000
JULY_MS = JANUARY_MS + 181 * 86_400_000


def test_utc_is_what_an_unknown_zone_falls_back_to() -> None:
    assert [zone_named(name) for name in (None, "", "Mars/Base", "../etc/passwd", "UTC")] == [UTC] * 5


def test_a_label_names_the_zone_and_its_offset_at_that_time() -> None:
    rome = Zone("Europe/Rome")

    assert rome.label(JANUARY_MS) == "Europe/Rome, UTC+01:00"
    assert rome.label(JULY_MS) == "Europe/Rome, UTC+02:00"
    assert Zone("Asia/Kathmandu").label(JANUARY_MS) == "Asia/Kathmandu, UTC+05:45"
    assert UTC.label(JULY_MS) == "UTC"


@pytest.mark.parametrize("name", ["UTC", "Europe/Rome", "America/St_Johns", "Pacific/Kiritimati"])
def test_a_time_typed_in_a_zone_is_the_instant_it_was_read_from(name: str) -> None:
    zone = Zone(name)

    assert zone.at_ms(zone.moment(JULY_MS).replace(tzinfo=None)) == JULY_MS


def test_of_two_equal_times_in_autumn_the_earlier_is_meant() -> None:
    twice = dt.datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - a time somebody typed

    assert Zone("Europe/Rome").at_ms(twice) == Zone().at_ms(dt.datetime(2026, 10, 25, 0, 30))  # noqa: DTZ001
