"""Spans of which nothing is known, because nobody listened or nothing arrived. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from domain.windows import Window
from storage.rows import Marker
from ui import wording_live as words


def unheard(window: Window, heard: Window, now_ms: int) -> list[Marker]:
    """Silence before the first arrival and after the last is not zero, so it is drawn as a gap.

    Args:
        window: What is shown.
        heard: In which silence means that nothing happened, see `live_state.heard_span`.
        now_ms: The future is neither.
    """
    end_ms = min(window.to_ms, now_ms)
    spans = (
        (window.from_ms, min(heard.from_ms, end_ms), words.NOTHING_YET),
        (max(heard.to_ms, window.from_ms), end_ms, words.NOTHING_SINCE),
    )
    return [Marker(at_ms=a, to_ms=b, kind="gap", text=text) for a, b, text in spans if a < b]


def heard_values(
    values: Sequence[int], from_ms: int, bucket_ms: int, silences: Sequence[Marker]
) -> tuple[int | None, ...]:
    """Counts per bucket, None for zeros of buckets that lie whole in a silence."""
    return tuple(
        None if not value and _is_unheard(from_ms + i * bucket_ms, bucket_ms, silences) else value
        for i, value in enumerate(values)
    )


def unheard_ms(silences: Sequence[Marker]) -> int:
    """How long they are together."""
    return sum((silence.to_ms or silence.at_ms) - silence.at_ms for silence in silences)


def _is_unheard(start_ms: int, bucket_ms: int, silences: Sequence[Marker]) -> bool:
    return any(s.at_ms <= start_ms and start_ms + bucket_ms <= (s.to_ms or s.at_ms) for s in silences)
