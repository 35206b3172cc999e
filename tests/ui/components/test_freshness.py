from __future__ import annotations

import json
from typing import Any

from tests.ui.scripted_reader import (
    NOW_MS,
    ScriptedReader,
    collector_status,
    live_freshness,
    run_page,
)
from ui.components.freshness import REFRESH_EVERY_MS


def line(query: str = "", **freshness: Any) -> dict[str, Any]:
    page = run_page("health", ScriptedReader(freshness=live_freshness(**freshness)), query)
    parts = [json.loads(part.proto.json) for part in page.get("bidi_component")]
    return next(data for data in parts if data["module"].endswith("/freshness.js"))


def test_it_tells_when_we_last_heard_and_as_of_when_the_page_is() -> None:
    data = line()

    assert (data["state"], data["icon"], data["word"]) == ("live", "●", "Live")
    assert (data["nowMs"], data["heardMs"]) == (NOW_MS, NOW_MS - 500)
    assert (data["zone"], data["zoneLabel"]) == ("UTC", "UTC")


def test_only_a_page_whose_span_moves_runs_again_by_itself() -> None:
    assert line()["everyMs"] == REFRESH_EVERY_MS
    assert line("from=1000&to=2000")["everyMs"] is None


def test_a_reason_from_the_collector_is_shown_harmlessly() -> None:
    data = line(collector=collector_status(state="degraded", detail="full\u202e\n"))

    assert data["why"] == "full\\u202e\\n"
