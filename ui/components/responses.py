"""What can be done about one consumer or address, from its page; nothing happens before it is approved."""

from __future__ import annotations

from domain.filters import OTHER_TOKEN, UNKNOWN_TOKEN, Dimension
from ui import navigation
from ui.components.page_frame import Frame
from ui.wording_addresses import replaced


def show_responses(frame: Frame, dimension: Dimension, token: str) -> None:
    """Links to blocking it and to trying a limit on it; none for those who are nobody in particular.

    Nor for pseudonyms: Kong knows none.
    """
    if token in {OTHER_TOKEN, UNKNOWN_TOKEN} or replaced(token) is not None:
        return
    state = frame.state.elsewhere()
    navigation.page_link(
        ":material/block: Block…",
        "blocks",
        state.with_own(block=[token]),
        help_text="See who else it would hit; nothing is sent before it is approved.",
    )
    if dimension is Dimension.CONSUMER:
        navigation.page_link(
            ":material/speed: Try a limit…",
            "changes",
            state.unfiltered().adding(dimension, token).with_own(view=["limit"]),
            help_text="Who would have been refused, over its own history.",
        )
