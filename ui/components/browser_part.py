"""Components of our own in the browser: a few lines that load a module of `ui/browser/` by its address.

Streamlit sends a component's inline JavaScript with every change, so ours is kept to a loader.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

LOADER = """\
export default function (component) {
  let gone = false
  let end
  import(new URL(component.data.module, location.origin)).then(
    module => { if (!gone) end = module.mount(component) },
    () => {
      component.parentElement.textContent =
        "A part of this page could not be loaded: the dashboard was updated or is away. Reload the page."
    },
  )
  return () => { gone = true; if (end) end() }
}
"""


def declare(name: str, html: str, css: str = "") -> Any:
    """Make the component known; call the result as a page does with any component of Streamlit's.

    Args:
        name: Of the component.
        html: A root element that the module finds by its class.
        css: Styles, kept apart from the page's.
    """
    return st.components.v2.component(f"gatewatch_{name}", html=html, css=css, js=LOADER)
