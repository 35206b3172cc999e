from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.filters import MAX_VALUE_CHARS, MAX_VALUES, Dimension, Filters

ITEMS = st.lists(
    st.tuples(st.sampled_from(list(Dimension)), st.text(min_size=1, max_size=20), st.booleans()), max_size=12
)


@given(ITEMS)
def test_filters_go_through_a_url_and_back(items: list[tuple[Dimension, str, bool]]) -> None:
    filters = Filters()
    for dimension, value, excluded in items:
        filters = filters.adding(dimension, value, excluded=excluded)

    again = Filters.from_params(filters.to_params())

    assert set(again.include) == set(filters.include)
    assert set(again.exclude) == set(filters.exclude)
    assert again.to_params() == filters.to_params()


def test_adding_the_opposite_takes_the_first_back() -> None:
    kept = Filters().adding(Dimension.CONSUMER, "acme")

    turned = kept.adding(Dimension.CONSUMER, "acme", excluded=True)

    assert turned.values(Dimension.CONSUMER) == ()
    assert turned.values(Dimension.CONSUMER, excluded=True) == ("acme",)


def test_adding_what_is_there_changes_nothing() -> None:
    filters = Filters().adding(Dimension.IP, "10.0.0.1")

    assert filters.adding(Dimension.IP, "10.0.0.1") == filters


def test_a_value_or_a_whole_dimension_can_be_removed() -> None:
    filters = Filters().adding(Dimension.IP, "a").adding(Dimension.IP, "b").adding(Dimension.NODE, "a")

    assert filters.without(Dimension.IP, "a").values(Dimension.IP) == ("b",)
    assert filters.without(Dimension.IP).to_params() == {"node": ["a"]}


def test_filters_are_true_when_they_restrict_anything() -> None:
    assert not Filters()
    assert Filters().adding(Dimension.ROUTE, "x", excluded=True)


def test_a_url_with_nonsense_restricts_nothing() -> None:
    assert Filters.from_params({"consumer": [""], "nonsense": ["x"], "not_": ["y"]}) == Filters()


def test_a_url_with_too_much_is_cut() -> None:
    filters = Filters.from_params({"consumer": [f"{n}" * 200 for n in range(1_000, 1_100)]})

    assert len(filters.include) == MAX_VALUES
    assert all(len(value) == MAX_VALUE_CHARS for _, value in filters.include)
