"""Our tables as PostgreSQL makes them."""

from __future__ import annotations

from storage.postgres.ddl import to_postgres
from storage.privacy_tables import AUDIT_TRIGGERS


def test_a_table_keeps_its_columns_and_loses_what_only_sqlite_knows() -> None:
    ours = (
        "CREATE TABLE cells (\n    res INTEGER, bucket_s INTEGER, combo INTEGER, n INTEGER NOT NULL, -- why\n"
        "    PRIMARY KEY (res, bucket_s, combo)\n) STRICT, WITHOUT ROWID"
    )

    assert " ".join(to_postgres(ours).split()).startswith(
        "CREATE TABLE cells ( res smallint, bucket_s bigint, combo integer, n bigint NOT NULL,"
        " PRIMARY KEY (res, bucket_s, combo) )"
    )


def test_the_finest_totals_are_divided_by_day() -> None:
    made = to_postgres("CREATE TABLE cells (res INTEGER, bucket_s INTEGER) STRICT, WITHOUT ROWID")

    assert (
        "CREATE TABLE cells_fine PARTITION OF cells FOR VALUES IN (0) PARTITION BY RANGE (bucket_s)" in made
    )
    assert "CREATE TABLE cells_fine_rest PARTITION OF cells_fine DEFAULT" in made


def test_texts_are_compared_byte_by_byte_and_blobs_are_bytes() -> None:
    assert to_postgres("CREATE TABLE t (a TEXT NOT NULL, b BLOB) STRICT") == (
        'CREATE TABLE t (a text COLLATE "C" NOT NULL, b bytea)'
    )


def test_a_names_events_stand_in_the_order_of_their_arrival() -> None:
    """SQLite's indexes end with the number of the row; PostgreSQL's hold what they say, and no more."""
    assert to_postgres("CREATE INDEX events_by_ip ON events (ip) WHERE ip > 1") == (
        "CREATE INDEX events_by_ip ON events (ip, seq) WHERE ip > 1"
    )
    assert (
        to_postgres("CREATE INDEX combos_by_ip ON combos (ip)") == "CREATE INDEX combos_by_ip ON combos (ip)"
    )


def test_numbers_that_people_see_have_no_gaps() -> None:
    made = to_postgres("CREATE TABLE audit_trail (entry INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT) STRICT")

    assert "entry bigint PRIMARY KEY DEFAULT give_number('audit_trail')" in made


def test_a_trigger_refuses_in_the_words_that_sqlite_has() -> None:
    assert to_postgres(AUDIT_TRIGGERS[0]) == (
        "CREATE TRIGGER audit_trail_keeps_update BEFORE UPDATE ON audit_trail"
        " FOR EACH ROW EXECUTE FUNCTION refuse('audit_trail is append-only')"
    )
