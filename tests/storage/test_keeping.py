"""Copies while it is written, putting one back, and looking for damage."""

from __future__ import annotations

import contextlib
import stat
import threading
from pathlib import Path

import pytest
from sqlite_utils import Database

from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreForeign
from storage import keeping, schema
from storage.connection import APPLICATION_ID, open_reader, open_writer
from storage.keeping import back_up, facts, restore, structure_problems, total_problems
from storage.schema import VERSION, migrations
from tests.storage.filling import one, opened, other, put, refusal, request, rows, stored_again


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "g.db"


def fill(path: Path, *numbers: int) -> None:
    with opened(path) as store:
        put(store, *(refusal(n) for n in numbers), *(request(1_000 + n) for n in numbers))


def ruin(path: Path, from_byte: int = 4096) -> None:
    data = bytearray(path.read_bytes())
    data[from_byte:] = b"\xa5" * (len(data) - from_byte)
    path.write_bytes(data)


def test_a_copy_holds_what_the_database_held(path: Path, tmp_path: Path) -> None:
    fill(path, 1, 2, 3)

    size = back_up(path, tmp_path / "copy.db")

    assert size == (tmp_path / "copy.db").stat().st_size
    assert rows(tmp_path / "copy.db", "SELECT * FROM violations") == rows(path, "SELECT * FROM violations")
    assert facts(tmp_path / "copy.db")["events"] == 3


