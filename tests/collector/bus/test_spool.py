from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.bus.parcels import Message
from collector.bus.spool import MAGIC, Spool
from domain.errors import BusFull
from settings import SettingValueError

MOST = 1_000_000


def message(number: int, size: int = 20) -> Message:
    return Message("gatewatch.batches.x", f"name-{number}", bytes([number % 251]) * size)


def all_of(spool: Spool) -> list[Message | None]:
    return spool.first(10_000)


def test_messages_come_out_in_their_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", MOST)
    spool.append([message(1), message(2)])
    spool.append([message(3)])

    assert spool.first(2) == [message(1), message(2)]
    spool.drop(2)
    assert all_of(spool) == [message(3)]
    assert spool.count == 1
    spool.close()


def test_the_next_process_finds_what_the_last_one_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", MOST, file_bytes=200)
    for number in range(20):
        spool.append([message(number)])
    spool.drop(11)
    left = all_of(spool)
    spool.close()

    again = Spool(tmp_path / "s", MOST, file_bytes=200)

    assert left == [message(n) for n in range(11, 20)]
    assert all_of(again)[-len(left) :] == left
    assert again.count - len(left) < 4, "at most one file is sent again"
    again.append([message(99)])
    assert all_of(again)[-1] == message(99)
    again.close()


def test_a_file_goes_when_all_of_it_is_on_the_bus(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", MOST, file_bytes=100)
    for number in range(6):
        spool.append([message(number)])

    spool.drop(6)

    assert list((tmp_path / "s").glob("*.spool")) == []
    assert (spool.count, spool.size) == (0, 0)
    spool.append([message(7)])
    assert all_of(spool) == [message(7)]
    spool.close()


@given(cut=st.integers(0, 400))
def test_wherever_a_crash_cuts_the_file_the_whole_messages_before_are_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, MOST)
    ends = []
    for number in range(4):
        spool.append([message(number)])
        ends.append(spool.size)
    spool.close()
    (path,) = folder.glob("*.spool")
    os.truncate(path, min(cut, ends[-1]))

    again = Spool(folder, MOST)

    assert all_of(again) == [message(n) for n in range(4) if ends[n] <= cut]
    assert again.damaged == 0
    again.append([message(9)])
    assert all_of(again)[-1] == message(9)
    again.close()


def test_damage_in_the_middle_is_kept_apart_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, MOST)
    spool.append([message(1)])
    whole = spool.size
    spool.append([message(2), message(3)])
    spool.close()
    (path,) = tmp_path.glob("*.spool")
    raw = bytearray(path.read_bytes())
    raw[whole + 20] ^= 0xFF
    path.write_bytes(raw)

    again = Spool(tmp_path, MOST)

    assert all_of(again) == [message(1)]
    assert again.damaged == 1
    assert path.with_suffix(".damaged").read_bytes() == bytes(raw[whole:])
    assert f"damaged from byte {whole} on" in caplog.text
    again.close()


def test_a_message_that_became_unreadable_does_not_stop_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)
    spool.append([message(1), message(2)])
    (path,) = tmp_path.glob("*.spool")
    raw = bytearray(path.read_bytes())
    raw[len(MAGIC) + 12] ^= 0xFF
    path.write_bytes(raw)

    assert all_of(spool) == [None, message(2)]
    spool.close()


def test_what_does_not_fit_is_refused_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 300)
    spool.append([message(1)])

    with pytest.raises(BusFull, match="of 300 bytes"):
        spool.append([message(2), message(3, size=250)])

    assert all_of(spool) == [message(1)]
    spool.close()


def test_a_disk_that_fails_in_the_middle_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, MOST)
    spool.append([message(1)])

    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            spool.append([message(2)])

    spool.append([message(3)])
    assert all_of(spool) == [message(1), message(3)]
    spool.close()
    again = Spool(tmp_path, MOST)
    assert all_of(again) == [message(1), message(3)]
    again.close()


def test_two_processes_cannot_have_one_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MOST)

    with pytest.raises(SettingValueError, match="in use by another collector"):
        Spool(tmp_path, MOST)

    spool.close()
    Spool(tmp_path, MOST).close()
