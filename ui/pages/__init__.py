"""One file a page; each has `render()`. Their list and order stand in `ui.navigation`."""
