"""Sentences of the Health page."""

from __future__ import annotations

from settings import SETTINGS, load_settings
from ui import wording_health as words
from ui.server.status import ChildState


def test_what_is_kept_follows_the_settings_longest_last() -> None:
    kept = words.retention(load_settings({"seconds_rollup_days": 1, "events_days": 30}, {}))

    assert kept[0] == ("Totals per 10 seconds", "1 day", "seconds_rollup_days")
    assert kept[1][1] == "30 days"
    assert kept[-1][1] == "for ever"
    assert {setting for *_, setting in kept if setting} <= {setting.name for setting in SETTINGS}


def test_every_state_of_the_collector_has_an_icon_and_a_word() -> None:
    assert set(words.CHILD_STATES) == set(ChildState)
    assert all(" " in shown for shown in words.CHILD_STATES.values())
