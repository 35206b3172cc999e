"""The page on connecting Kong: every snippet can be read, is what Kong takes, and says what we do."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.doctor.kong_rules import examine
from collector.options import collector_parser, doctor_parser
from domain.node_states import RHYTHMS
from settings import SETTINGS
from tests.collector.doctor.test_kong_rules import NOW_MS, looked

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "connect-kong.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
YAML = [text for language, text in BLOCKS if language == "yaml"]
SHELL = [text for language, text in BLOCKS if language == "sh"]
PLUGIN = ROOT / "kong-plugin" / "kong" / "plugins" / "gatewatch"
SCHEMA = "".join((PLUGIN / name).read_text(encoding="utf-8") for name in ("schema.lua", "settings.lua"))
HTTP_LOG_FIELDS = {"http_endpoint", "headers", "queue", "custom_fields_by_lua"}
"""Of kong/plugins/http-log/schema.lua, 3.9, those that the page uses."""


def posted() -> list[tuple[str, dict[str, Any]]]:
    """(path, body) of every POST in the shell snippets."""
    found = []
    for text in SHELL:
        words = shlex.split(text.replace("\\\n", " "))
        if words[:1] == ["curl"] and "-d" in words:
            url = next(word for word in words if word.startswith("http://"))
            found.append((url.partition("8001")[2], json.loads(words[words.index("-d") + 1])))
    return found


def plugins() -> list[dict[str, Any]]:
    """Every plugin that the page configures, in either form."""
    found = [plugin for text in YAML for plugin in yaml.safe_load(text)["plugins"]]
    return found + [body for path, body in posted() if path == "/plugins"]


def test_the_page_has_each_way_in_each_form() -> None:
    assert len(YAML) == 4
    assert [path for path, _ in posted()] == ["/plugins", "/plugins", "/event-hooks", "/event-hooks"]
    assert {plugin["name"] for plugin in plugins()} == {"http-log", "gatewatch"}


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
def test_declarative_snippets_are_whole_files_and_decks_are_kept_to_our_tag(text: str) -> None:
    value = yaml.safe_load(text)

    assert value["_format_version"] == "3.0"
    assert value.get("_info", {"select_tags": ["gatewatch"]}) == {"select_tags": ["gatewatch"]}
    assert set(value) <= {"_format_version", "_info", "plugins"}


def test_plugins_have_only_fields_that_they_know() -> None:
    for plugin in plugins():
        config = plugin.get("config", {})
        if plugin["name"] == "http-log":
            assert set(config) <= HTTP_LOG_FIELDS
        else:
            assert [name for name in config if not re.search(rf"\b{name}\b", SCHEMA)] == []


def test_every_json_snippet_can_be_read() -> None:
    texts = [text for language, text in BLOCKS if language == "json"]

    assert len([json.loads(text) for text in texts]) == 2


def test_what_the_page_recommends_is_what_the_doctor_is_content_with() -> None:
    logs = [plugin for plugin in plugins() if plugin["name"] == "http-log"]
    assert len(logs) == 3

    for plugin in logs:
        said = [
            finding for finding in examine([looked(plugins=[plugin])], NOW_MS) if finding.severity != "note"
        ]
        assert said == []


def test_recommended_hooks_do_not_drop_repeats_and_are_signed() -> None:
    hooks = [body for path, body in posted() if path == "/event-hooks"]

    said = [f for f in examine([looked(hooks=hooks)], NOW_MS) if "event hook" in f.what]

    assert said == []


def test_commands_are_ones_that_the_collector_takes() -> None:
    commands = [shlex.split(text)[3:] for text in SHELL if text.startswith(".venv/bin/python -m collector")]

    assert collector_parser().parse_args(commands[0]).admin_url == ["http://gw-1:8001", "http://gw-2:8001"]
    assert commands[1][0] == "doctor"
    assert doctor_parser().parse_args(commands[1][1:]).admin_url == ["http://gw-1:8001", "http://gw-2:8001"]


def test_settings_that_the_page_names_exist() -> None:
    known = {f"GATEWATCH_{setting.name.upper()}" for setting in SETTINGS}
    named = set(re.findall(r"GATEWATCH_[A-Z_]+[A-Z]", PAGE))

    assert named
    assert named <= known


def test_the_thresholds_on_the_page_are_those_in_force() -> None:
    rows = re.findall(r"^\| .+? \| (\d+) s \| (\d+) s \| (\d+) s \|$", PAGE, re.MULTILINE)

    assert [tuple(map(float, row)) for row in rows] == [
        (r.every_s, r.late_s, r.lost_s) for r in RHYTHMS.values()
    ]


def test_every_link_inside_the_page_has_its_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
