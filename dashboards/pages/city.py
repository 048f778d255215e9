"""All pilots side by side, and how good their data were, for the city's manager."""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from dashboards import charts, disclosure, figures, language, layout, queries, warning_queue
from dashboards.language import Words
from dashboards.queries import Run

STATUSES = ("passed", "failed", "skipped")
SHORT = 28


def main() -> None:
    """Show every pilot in a row, then the gate, the quarantine and the runs that were stopped."""
    say, snapshot = layout.begin("city")
    found = queries.runs(snapshot)
    if not found:
        st.info(f"**{say('no_runs')}** {say('no_lake_hint')}", icon=":material/rocket_launch:")
        st.stop()
    ids = list(dict.fromkeys(run.pilot_id for run in found))
    newest = {id_: next(run for run in found if run.pilot_id == id_) for id_ in ids}
    counted = [run for run in (queries.shown(found, id_) for id_ in ids) if run is not None]
    titles = {id_: language.choose(run.document["title"], say.language)[0] for id_, run in newest.items()}
    checks = queries.checks(snapshot)
    show_glance(newest, checks, say)
    show_pilots(counted, newest, titles, checks, say)
    figures.show_side_by_side(counted, titles, snapshot, say)
    warning_queue.show_warnings(titles, snapshot, say)
    show_gate(newest, titles, checks, say)
    show_quarantine(newest, titles, snapshot, say)
    show_budget(titles, snapshot, say)
    show_stopped(found, titles, say)
    show_ids(counted, titles, say)


def show_glance(newest: dict[str, Run], checks: list[dict[str, Any]], say: Words) -> None:
    """How many pilots there are, what came of them, and how many rows were refused."""
    words = Counter(run.document["verdict"] for run in newest.values())
    said = ", ".join(f"{count}\N{NO-BREAK SPACE}{say(f'verdict_{word}').lower()}" for word, count in words.items())
    rows = sum(run.document["rows"] for run in newest.values())
    refused = sum(run.document["quarantined"] for run in newest.values())
    ids = {run.run_id for run in newest.values()}
    rules = [rule for check in checks if check["run_id"] in ids for rule in check["report"]["rules"]]
    status = Counter(rule["status"] for rule in rules)
    changed = sum(len(run.document["deviations"]) for run in newest.values())
    told = ", ".join(f"{say.number(status[name])} {say(f'status_{name}')}" for name in STATUSES[1:])
    layout.facts(
        [
            (say("city_pilots"), say.number(len(newest)), said),
            (say("fact_rows"), say.number(rows), say("fact_rows_note", count=say.number(refused))),
            (say("rules_checked"), say.number(len(rules)), told),
            (say("deviations_short"), say.number(changed), say("deviations_note")),
        ]
    )


def show_pilots(
    counted: list[Run], newest: dict[str, Run], titles: dict[str, str], checks: list[dict[str, Any]], say: Words
) -> None:
    """One row for each pilot, by the run that counts."""
    st.header(say("city_pilots"), anchor=False)
    passed = dict.fromkeys((check["run_id"] for check in checks), True)
    for check in checks:
        passed[check["run_id"]] &= bool(check["passed"])
    rows = []
    for run in counted:
        last, document = newest[run.pilot_id], run.document
        gate = passed.get(last.run_id, last.status == "published")
        rows.append(
            {
                say("pilot"): f"[{layout.plain(titles[run.pilot_id])}](./?pilot={run.pilot_id})",
                say("verdict"): layout.plain(layout.verdict(document["verdict"], say)),
                say("effect"): layout.plain(effect(document, say)),
                say("accepted"): say.number(document["rows"]),
                say("refused"): say.number(document["quarantined"]),
                say("gate"): passed_or_not(gate, say),
                say("money_short"): layout.plain(money(document, say)),
                say("deviations_short"): say.number(len(document["deviations"])),
                say("last_run"): say.day(last.published_at),
            }
        )
    layout.table(rows, say("city_pilots_alt"), figures=[say("accepted"), say("refused"), say("deviations_short")])
    bands = [
        charts.Band(short(titles[run.pilot_id]), e["relative"], e["relative_lower"], e["relative_upper"])
        for run in counted
        if (e := run.document["effect"]) is not None and e["relative"] is not None
    ]
    if bands:
        alt = say("how_sure_alt", rows=charts.summary(bands, say))
        st.altair_chart(charts.intervals(bands, say, dark=layout.is_dark()), alt=alt)


def short(title: str) -> str:
    """A title that leaves room for figures on a phone."""
    return title if len(title) <= SHORT else f"{title[: SHORT - 1].rstrip()}…"


def effect(document: dict[str, Any], say: Words) -> str:
    """A run's effect with its interval, short."""
    found = document["effect"]
    if found is None:
        return say("none")
    if found["relative"] is None:
        middle, low, high = (say.number(found[key], 1) for key in ("estimate", "lower", "upper"))
        return f"{say('per_minute', value=middle)} ({say.tight(low, high)})"
    middle, low, high = (say.percent(found[key], signed=True) for key in ("relative", "relative_lower", "relative_upper"))
    return f"{middle} ({say.tight(low, high)})"


def money(document: dict[str, Any], say: Words) -> str:
    """A run's net present value with its interval, short."""
    found = document["benefit"]
    if found is None:
        return say("none")
    low, middle, high = (say.number(value, signed=True) for value in found["npv"])
    return f"{middle} ({say.tight(low, high)}) {found['currency']}"


def passed_or_not(passed: bool, say: Words) -> str:
    """What the gate said, with a sign."""
    return f"{'✓' if passed else '✕'}{language.SPACE}{say('gate_passed' if passed else 'gate_failed')}"


