"""The one log format: time, level, part, message, on one line whatever a peer has put into it."""

from __future__ import annotations

import logging
import sys
import time


class OneLine(logging.Formatter):
    """Escapes control characters: no name from the wire can break a line or move the cursor."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The moment in UTC."""
        return time.strftime(datefmt or "", time.gmtime(record.created))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """The line without a traceback, which is ours and may have several lines."""
        return "".join(shown(character) for character in super().formatMessage(record))


def shown(character: str) -> str:
    """A character as it may stand in a log: itself where it can be printed, else escaped."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def log_to_stderr() -> None:
    """Send every log line to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("asyncio", "uvicorn.error", "websockets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("httpx", "httpcore"):  # a line per request that is made
        logging.getLogger(name).setLevel(logging.WARNING)
