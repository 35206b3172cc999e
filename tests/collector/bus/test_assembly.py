from __future__ import annotations

from pathlib import Path

import pytest

from collector.__main__ import main
from collector.bus.assembly import make_bus, open_spool
from settings import SettingValueError, load_settings


@pytest.mark.parametrize(
    "bus",
    ["kafka://a:9092", "127.0.0.1:4222", "nats://a:4222,redis://b:6379", "redis://a,redis://b"],
    ids=lambda bus: bus,
)
def test_a_bus_that_nobody_can_speak_to_stops_the_start(bus: str) -> None:
    with pytest.raises(SettingValueError, match=r"expected nats://HOST:PORT"):
        make_bus(load_settings({"bus": bus}, {}))


def test_a_refusal_does_not_show_a_password() -> None:
    with pytest.raises(SettingValueError) as caught:
        make_bus(load_settings({"bus": "kafka://gw:hunter2@a:9092"}, {}))

    assert "hunter2" not in str(caught.value)
    assert "kafka://a:9092" in str(caught.value)


def test_a_login_file_is_user_and_password_and_only_ours_to_read(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text("nobody\n")
    path.chmod(0o600)
    with pytest.raises(SettingValueError, match="is not user:password"):
        make_bus(load_settings({"bus": "nats://a:4222", "bus_login_file": str(path)}, {}))

    path.chmod(0o644)
    with pytest.raises(SettingValueError, match="bus login file"):
        make_bus(load_settings({"bus": "nats://a:4222", "bus_login_file": str(path)}, {}))


def test_a_ca_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingValueError, match="bus_ca_file"):
        make_bus(load_settings({"bus": "tls://a:4222", "bus_ca_file": str(tmp_path / "none")}, {}))


def test_no_spool_where_it_may_hold_nothing(tmp_path: Path) -> None:
    settings = load_settings({"bus_spool": str(tmp_path / "s"), "bus_spool_bytes": "0"}, {})

    assert open_spool(settings) is None
    assert not (tmp_path / "s").exists()


def test_a_writer_without_a_bus_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["writer"])

    assert status == 2
    assert "bus is not set" in capsys.readouterr().err
