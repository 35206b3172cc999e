"""Who may import whom, and where each kind of thing lives. The table stands in docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("domain", "storage", "collector", "alerting", "changes", "ui", "settings", "dashboard")

MAY_IMPORT = {
    "settings": set(),
    "domain": {"domain"},
    "storage": {"storage", "domain", "settings"},
    "collector": {"collector", "domain", "storage", "settings"},
    "alerting": {"alerting", "domain", "storage", "settings"},
    "changes": {"changes", "domain", "storage", "settings"},
    "ui": {"ui", "domain", "storage", "settings"},
    "dashboard": {"ui", "storage", "settings"},
}
"""Package -> which of our own packages it may import. `collector/__main__.py` composes, see below."""

COMPOSERS = {"collector/__main__.py": {"alerting", "changes"}}

FOREIGN_ALLOWED = {"settings": set(), "domain": {"msgspec"}}
"""Packages that may import nothing but the standard library and these."""

FORBIDDEN_MODULES = {
    "domain": {"asyncio", "sqlite3", "socket", "threading", "time", "random", "secrets", "os", "logging"},
    "ui": {"sqlite3", "socket"},
    "collector": {"sqlite3", "streamlit"},
    "storage": {"streamlit", "socket", "asyncio"},
    "settings": {"asyncio", "sqlite3", "socket", "streamlit"},
}

MAX_LINES = 400


def sources() -> list[Path]:
    """Every Python file of ours outside tests and benches."""
    found = [ROOT / "settings.py", ROOT / "dashboard.py"]
    for package in ("domain", "storage", "collector", "alerting", "changes", "ui"):
        found += sorted((ROOT / package).rglob("*.py"))
    return [path for path in found if path.exists()]


def imports_of(path: Path) -> set[str]:
    """Top-level names of everything a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def package_of(path: Path) -> str:
    """The top-level package or module a file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    package = package_of(path)
    allowed = MAY_IMPORT[package] | COMPOSERS.get(str(path.relative_to(ROOT)), set())

    ours = imports_of(path) & set(OURS)

    assert ours <= allowed, f"{package} may not import {sorted(ours - allowed)}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_stays_out_of_worlds_that_are_not_its_packages(path: Path) -> None:
    package = package_of(path)
    imported = imports_of(path)

    assert not imported & FORBIDDEN_MODULES.get(package, set())
    if package in FOREIGN_ALLOWED:
        foreign = imported - set(OURS) - set(sys.stdlib_module_names) - FOREIGN_ALLOWED[package]
        assert not foreign


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_short_enough_to_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_only_storage_opens_database_files() -> None:
    openers = [p for p in sources() if "sqlite3.connect(" in p.read_text(encoding="utf-8")]

    assert [p.relative_to(ROOT).as_posix() for p in openers] == ["storage/connection.py"]


def test_no_folder_shadows_the_entry_script() -> None:
    """A folder dashboard/ would win over dashboard.py, a top-level pages/ would become pages by itself."""
    assert not (ROOT / "dashboard").exists()
    assert not (ROOT / "pages").exists()


CLUSTER_HOMES = {
    "psycopg": ("storage.postgres",),
    "nats": ("collector.bus.nats_bus", "collector.bus.nats_streams"),
    "redis": ("collector.bus.redis_bus",),
}
"""What only requirements-cluster.txt has -> the packages or modules of ours that may import it."""


def _imported_at_once(path: Path) -> set[str]:
    """Modules that are imported when the file is, not later inside a function."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _is_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("package", CLUSTER_HOMES)
def test_what_one_machine_does_not_need_is_imported_only_where_a_setting_asks_for_it(package: str) -> None:
    homes = CLUSTER_HOMES[package]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources()}
    strangers = [path for path, name in names.items() if not _is_of(name, homes)]

    at_once = [p for p in strangers if any(_is_of(name, homes) for name in _imported_at_once(p))]

    assert not at_once
    assert not [path for path in strangers if package in imports_of(path)]
