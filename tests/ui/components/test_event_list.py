"""The JSON of an event as people read it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ui.components.event_list import MAX_JSON_CHARS, readable_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_json_keeps_its_order_and_reads_in_any_language() -> None:
    assert readable_json({"b": "名", "a": [1, None]}) == '{\n  "b": "名",\n  "a": [\n    1,\n    null\n  ]\n}'


def test_characters_that_turn_or_hide_text_are_shown_by_their_code() -> None:
    assert readable_json({"a": "x\u202ey\u200bz\x07"}) == '{\n  "a": "x\\u202ey\\u200bz\\u0007"\n}'


@given(JSON)
def test_what_is_shown_is_still_the_same_json(value: object) -> None:
    shown = readable_json(value)

    assert all(character.isprintable() or character == "\n" for character in shown)
    assert json.loads(shown) == value


def test_a_body_of_enormous_size_is_cut_and_says_so() -> None:
    shown = readable_json("x" * (MAX_JSON_CHARS * 2))

    assert shown.endswith("… (cut)")
    assert len(shown) < MAX_JSON_CHARS + 20
