"""What stands in deploy/ is read by what will read it, or the nearest thing at hand, and fits the program."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.options import collector_parser, writer_parser
from settings import ENVIRONMENT_PREFIX, SETTINGS, load_settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
VARIABLES = {ENVIRONMENT_PREFIX + setting.name.upper() for setting in SETTINGS} | {"PGPASSFILE"}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = ("collector", "writer-1", "writer-2", "dashboard")


class Unit(configparser.ConfigParser):
    """A systemd unit, of which no key comes twice in ours."""

    def optionxform(self, optionstr: str) -> str:
        """Keys are told apart by case."""
        return optionstr


def unit(path: Path) -> Unit:
    found = Unit(interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#",))
    found.read_string(path.read_text(encoding="utf-8"))
    return found


def variables(text: str) -> dict[str, str]:
    """Lines `NAME=value`, every other line a comment."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Z_]+=\S.*", line) for line in lines)
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def check_command(words: list[str]) -> None:
    """Parse the arguments of one of our programs as it would."""
    program = Path(words[0]).name
    if program == "streamlit":
        assert words[1:3] == ["run", "dashboard.py"]
        return
    assert (program, *words[1:3]) == ("python", "-m", "collector")
    rest = words[3:]
    parser = writer_parser() if rest[:1] == ["writer"] else collector_parser()
    parser.parse_args(rest[1:] if rest[:1] == ["writer"] else rest)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_has_the_sections_of_a_service_and_starts_a_program_of_ours(path: Path) -> None:
    found = unit(path)

    assert found.sections() == ["Unit", "Service", "Install"]
    check_command(found["Service"]["ExecStart"].replace("%i", "8767").split())
    documentation = found["Unit"]["Documentation"].removeprefix("file:/opt/gatewatch/")
    assert (ROOT / documentation).is_file()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    """The programs and the folder are not on this machine, all else is read as it is."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine; the test above parses the unit")
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^WorkingDirectory=.*", "WorkingDirectory=/", text)
    copy = tmp_path / path.name.replace("@.", "@8767.")
    copy.write_text(text, encoding="utf-8")

    done = subprocess.run(
        [analyze, "verify", "--man=no", str(copy)], capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_variable_of_the_environment_is_a_setting_with_a_value_that_can_be_used() -> None:
    given = variables((DEPLOY / "gatewatch.env").read_text(encoding="utf-8"))

    assert given.keys() <= VARIABLES
    settings = load_settings({}, given)
    assert len(settings.bus) == len(settings.bus_monitor_url) == 3


@pytest.mark.parametrize("service", OURS)
def test_the_services_of_the_compose_file_are_programs_and_settings_of_ours(service: str) -> None:
    found = COMPOSE["services"][service]

    check_command(found["command"])
    assert found["environment"].keys() <= VARIABLES
    load_settings({}, {name: str(value) for name, value in found["environment"].items()})
    assert (DEPLOY / found["build"]["context"] / found["build"]["dockerfile"]).is_file()


def test_what_the_compose_file_names_is_in_it() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service) <= {
            "build", "image", "restart", "environment", "secrets", "depends_on", "command", "volumes",
            "ports", "healthcheck",
        }, name  # fmt: skip
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    hosts = re.findall(
        r"//(?:\w+@)?([\w-]+)", " ".join(map(str, services["collector"]["environment"].values()))
    )
    assert set(hosts) <= set(services)


def test_the_image_copies_what_is_there_and_all_that_the_programs_import() -> None:
    lines = [line.split() for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()]

    assert {line[0] for line in lines} <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "CMD"}
    copied = {source for line in lines if line[0] == "COPY" for source in line[1:-1]}
    assert all((ROOT / source).exists() for source in copied)
    packages = {"alerting", "changes", "collector", "domain", "storage", "ui", "settings.py", "dashboard.py"}
    assert packages <= copied


@pytest.mark.cluster
def test_the_bus_takes_its_file() -> None:
    from tests.jetstream import program  # noqa: PLC0415 - other tests need no server

    done = subprocess.run(
        [program(), "-t", "-c", str(DEPLOY / "nats" / "nats.conf"), "--name", "bus-2"],
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_the_bus_writes_to_disk_before_it_acknowledges() -> None:
    text = (DEPLOY / "nats" / "nats.conf").read_text(encoding="utf-8")

    assert re.search(r"(?m)^\s*sync_interval:\s*always\b", text)
