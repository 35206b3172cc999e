"""Pieces that pages are built from.

- `page_frame`: what stands around every page, and what a page is given; start here
- `links`: a name leads to its page; `chart`: a figure on a page
- `filter_bar`, `freshness`: drawn by the frame
- `browser_part`: how our own JavaScript gets into a page
"""
