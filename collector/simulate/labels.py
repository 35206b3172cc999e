"""Which requests belong to which attack, in a file beside the stream: what a detector is measured against."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from collector.simulate.entries import EPISODE, LABEL
from collector.simulate.traffic import ORDINARY
from settings import SettingValueError


class Labels:
    """One JSON object a line, in the order in which requests were sent; nothing without a path.

    `request_id, at_ms, scenario, episode, consumer, consumer_id, ip, service, route, status`; `consumer` is
    who it was for Kong, null where it knew nobody. Ordinary requests are not in it.

    Raises:
        SettingValueError: The file cannot be written.
    """

    def __init__(self, path: str | None) -> None:
        self._file: IO[bytes] | None = None
        if path is not None:
            try:
                self._file = Path(path).open("wb")  # noqa: SIM115 - closed by __exit__
            except OSError as error:
                raise SettingValueError(f"--labels {path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def note(self, item: dict[str, Any]) -> None:
        """Write down an item that was sent, where it is a request of an attack."""
        if self._file is not None and item["kind"] == "http-log" and item["entry"][LABEL] != ORDINARY:
            self._file.write(orjson.dumps(label_of(item["entry"])) + b"\n")


def label_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What is written of one log entry."""
    consumer = entry.get("consumer", {})
    return {
        "request_id": entry["request"]["id"],
        "at_ms": entry["started_at"],
        "scenario": entry[LABEL],
        "episode": entry[EPISODE],
        "consumer": consumer.get("username"),
        "consumer_id": consumer.get("id"),
        "ip": entry["client_ip"],
        "service": entry["service"]["name"],
        "route": entry["route"]["name"],
        "status": entry["response"]["status"],
    }
