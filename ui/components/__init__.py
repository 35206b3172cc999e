"""Pieces that pages are built from.

- `page_frame`: what stands around every page, and what a page is given; start here
- `links`: a name leads to its page; `chart`: a figure on a page
- `table`, `numbers`: rows and numbers with links that lead on
- `screens`: what a page shows when it has nothing to show; `event_list`: events down to the JSON, downloads
- `overview`: all consumers or addresses; `portrait_view`, `portrait_lists`, `limits_table`,
  `changes_around`: one of them
- `filter_bar`, `freshness`: drawn by the frame
- `browser_part`: how our own JavaScript gets into a page
"""