def test_a_copy_is_one_file_and_is_read_by_who_may_read_the_database(path: Path, tmp_path: Path) -> None:
    fill(path, 1)
    path.chmod(0o600)
    folder = tmp_path / "copies"
    folder.mkdir()

    back_up(path, folder / "copy.db")

    assert [found.name for found in folder.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600


def test_a_copy_taken_while_events_arrive_is_one_moment(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every event with its totals and its cursor, and none that came later."""
    monkeypatch.setattr(keeping, "STEP_PAGES", 8)
    stop = threading.Event()
    fill(path, *range(1, 200))
    with opened(path) as store:

        def write() -> None:
            number = 200
            while not stop.is_set():
                put(store, refusal(number), source="gw", epoch="e", first=number, upto=number)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for copy in range(5):
                back_up(path, tmp_path / f"copy-{copy}.db")
        finally:
            stop.set()
            writer.join()

    for copy in range(5):
        found = tmp_path / f"copy-{copy}.db"
        last = one(found, "SELECT max(seq) FROM events")
        assert one(found, "SELECT coalesce(max(acked), 199) FROM cursors") == last
        assert one(found, "SELECT sum(limited) FROM activity WHERE res = 3 AND dim = 0") == last
        assert structure_problems(found, quick=False) == []


def test_progress_is_told(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "STEP_PAGES", 8)
    fill(path, 1)
    told: list[tuple[int, int]] = []

    size = back_up(path, tmp_path / "copy.db", lambda done, whole: told.append((done, whole)))

    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_nothing_is_overwritten(path: Path, tmp_path: Path) -> None:
    fill(path, 1)
    (tmp_path / "copy.db").write_text("precious", encoding="utf-8")

    with pytest.raises(StoreError, match="is there already; a backup overwrites nothing"):
        back_up(path, tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text(encoding="utf-8") == "precious"


def test_a_copy_that_could_not_be_finished_leaves_nothing(path: Path, tmp_path: Path) -> None:
    fill(path, 1)

    with pytest.raises(StoreBusy):
        back_up(path, tmp_path / "no folder" / "copy.db")
    with pytest.raises(RuntimeError):
        back_up(path, tmp_path / "copy.db", _fail)

    assert sorted(found.name for found in tmp_path.iterdir() if "copy" in found.name) == []


def _fail(_done: int, _whole: int) -> None:
    raise RuntimeError


def test_a_damaged_database_gives_no_copy(path: Path, tmp_path: Path) -> None:
    fill(path, 1)
    ruin(path, 8192)

    with pytest.raises(StoreCorrupt):
        back_up(path, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_a_copy_put_back_is_the_database_and_the_old_one_is_kept(path: Path, tmp_path: Path) -> None:
    fill(path, 1, 2)
    back_up(path, tmp_path / "copy.db")
    fill(path, 3)

    restore(tmp_path / "copy.db", path, tmp_path / "aside.db")

    assert one(path, "SELECT count(*) FROM events") == 2
    assert one(tmp_path / "aside.db", "SELECT count(*) FROM events") == 3
    fill(path, 3, 4)
    assert one(path, "SELECT count(*) FROM events") == 4


def test_a_copy_with_a_log_beside_it_is_put_back_whole(path: Path, tmp_path: Path) -> None:
    """Made by other means than ours, such as a snapshot of the disk."""
    with opened(tmp_path / "copy.db") as store:
        put(store, refusal(1))
        assert (tmp_path / "copy.db-wal").stat().st_size > 0

        restore(tmp_path / "copy.db", path, tmp_path / "aside.db")

    assert one(path, "SELECT count(*) FROM events") == 1


def test_what_is_no_good_copy_is_not_put_back(path: Path, tmp_path: Path) -> None:
    fill(path, 1)
    for name in ("damaged", "foreign", "newer"):
        fill(tmp_path / name, 1)
    ruin(tmp_path / "damaged", 8192)
    with contextlib.closing(stored_again(tmp_path / "foreign")) as foreign:
        foreign.execute("PRAGMA application_id=7")
    with contextlib.closing(stored_again(tmp_path / "newer")) as newer:
        newer.execute("PRAGMA user_version=999")
    before = path.read_bytes()

    for name, error in (
        ("damaged", StoreCorrupt),
        ("foreign", StoreForeign),
        ("newer", StoreForeign),
        ("no", StoreError),
    ):
        with pytest.raises(error):
            restore(tmp_path / name, path, tmp_path / "aside.db")

    assert path.read_bytes() == before
    assert not (tmp_path / "aside.db").exists()
    assert not list(tmp_path.glob("*.partial*"))


def test_a_whole_file_has_no_problems(path: Path) -> None:
    fill(path, *range(50))

    assert structure_problems(path, quick=False) == []
    assert total_problems(path) == []


def test_damage_is_found(path: Path) -> None:
    fill(path, *range(500))
    data = bytearray(path.read_bytes())
    half = len(data) // 8192 * 4096
    data[half : half + 4096] = b"\xa5" * 4096
    path.write_bytes(data)

    assert structure_problems(path, quick=True)


def test_totals_that_contradict_each_other_are_found(path: Path) -> None:
    fill(path, 1, 2)
    with contextlib.closing(stored_again(path)) as connection:
        connection.execute("UPDATE activity SET limited = limited + 1 WHERE res = 1 AND dim = 0")

    assert total_problems(path) == ["totals per 60 s: limited is 3 in activity and 2 in cells"]


def test_totals_that_retention_is_clearing_away_are_no_problem(path: Path) -> None:
    with opened(path) as store:
        put(store, *(other(n) for n in range(5)), *(request(n) for n in range(50)))
        store.prune(1_800_000_000_000 + 30 * 86_400_000, 3)

    assert total_problems(path) == []


def test_a_file_is_copied_before_it_is_upgraded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the older program can go on with the copy: it refuses the upgraded file."""
    names = [migration.name for migration in migrations.pending(Database(memory=True))]
    with contextlib.closing(open_writer(path)) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        migrations.apply(Database(connection), stop_before=names[1:])
        connection.execute("PRAGMA user_version=1")
    monkeypatch.setattr(schema, "VERSION", VERSION)

    for _ in range(2):
        with opened(path) as store:
            put(store, refusal(1))

    kept = path.with_name("g.db.schema-1")
    assert rows(kept, "PRAGMA user_version") == [(1,)]
    assert one(kept, "SELECT count(*) FROM events") == 0
    assert one(path, "SELECT count(*) FROM events") == 1


def test_a_new_file_is_not_copied(path: Path) -> None:
    fill(path, 1)

    assert not list(path.parent.glob("*.schema-*"))


def test_facts_of_a_file(path: Path) -> None:
    fill(path, 1, 2)

    with contextlib.closing(open_reader(path)):
        found = facts(path)

    assert (found["schema"], found["events"], found["last_seq"]) == (VERSION, 2, 2)
