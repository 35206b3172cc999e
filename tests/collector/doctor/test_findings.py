from __future__ import annotations

from collector.doctor.findings import Severity, exit_status, missing, note, ranked, risk, summary

BAD, SHAKY, WORTH = missing("a", "w", "d"), risk("b", "w", "d"), note("c", "w")


def test_the_worst_comes_first_and_nothing_is_said_twice() -> None:
    assert ranked([WORTH, SHAKY, BAD, SHAKY]) == [BAD, SHAKY, WORTH]


def test_the_summary_counts_and_the_exit_status_tells_scripts() -> None:
    assert summary([BAD, SHAKY, SHAKY, WORTH]) == "1 missing, 2 risks, 1 note"
    assert summary([WORTH, WORTH]) == "nothing missing, nothing risky (2 notes)"
    assert [exit_status(found) for found in ([], [WORTH], [SHAKY], [BAD])] == [0, 0, 1, 1]


def test_only_notes_need_no_advice() -> None:
    assert note("a", "b").do == ""
    assert {Severity(f.severity) for f in (BAD, SHAKY, WORTH)} == set(Severity)
