"""What tests ask a page of the dashboard in a browser."""

from __future__ import annotations

from typing import Any


def settled(page: Any) -> bool:
    """Whether Streamlit has finished its run, connected, and the page shows something."""
    return bool(
        page.evaluate(
            "() => { const app = document.querySelector('[data-testid=stApp]');"
            " return app?.dataset.testScriptState === 'notRunning'"
            " && app.dataset.testConnectionState === 'CONNECTED'"
            " && document.querySelectorAll('[data-testid=stSkeleton]').length === 0"
            " && document.querySelectorAll('[data-testid=stMainBlockContainer] *').length > 10 }"
        )
    )


DRAWN = """() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(
    e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])])
  const elements = all(document)
  const board = elements.find(e => e.classList.contains('gw-board'))
  const plots = elements.filter(e => e.matches('.gw-plot, .gw-board .plot'))
  return (!board || board.dataset.ready === 'true') && plots.every(p => p.layout || !p.offsetParent)
    && elements.every(e => !e.matches('.gw-chart, .gw-table, .gw-numbers') || e.childNodes.length)
}"""
"""Whether everything that a page draws in the browser is there."""
