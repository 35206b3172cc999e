"""THE way in which data gets onto a screen. Everything that came over the wire is hostile.

Which one to use:

- `visible(text)`: for what shows text as it is: `st.dataframe` cells, `st.text`, `st.code`, JSON for our own
  browser code (which sets `textContent`). Characters that hide or turn text become readable.
- `in_markdown(text)`: for all that Streamlit reads as markdown: `st.markdown`, `st.caption`, `st.info`, and
  the LABELS of buttons, links, pills, metrics, tabs, options and helps. Calls `visible` itself.
- `in_plotly(text)`: for names, hover texts, annotations and categories of a figure. Calls `visible` itself.
- CSV cells: `ui.csv_safe`.

Never `unsafe_allow_html`, never `st.html` with data, never a link whose address comes from data.
"""

from __future__ import annotations

import re

MAX_CHARS = 200
"""Longer names are cut with an ellipsis; an event's page shows them whole."""

JOINER = "\N{WORD JOINER}"
"""Invisible; stands where markdown would otherwise see a link, an emoji or an arrow in finished text."""

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&=\"'^/@])")
_AUTOLINK = re.compile(r"(?i)(https?:|ftp:|mailto:|xmpp:|www(?=\.))")
_EMOJI = re.compile(r":(?=[\w+\-/]+:)|:(?=material/|streamlit:)")
_ARROW = re.compile(r"(?<=[<>\-~])(?=[\->=])")
_KEPT = frozenset(" ")


def visible(text: object, max_chars: int = MAX_CHARS) -> str:
    r"""Text as it may be read: one line, nothing hidden, nothing turned around, at most `max_chars` long.

    Control characters, line breaks, characters without width and those that change the direction of writing
    are shown by their code (`\u202e`).
    """
    given = str(text)
    cut = given[:max_chars]
    shown = "".join(c if c.isprintable() or c in _KEPT else _code(c) for c in cut)
    return shown if len(given) <= max_chars else shown + "…"


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def in_markdown(text: object, max_chars: int = MAX_CHARS) -> str:
    """Text that Streamlit's markdown shows letter by letter.

    Escapes every mark of CommonMark, of Streamlit's directives and of formulas with a backslash. What
    Streamlit looks for in the *finished* text (bare links, mail addresses, `:emoji:`, ` -> `) is parted by a
    word joiner, because a backslash no longer stands there by then (remark-gfm and Streamlit 1.67).
    """
    shown = visible(text, max_chars)
    shown = _AUTOLINK.sub(rf"\1{JOINER}", shown)
    shown = shown.replace("@", "@" + JOINER)
    shown = _EMOJI.sub(":" + JOINER, shown)
    shown = _ARROW.sub(JOINER, shown)
    shown = _PUNCTUATION.sub(r"\\\1", shown)
    return re.sub(r"^ +| +$|(?<= ) ", _hard_spaces, shown)


def _hard_spaces(found: re.Match[str]) -> str:
    """Spaces that markdown would drop or fold."""
    return "\N{NO-BREAK SPACE}" * len(found.group())


def in_plotly(text: object, max_chars: int = MAX_CHARS) -> str:
    """Text that Plotly shows letter by letter: it reads a little HTML, and formulas between dollars."""
    shown = visible(text, max_chars)
    for mark, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("$", "&#36;")):
        shown = shown.replace(mark, reference)
    return shown


def plain(text: str) -> str:
    """What someone typed or pasted, without the invisible joiners that our own labels may have put in."""
    return text.replace(JOINER, "").replace("\N{NO-BREAK SPACE}", " ").strip()
