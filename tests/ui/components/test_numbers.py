"""The row of numbers."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.ui.drawn import part


def page() -> None:
    """One row; run by AppTest as a script."""
    from ui.components.numbers import Number, show_numbers  # noqa: PLC0415

    show_numbers(
        [
            Number("Violations", "at least 3", "1 probable", href="/events?of=1", spark=(0, None, 2)),
            Number("x", "y"),
        ],
        key="n",
        label="Numbers of a\u202eb",
    )


def test_a_number_is_sent_with_its_label_its_note_and_where_it_leads() -> None:
    run = AppTest.from_function(page).run()
    sent = part(run, "numbers", "-n")

    assert not run.exception
    assert sent["label"] == "Numbers of a\\u202eb"
    assert sent["numbers"][0] == {
        "label": "Violations",
        "value": "at least 3",
        "note": "1 probable",
        "title": "",
        "href": "/events?of=1",
        "spark": [0, None, 2],
        "tone": "",
    }
    assert sent["numbers"][1]["href"] is None
