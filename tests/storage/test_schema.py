"""The tables, as named migrations."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from sqlite_utils import Database

from storage import schema
from storage.connection import open_writer
from storage.schema import VERSION, migrations, prepare, version_of
from tests.storage.filling import opened, put, refusal, rows, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def names() -> list[str]:
    return [migration.name for migration in migrations.pending(Database(memory=True))]


def test_a_new_file_has_seen_every_migration(path: Path) -> None:
    with contextlib.closing(open_writer(path)) as connection:
        prepare(connection, path)
        prepare(connection, path)

        assert version_of(connection) == VERSION == len(names())
        applied = [one.name for one in migrations.applied(Database(connection))]
    assert applied == names()


def test_migrations_are_in_the_order_of_their_names() -> None:
    """The order in which files see them; a new one may only come last."""
    assert names() == sorted(names())


@pytest.mark.parametrize("last", range(1, VERSION + 1))
def test_a_file_that_stopped_at_any_earlier_migration_is_brought_up_to_date(path: Path, last: int) -> None:
    with contextlib.closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        migrations.apply(Database(connection), stop_before=names()[last:])
        connection.execute(f"PRAGMA user_version={last}")
        before = _tables(connection)

        prepare(connection, path)

        assert version_of(connection) == VERSION
        assert before <= _tables(connection)
    with opened(path) as store:
        assert put(store, refusal(1)).events == 1


def _tables(connection: object) -> set[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")  # type: ignore[attr-defined]
    return {name for (name,) in found}


def test_an_upgrade_that_was_cut_off_goes_on(path: Path) -> None:
    """A crash between a migration and the note of the version leaves a file with more tables than it says."""
    with opened(path):
        pass
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("PRAGMA user_version=0")

    with opened(path) as store:
        assert put(store, refusal(1)).events == 1
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "INDEXES", schema.INDEXES + ";\nCREATE INDEX broken ON missing (x)")
    with contextlib.closing(open_writer(path)) as connection:
        with pytest.raises(Exception, match="no such table"):
            prepare(connection, path)
        left = _tables(connection)
        monkeypatch.undo()
        prepare(connection, path)

        assert left <= {"_sqlite_migrations", "sqlite_sequence"}
        assert "events" in _tables(connection)


def test_every_table_holds_what_its_columns_say(path: Path) -> None:
    """STRICT refuses a text in a column of numbers; without it a bug would be found months later."""
    with opened(path):
        pass

    loose = rows(
        path,
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND schema = 'main'"
        " AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    )
    assert loose == []


def test_every_index_says_which_question_needs_it() -> None:
    lines = schema.INDEXES.strip().splitlines()

    for number, line in enumerate(lines):
        if line.startswith("CREATE"):
            assert lines[number - 1].startswith(("-- ", "CREATE")), line
