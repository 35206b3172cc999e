"""Live, the landing page: what Kong refuses right now. The board draws itself from what the server pushes."""

from __future__ import annotations

from ui.components import page_frame
from ui.components.live_board import live_board


def render() -> None:
    """Draw the page."""
    with page_frame.opened("live", heading=False) as page:
        live_board(page)
