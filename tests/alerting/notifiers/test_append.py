from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerting.notifier import DeliveryFailed
from alerting.notifiers.append import FileNotifier
from alerting.outgoing import Outgoing
from alerting.receivers import Receiver

MESSAGE = Outgoing(kind="change.consumers.created", at_ms=0, title="consumer a\u2028b", data={"n": 1})


def test_each_message_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "consumers.jsonl"
    notifier = FileNotifier(Receiver(kind="file", path=str(path)))

    notifier.send("msg_1", MESSAGE, 0)
    notifier.send("msg_2", MESSAGE, 0)

    lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [line["id"] for line in lines] == ["msg_1", "msg_2"]
    assert lines[0]["type"] == "change.consumers.created"


def test_after_a_line_cut_short_the_next_begins_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"id":"msg_0","ty')

    FileNotifier(Receiver(kind="file", path=str(path))).send("msg_1", MESSAGE, 0)

    assert json.loads(path.read_bytes().split(b"\n")[1])["id"] == "msg_1"


def test_a_place_that_cannot_be_written_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(DeliveryFailed, match="cannot be written") as caught:
        FileNotifier(Receiver(kind="file", path=str(tmp_path))).send("msg_1", MESSAGE, 0)

    assert not caught.value.permanent