def show_gate(newest: dict[str, Run], titles: dict[str, str], checks: list[dict[str, Any]], say: Words) -> None:
    """What the gate said of each pilot's newest run, and every rule that did not simply pass."""
    st.header(say("gate_health"), anchor=False)
    layout.text(say("gate_health_text"))
    rows, open_rules = [], []
    for check in checks:
        if newest[check["pilot_id"]].run_id != check["run_id"]:
            continue
        rules = check["report"]["rules"]
        status = Counter(rule["status"] for rule in rules)
        title = layout.plain(titles[check["pilot_id"]])
        contract = layout.plain(f"{check['contract']} {check['version']}")
        rows.append(
            {
                say("pilot"): title,
                say("stage"): say(f"stage_{check['stage']}"),
                say("contract"): contract,
                say("accepted"): say.number(check["accepted"]),
                say("refused"): say.number(check["quarantined"]),
                **{say(name): say.number(status[name]) for name in STATUSES},
                say("gate"): passed_or_not(check["passed"], say),
            }
        )
        open_rules += [
            {
                say("contract"): contract,
                say("rule"): layout.plain(rule["rule"]),
                say("severity"): say(f"severity_{rule['severity']}"),
                say("status"): say(f"status_{rule['status']}"),
                say("reason"): layout.plain(rule["reason"] or ""),
            }
            for rule in rules
            if rule["status"] != "passed"
        ]
    layout.table(rows, say("gate_alt"), figures=[say(name) for name in ("accepted", "refused", *STATUSES)])
    if open_rules:
        unique = [dict(pairs) for pairs in dict.fromkeys(tuple(rule.items()) for rule in open_rules)]
        with st.expander(f"{say('skipped_rules')} ({len(unique)})"):
            layout.table(unique, say("skipped_rules"))


def show_quarantine(newest: dict[str, Run], titles: dict[str, str], snapshot: int, say: Words) -> None:
    """Refused rows of each pilot's newest run, by rule."""
    st.header(say("quarantine"), anchor=False)
    current = {run.run_id for run in newest.values()}
    found = [row for row in queries.quarantine(snapshot) if row["run_id"] in current]
    if not found:
        layout.text(say("quarantine_none"))
        return
    layout.text(say("quarantine_text"))
    total: Counter[str] = Counter()
    for row in found:
        total[f"{row['contract']} · {row['rule']}"] += row["rows"]
    rows = total.most_common(12)
    alt = say("quarantine_alt", rows="; ".join(f"{name}: {say.number(count)}" for name, count in rows))
    st.altair_chart(charts.bars(rows, say, dark=layout.is_dark()), alt=alt)
    with st.expander(say("show_table")):
        layout.table(
            [
                {
                    say("pilot"): layout.plain(titles[row["pilot_id"]]),
                    say("contract"): layout.plain(row["contract"]),
                    say("rule"): layout.plain(row["rule"]),
                    say("rows"): say.number(row["rows"]),
                }
                for row in found
            ],
            alt,
            figures=[say("rows")],
        )
    layout.download("quarantine_by_rule.csv", found, say("download_table"), "csv_quarantine")


def show_budget(titles: dict[str, str], snapshot: int, say: Words) -> None:
    """What each pilot has spent of its privacy budget, and what is left."""
    st.header(say("budget"), anchor=False)
    found = disclosure.accounts(snapshot)
    layout.text(say("budget_text") if found else say("budget_none"))
    if not found:
        return
    figures = ("budget_spent", "budget_left", "budget_total")
    rows = []
    for account in found:
        total = account.budget.total
        values = (account.spent, max(0.0, total - account.spent), total)
        rows.append(
            {
                say("pilot"): layout.plain(titles.get(account.pilot_id, account.pilot_id)),
                say("budget_releases"): say.number(account.releases),
                **{say(name): say.number(value, 1) for name, value in zip(figures, values, strict=True)},
                say("budget_unit"): layout.plain(say.get(f"unit_{account.budget.unit}", account.budget.unit)),
            }
        )
    layout.table(rows, say("budget_alt"), figures=[say(name) for name in ("budget_releases", *figures)])


def show_stopped(found: list[Run], titles: dict[str, str], say: Words) -> None:
    """Runs that the gate stopped, with the reason."""
    st.header(say("stopped"), anchor=False)
    stopped = [run for run in found if run.status == "stopped"]
    if not stopped:
        layout.text(say("stopped_none"))
        return
    rows = [
        {
            say("pilot"): layout.plain(titles[run.pilot_id]),
            say("last_run"): f"{run.published_at:%Y-%m-%d %H:%M} UTC",
            say("reason"): layout.plain(run.document["answer"]),
        }
        for run in stopped
    ]
    layout.table(rows, say("stopped_alt"))


def show_ids(counted: list[Run], titles: dict[str, str], say: Words) -> None:
    """What leads from each pilot's figures to its run, plan, snapshot and code."""
    st.header(say("ids"), anchor=False)
    st.markdown(say("mlflow_hint"))
    rows = [
        {
            say("pilot"): layout.plain(titles[run.pilot_id]),
            say("prov_run"): f"`{run.run_id[:12]}`",
            say("prov_mlflow"): f"[{run.mlflow_run_id[:12]}]({queries.mlflow_link(run.mlflow_run_id)})"
            if run.mlflow_run_id
            else say("none"),
            say("prov_plan"): f"`{run.plan_hash[:12]}`",
            say("prov_snapshot"): str(run.snapshot_id) if run.snapshot_id is not None else say("none"),
            say("prov_code"): f"`{run.code_version}`",
        }
        for run in counted
    ]
    layout.table(rows, say("ids_alt"))


main()
