"""The span that is shown, as an evidence pack to download: its head goes into the log of decisions."""

from __future__ import annotations

import streamlit as st

from domain.roles import Act
from ui import alert_reads, change_reads, permits, store
from ui.change_reads import Reads
from ui.components.page_frame import Frame
from ui.components.proposals import who
from ui.evidence_pack import Sources, make_pack
from ui.server.export_files import file_name


def show_evidence(frame: Frame, reads: Reads) -> None:
    """Draw it: made when it is asked for, of the span and filters of the page."""
    name, is_sample = who(), frame.state.sample
    why = None if is_sample else permits.why_not(Act.EXPORT, change_reads.settings())
    sources = Sources(reader=frame.reader, changes=reads.changes, alerts=alert_reads.reader(sample=is_sample))

    def make() -> bytes:
        now_ms = store.now_ms()
        pack = make_pack(sources, frame.window, frame.state.filters, name, now_ms)
        if not is_sample:
            told = f"{pack.entries} entries, head {pack.head}"
            with change_reads.deciding(Act.EXPORT) as book:
                book.note(now_ms, name, "evidence exported", "pack", told)
        return pack.content

    st.download_button(
        "Evidence pack",
        make,
        file_name=file_name("evidence", frame.window, frame.state.filters, "zip", sample=is_sample),
        mime="application/zip",
        key="gw-evidence",
        help="Changes, decisions, blocks, incidents and events of this span in one timeline, chained by "
        "hashes, with a script that verifies it. Its head is recorded in the log of decisions.",
        on_click="ignore",
        icon=":material/inventory_2:",
        type="tertiary",
        disabled=not name or why is not None,
    )
