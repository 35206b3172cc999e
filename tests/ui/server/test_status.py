from __future__ import annotations

from ui.server import status
from ui.server.status import ChildState, ChildStatus


class Running:
    """A server that does nothing."""

    def collector(self) -> ChildStatus:
        """Runs."""
        return ChildStatus(state=ChildState.RUNNING)

    def sample(self) -> ChildStatus:
        """Is off."""
        return ChildStatus(state=ChildState.OFF)

    def play_sample(self) -> None:
        """Nothing."""

    def stop_sample(self) -> None:
        """Nothing."""


def test_pages_find_the_server_while_it_runs() -> None:
    assert status.server() is None
    running = Running()

    status.publish(running)
    try:
        assert status.server() is running
    finally:
        status.publish(None)

    assert status.server() is None
