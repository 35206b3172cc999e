"""Rules: what each sees, its numbers, who changed them; checked, compared and tried before they are saved."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
import streamlit as st

from domain.detectors import DETECTORS
from domain.detectors.detector import Parameter
from domain.detectors.findings import Severity
from domain.roles import Act
from domain.rules import Rule, RuleError, Who, differences, parse_rule, problems
from storage.alert_rows import RuleRow
from storage.alerts_reader import AlertsReader
from storage.decisions import Decisions
from ui import alert_reads, navigation, store, wording
from ui import wording_alerts as words
from ui.charts.alert_window import backtest_figure
from ui.components.chart import show_chart
from ui.components.page_frame import Frame
from ui.components.proposals import who
from ui.components.table import COUNT, TIME, Cell, Column, Row, show_table
from ui.safe_text import in_markdown

RULE = "rule"
BACKTEST = "gw-backtest"
DAYS = (7, 30)
DAY_MS = 86_400_000
MAX_NOTE_CHARS = 500
AS_JUDGED = "as the detector judges"


def show_rules(frame: Frame, alerts: AlertsReader) -> None:
    """The list, and the one that is chosen."""
    rows = {row.rule_id: row for row in alerts.rules()}
    if not rows:
        st.caption(words.NO_COLLECTOR)
        return
    chosen = next(iter(frame.state.own(RULE)), None)
    noise = alerts.noise(frame.now_ms - 30 * DAY_MS)
    table = []
    for name in sorted(rows, key=lambda n: list(DETECTORS).index(n) if n in DETECTORS else len(DETECTORS)):
        rule = read_rule(rows[name])
        if rule is not None:
            table.append(
                _list_row(frame, rule, rows[name], noise.get(name, (0, 0)), is_chosen=name == chosen)
            )
    columns = (
        Column("Rule", wide=True, wrap=True),
        Column("State"),
        Column("Alerts", COUNT, hint="In the last 30 days"),
        Column("Not real", COUNT, hint="Of those, called false or benign"),
        Column("Version", COUNT, low=True),
        Column("By", low=True),
    )
    show_table(columns, table, key="gw-rules", label="Rules")
    row = rows.get(chosen or "")
    rule = None if row is None else read_rule(row)
    if row is not None and rule is not None:
        _show_editor(frame, alerts, rule, row)


def read_rule(row: RuleRow) -> Rule | None:
    """The rule of a row; None when this program cannot read it."""
    try:
        return parse_rule(msgspec.json.decode(row.body))
    except (RuleError, msgspec.DecodeError):
        return None


def _list_row(frame: Frame, rule: Rule, row: RuleRow, noise: tuple[int, int], *, is_chosen: bool) -> Row:
    detector = DETECTORS[rule.detector]
    leads = navigation.here(frame.state.with_own(**{RULE: [rule.id]}))
    return Row(
        (
            Cell(rule.title, note=detector.what, href=leads),
            Cell("● on" if rule.enabled else "○ off", tone="" if rule.enabled else "faint"),
            Cell(wording.count(noise[0])),
            Cell(wording.count(noise[1])),
            Cell(str(row.version)),
            Cell(row.author, note=wording.ago(row.at_ms, frame.now_ms)),
        ),
        href=leads,
        chosen=is_chosen,
    )


def _show_editor(frame: Frame, alerts: AlertsReader, rule: Rule, row: RuleRow) -> None:
    detector = DETECTORS[rule.detector]
    st.markdown(f"#### {in_markdown(rule.title)}")
    st.markdown(in_markdown(f"It sees when {detector.what}; at the latest {detector.delay_s} s after.", 400))
    st.caption(in_markdown(words.mapping(rule.detector)))
    edited, faults = _form(rule)
    for fault in faults:
        st.error(in_markdown(fault, 400), icon=":material/error:")
    changes = () if faults else differences(rule, edited)
    for change in changes:
        loosens = {True: " · fires less", False: " · fires more", None: ""}[change.loosens]
        st.markdown(
            f"- **{in_markdown(change.field)}**: {in_markdown(change.before, 300)} :material/arrow_forward:"
            f" {in_markdown(change.after, 300)}{loosens}"
        )
    _show_backtest(frame, alerts, edited, is_usable=not faults)
    _show_save(frame, edited, row, is_changed=bool(changes))
    _show_versions(frame, alerts, rule.id)


def _form(rule: Rule) -> tuple[Rule, tuple[str, ...]]:
    """The rule as the form has it now, and what is wrong with it."""
    key = f"gw-rule-{rule.id}"
    left, right = st.columns(2)
    with left:
        enabled = st.toggle("On", rule.enabled, key=f"{key}-on")
        severities = [AS_JUDGED, *(s.value for s in Severity if s is not Severity.INFORMATION)]
        held = rule.severity.value if rule.severity is not None else AS_JUDGED
        severity = st.selectbox("Severity", severities, severities.index(held), key=f"{key}-severity")
        team = st.text_input("Team that is told", rule.team, key=f"{key}-team", max_chars=100)
        hold = st.number_input(
            "Seen for so many seconds before it opens", 0, 86_400, rule.hold_s, key=f"{key}-hold"
        )
        quiet = st.number_input(
            "Quiet for so many seconds resolves it", 0, 86_400, rule.quiet_s, key=f"{key}-quiet"
        )
    with right:
        values = {}
        for parameter in DETECTORS[rule.detector].parameters:
            given = _number(parameter, rule, key)
            if given != parameter.default or parameter.name in rule.values:
                values[parameter.name] = given
    exceptions = st.text_area(
        "Leave alone, one a line: kind and name, such as `consumer fleet` or `ip 10.0.0.0/8`",
        "\n".join(f"{w.entity_type} {w.value}" for w in rule.exceptions),
        key=f"{key}-exceptions",
    )
    edited = msgspec.structs.replace(
        rule,
        enabled=enabled,
        severity=None if severity == AS_JUDGED else Severity(severity),
        team=team,
        hold_s=int(hold),
        quiet_s=int(quiet),
        values=values,
        exceptions=parse_exceptions(exceptions),
    )
    return edited, problems(edited)


def _number(parameter: Parameter, rule: Rule, key: str) -> float:
    whole = all(float(n).is_integer() for n in (parameter.default, parameter.minimum, parameter.maximum))
    value = rule.values.get(parameter.name, parameter.default)
    label = f"{parameter.help} ({parameter.unit})"
    bounds = f"{parameter.minimum:g} to {parameter.maximum:g}, starts at {parameter.default:g}"
    if whole:
        return float(st.number_input(label, value=int(value), key=f"{key}-{parameter.name}", help=bounds))
    return float(st.number_input(label, value=float(value), key=f"{key}-{parameter.name}", help=bounds))


def parse_exceptions(text: str) -> tuple[Who, ...]:
    """Lines `kind name`; what is no kind is left for the check to name."""
    found = []
    for line in text.splitlines():
        kind, _, value = line.strip().partition(" ")
        if kind:
            found.append(Who(kind, value.strip()))
    return tuple(found)


# ---- the backtest


def _show_backtest(frame: Frame, alerts: AlertsReader, rule: Rule, *, is_usable: bool) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("**How often would it have fired?**", width="content")
        for days in DAYS:
            st.button(
                f"Last {days} days", key=f"gw-backtest-{days}",
                disabled=not is_usable or frame.state.sample or alert_reads.why_not() is not None,
                help=alert_reads.why_not(),
                on_click=functools.partial(_ask_backtest, rule, days),
            )  # fmt: skip
    asked = st.session_state.get(BACKTEST)
    if asked is not None and asked[0] == rule.id:
        st.fragment(_backtest_answer, run_every="1s" if not _answer(alerts, asked[1]) else None)(
            frame, alerts, asked
        )


def _ask_backtest(rule: Rule, days: int) -> None:
    request_id, now_ms = alert_reads.new_id(), store.now_ms()
    body = {"rule": msgspec.to_builtins(rule), "days": days}

    def ask(decisions: Decisions) -> None:
        decisions.ask(request_id, "backtest", who(), now_ms, body)

    alert_reads.decide(ask, f"Looking through the last {days} days.")
    st.session_state[BACKTEST] = (rule.id, request_id, days, rule)


def _answer(alerts: AlertsReader, request_id: str) -> dict[str, Any] | None:
    found = alerts.request(request_id)
    return None if found is None or found.done_ms is None else found.answer


def _backtest_answer(frame: Frame, alerts: AlertsReader, asked: tuple[str, str, int, Rule]) -> None:
    answer = _answer(alerts, asked[1])
    if answer is None:
        st.caption(":material/hourglass_top: The collector looks through the history ...")
        return
    if answer.get("failure"):
        st.error(in_markdown(f"It failed: {answer['failure']}", 400), icon=":material/error:")
        return
    fired, from_ms, to_ms = answer["fired"], answer["from_ms"], answer["to_ms"]
    known = wording.duration(to_ms - from_ms)
    per_day = fired / max(1.0, (to_ms - from_ms) / DAY_MS)
    st.markdown(
        f"**{wording.counted(fired, 'alert')}** in {known} of history, {per_day:.1f} a day, on"
        f" {wording.counted(len(answer['entities']), 'entity', 'entities')}."
    )
    show_chart(
        backtest_figure([tuple(day) for day in answer["by_day"]], from_ms, to_ms),
        key="gw-backtest-chart", label="Alerts per day that the rule would have raised", zone=frame.zone,
        height=180,
    )  # fmt: skip
    st.caption("By itself: some of these another rule would explain, and they would be counted there.")
    columns = (
        Column(f"When ({frame.zone.label(frame.now_ms)})", TIME),
        Column("Severity"),
        Column("On whom"),
        Column("Why", wide=True, wrap=True),
    )
    rows = [
        Row(
            (
                Cell(wording.day_and_clock(opened_ms, frame.zone)),
                Cell(words.severity(Severity(severity))),
                Cell(entity),
                Cell(why),
            )
        )
        for opened_ms, _, severity, entity, why in answer["episodes"][-50:]
    ]
    show_table(columns, rows, key="gw-backtest-rows", label="What it would have raised", height=240)


# ---- saving


def _show_save(frame: Frame, rule: Rule, row: RuleRow, *, is_changed: bool) -> None:
    if frame.state.sample:
        st.info(words.SAMPLE, icon=":material/science:")
        return
    why = alert_reads.why_not(Act.CONFIGURE)
    note = st.text_input("Why it is changed", key=f"gw-rule-note-{rule.id}", max_chars=MAX_NOTE_CHARS)
    st.button(
        f"Save as version {row.version + 1}", key="gw-save-rule", type="primary",
        disabled=not (is_changed and note.strip()) or why is not None, help=why,
        on_click=functools.partial(_save, rule, row.version, note),
    )  # fmt: skip


def _save(rule: Rule, version: int, note: str) -> None:
    now_ms = store.now_ms()

    def save(decisions: Decisions) -> None:
        decisions.save_rule(rule, version, who(), now_ms, note)

    alert_reads.decide(save, "Saved; the collector uses it from the next second on.", Act.CONFIGURE)


def _show_versions(frame: Frame, alerts: AlertsReader, rule_id: str) -> None:
    versions = alerts.rule_versions(rule_id)
    with st.expander(f"Versions ({len(versions)})"):
        rows = [
            Row(
                (
                    Cell(str(row.version)),
                    Cell(wording.day_and_clock(row.at_ms, frame.zone)),
                    Cell(row.author),
                    Cell(_difference_words(versions, place)),
                    Cell(row.note),
                )
            )
            for place, row in enumerate(versions)
        ]
        columns = (
            Column("Version", COUNT),
            Column(f"When ({frame.zone.label(frame.now_ms)})", TIME),
            Column("Author"),
            Column("What", wide=True, wrap=True),
            Column("Why", wrap=True),
        )
        show_table(columns, rows, key="gw-rule-versions", label="Versions of this rule")


def _difference_words(versions: Sequence[RuleRow], place: int) -> str:
    """What a version changed against the one before it."""
    after = read_rule(versions[place])
    before = read_rule(versions[place + 1]) if place + 1 < len(versions) else None
    if after is None or before is None:
        return "the first" if place + 1 == len(versions) else "cannot be read by this version"
    found = [f"{d.field}: {d.before} to {d.after}" for d in differences(before, after)]
    return "; ".join(found) or "nothing"
