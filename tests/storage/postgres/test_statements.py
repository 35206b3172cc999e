"""Our SQL as PostgreSQL reads it."""

from __future__ import annotations

import pytest

from storage.postgres.statements import bound, of_texts, translate

CASES = {
    "values in order": ("SELECT a FROM t WHERE b = ? AND c = ?", "SELECT a FROM t WHERE b=$1 AND c=$2"),
    "values by number": ("SELECT ?2, ?1, ?2", "SELECT $2,$1,$2"),
    "values by name": ("SELECT :from_ms, :to_ms, :from_ms", "SELECT $1,$2,$1"),
    "a question mark in a text": ("SELECT 'why?' || ?", "SELECT 'why?'||$1"),
    "a quote in a text": ("SELECT 'it''s ?', ?", "SELECT 'it''s ?',$1"),
    "a per cent sign": ("SELECT a % 2 FROM t WHERE b LIKE 'x%'", "SELECT a%2 FROM t WHERE b ILIKE 'x%'"),
    "a comment": ("SELECT a -- why? :b\nFROM t", "SELECT a FROM t"),
    "a cast": ("SELECT a::bigint", "SELECT a::bigint"),
    "a hint": ("SELECT 1 FROM t INDEXED BY t_by_a WHERE a = ?", "SELECT 1 FROM t WHERE a=$1"),
    "a hint not to": ("SELECT 1 FROM t e NOT INDEXED WHERE a = 1", "SELECT 1 FROM t e WHERE a=1"),
    "joined in order": (
        "SELECT 1 FROM a CROSS JOIN b INDEXED BY b_x ON b.x = a.x CROSS JOIN c ON c.y = b.y",
        "SELECT 1 FROM a JOIN b ON b.x=a.x JOIN c ON c.y=b.y",
    ),
    "every pair": ("SELECT 1 FROM a CROSS JOIN b WHERE a.x = 1", "SELECT 1 FROM a CROSS JOIN b WHERE a.x=1"),
    "a condition inside brackets is not the join's": (
        "SELECT 1 FROM (SELECT 1 FROM a CROSS JOIN b) q JOIN c ON c.x = q.x",
        "SELECT 1 FROM(SELECT 1 FROM a CROSS JOIN b)q JOIN c ON c.x=q.x",
    ),
    "is": ("SELECT a IS ?, b IS NOT ?", "SELECT a IS NOT DISTINCT FROM $1,b IS DISTINCT FROM $2"),
    "is null": ("SELECT a IS NULL, b IS NOT NULL", "SELECT a IS NULL,b IS NOT NULL"),
    "an array of numbers": ("SELECT value FROM json_each(?)", "SELECT value FROM json_numbers($1)"),
    "numbers ever given": (
        "SELECT seq FROM sqlite_sequence WHERE name = ?",
        "SELECT seq FROM given_numbers WHERE name=$1",
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), CASES.values(), ids=CASES)
def test_a_statement_in_the_spelling_of_postgresql(ours: str, theirs: str) -> None:
    assert translate(ours).text == theirs


def test_an_array_is_taken_apart_as_what_it_holds() -> None:
    sql = "SELECT 1 FROM json_each(?) a JOIN t ON t.x = ? JOIN json_each(?) b ON b.value = t.y"
    statement = translate(sql)
    values = ['["a"]', 3, "[1]"]

    texts = of_texts(statement, values)

    assert statement.arrays == (0, 2)
    assert texts == (0,)
    assert translate(sql, texts).text.count("json_texts($1)") == 1
    assert translate(sql, texts).text.count("json_numbers($3)") == 1


def test_values_by_name_are_put_in_order() -> None:
    statement = translate("SELECT :b, :a, :b")

    assert bound(statement, {"a": 1, "b": 2}) == [2, 1]


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("INSERT INTO events VALUES (?)", "events"),
        ("  DELETE FROM cells WHERE res = ?", "cells"),
        ("UPDATE keys SET name = ?", "keys"),
        ("SELECT 1 FROM keys", None),
    ],
)
def test_what_a_statement_writes(sql: str, table: str | None) -> None:
    assert translate(sql).target == table
