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
