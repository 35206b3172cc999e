"""What the running server offers to pages. Pages run in its process, so they meet here."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Protocol


class ChildState(StrEnum):
    """How a collector that we look after is."""

    OFF = "off"
    """Not wanted."""
    STARTING = "starting"
    RUNNING = "running"
    """Ours, and it said that it takes events."""
    EXTERNAL = "external"
    """Someone else runs it for our database; we leave it alone."""
    CONFLICT = "conflict"
    """The address is taken by a collector of another database, or by something else."""
    RESTARTING = "restarting"
    """It ended; we start it again after a pause."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatus:
    """One collector as its supervisor sees it."""

    state: ChildState
    detail: str = ""
    """One sentence where the state alone does not say enough."""
    pid: int | None = None
    restarts: int = 0


class Server(Protocol):
    """The part of the server that pages may use; safe to call from any thread."""

    def collector(self) -> ChildStatus:
        """The collector of our own database."""

    def sample(self) -> ChildStatus:
        """The collector that plays the recorded sample."""

    def play_sample(self) -> None:
        """Start playing the recorded sample; does nothing while it plays."""

    def stop_sample(self) -> None:
        """Stop playing it."""


_published: list[Server] = []


def publish(server: Server | None) -> None:
    """Let pages find the server; None when it has stopped."""
    _published[:] = [] if server is None else [server]


def server() -> Server | None:
    """The running server; None when a page runs without one, as in a test."""
    return _published[0] if _published else None
