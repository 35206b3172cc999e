"""Appends to a file, one JSON object a line, on disk before it counts as sent.

A line is written with one `write` to a file opened for appending, so that a crash leaves at most one line cut
short; the next message begins on a line of its own. Other programs may rotate the file at any time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from alerting.notifier import DeliveryFailed
from alerting.outgoing import Outgoing, instant
from alerting.receivers import Receiver

MODE = 0o640


class FileNotifier:
    """Appends to one file."""

    def __init__(self, receiver: Receiver) -> None:
        self._path = Path(receiver.path)

    def send(self, message_id: str, message: Outgoing, _now_ms: int) -> int | None:
        """Append it."""
        value = {
            "id": message_id,
            "type": message.kind,
            "timestamp": instant(message.at_ms),
            "title": message.title,
            "data": message.data,
        }
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, MODE)
            try:
                size = os.fstat(file).st_size
                is_cut = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                os.write(file, (("\n" if is_cut else "") + line).encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise DeliveryFailed(f"{self._path} cannot be written: {error.strerror}") from error
        return None
