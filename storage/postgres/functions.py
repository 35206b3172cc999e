"""What SQLite has and PostgreSQL lacks, as functions in our schema, so that most SQL can be shared.

Our schema comes first in the search path: `sum` of whole numbers is whole, as in SQLite, and not `numeric`.
"""

from __future__ import annotations


def _function(signature: str, returns: str, body: str, kind: str = "IMMUTABLE") -> str:
    how = f"LANGUAGE sql {kind} PARALLEL SAFE"
    return f"CREATE FUNCTION {signature} RETURNS {returns} {how} AS $$ SELECT {body} $$"


def _of_several(name: str, word: str, n: int) -> str:
    """The least or the largest of some values; NULL when one of them is unknown."""
    places = [f"${place}" for place in range(1, n + 1)]
    unknown = " OR ".join(f"{place} IS NULL" for place in places)
    types = ", ".join(["bigint"] * n)
    body = f"CASE WHEN {unknown} THEN NULL ELSE {word}({', '.join(places)}) END"
    return _function(f"{name}({types})", "bigint", body)


def _array(name: str, value: str) -> str:
    """One row per element of a JSON array, as SQLite's `json_each`."""
    return _function(
        f"{name}(elements text)",
        f"TABLE (key bigint, value {value})",
        f"n - 1, v::{value} FROM json_array_elements_text(elements::json) WITH ORDINALITY AS t(v, n)",
    )


_SUM = "STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE"
FUNCTIONS = (
    *(_of_several(*names, n) for names in (("min", "least"), ("max", "greatest")) for n in (2, 3)),
    f"CREATE AGGREGATE sum(bigint) (SFUNC = int8pl, {_SUM})",
    _function("add_flag(bigint, boolean)", "bigint", "$1 + CASE WHEN $2 THEN 1 ELSE 0 END"),
    f"CREATE AGGREGATE sum(boolean) (SFUNC = add_flag, INITCOND = '0', {_SUM})",
    _array("json_numbers", "bigint"),
    _array("json_texts", "text"),
    _function("json_item(elements text, place integer)", "text", "elements::json ->> place"),
    "CREATE OPERATOR ->> (FUNCTION = json_item, LEFTARG = text, RIGHTARG = integer)",
    _function("hex(bytes bytea)", "text", "upper(encode(bytes, 'hex'))"),
    _function("instr(whole text, part text)", "integer", "strpos(whole, part)"),
    _function(
        "strftime(form text, moment text)",
        "bigint",
        "CASE WHEN form = '%s' AND moment = 'now'"
        " THEN floor(extract(epoch FROM clock_timestamp()))::bigint END",
        "STABLE",
    ),
)
NUMBERS = """
CREATE TABLE given_numbers (name text PRIMARY KEY, seq bigint NOT NULL);
CREATE FUNCTION give_number(of_table text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    INSERT INTO given_numbers VALUES (of_table, 1)
    ON CONFLICT (name) DO UPDATE SET seq = given_numbers.seq + 1 RETURNING seq $$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$
"""
"""Numbers without gaps, as SQLite gives them: a rollback takes its number back. And how a trigger refuses."""
