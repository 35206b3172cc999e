from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ui.safe_text import JOINER, MAX_CHARS, in_markdown, in_plotly, plain, visible

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "https://evil.example/path",
    "www.evil.example",
    "mail@evil.example",
    "mailto:mail@evil.example",
    ":red[x] :material/home: :smile:",
    "$\\frac{1}{2}$",
    "`code` **bold** _it_ ~~gone~~",
    "# heading",
    "1. list",
    "- list",
    "> quote",
    "a | b",
    "    code block",
    "&lt;b&gt;",
    "-> <- -- >= <= ~=",
    "\\\\server\\share",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme-mobile", "acme-mobile"),
        ("naïve 名前 🙂", "naïve 名前 🙂"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x00", "\\x00"),
        ("\ud800", "\\ud800"),
        (429, "429"),
    ],
)
def test_nothing_hidden_and_nothing_turned_around(text: object, expected: str) -> None:
    assert visible(text) == expected


def test_a_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 500) == "x" * MAX_CHARS + "…"
    assert visible("x" * MAX_CHARS) == "x" * MAX_CHARS


@given(st.text())
def test_a_shown_text_is_printable_and_on_one_line(text: str) -> None:
    assert all(c.isprintable() for c in visible(text))


def rendered(text: str) -> str:
    """What CommonMark with bare links makes of it, as HTML of one paragraph."""
    return str(MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render(text))


def letters(html: str) -> str:
    inner = re.fullmatch(r"<p>(.*)</p>\n?", html, re.DOTALL)
    assert inner, html
    text = (
        inner.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    )
    return text.replace(JOINER, "").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_names_letter_by_letter(text: str) -> None:
    html = rendered(in_markdown(text))

    assert letters(html).strip() == visible(text).strip()
    assert not re.search(r"<(?!/?p>)[a-z]", html), html


@given(st.text(min_size=1).filter(lambda text: text.strip() == text))
def test_markdown_shows_any_text_letter_by_letter(text: str) -> None:
    assert letters(rendered(in_markdown(text, 10_000))) == visible(text, 10_000)


@pytest.mark.parametrize(
    "pattern",
    [
        r"https?://",
        r"www\.",
        r"[-.\w+]+@[-\w]+(\.[-\w]+)+",
        r":[\w+-]+:",
        r":material/\w+:",
        r"(^|\s)(<->|->|<-|--|>=|<=|~=)(\s|$)",
    ],
)
@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_looked_for_in_finished_text_is_parted(text: str, pattern: str) -> None:
    finished = in_markdown(text).replace("\\", "")

    assert not re.search(pattern, finished, re.ASCII), finished


def test_plotly_reads_no_tags_no_references_and_no_formulas() -> None:
    shown = in_plotly("<b>a</b> &lt; $x$ <a href='https://evil.example'>y</a>\n")

    assert not set("<>$") & set(shown)
    assert shown.startswith("&lt;b&gt;a&lt;/b&gt; &amp;lt; &#36;x&#36;")
    assert shown.endswith("\\n")


def test_a_name_copied_from_a_label_of_ours_is_the_name() -> None:
    assert plain(in_markdown("2001:db8:1234::1").replace("\\", "") + " ") == "2001:db8:1234::1"
