"""Models from vendors: who is better, who is tied, and why a submission was refused."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import charts, layout, queries
from dashboards.language import Words
from dashboards.queries import Board
from experiments.scoring import METRICS


def main() -> None:
    """Show the leaderboards, then what was refused and what waits."""
    say, snapshot = layout.begin("vendors")
    found = queries.submissions(snapshot)
    if not found:
        st.info(f"**{say('vendors_none')}** {say('vendors_none_hint')}", icon=":material/upload_file:")
        st.stop()
    vendors = {row["submission_id"]: row["vendor"] for row in found}
    boards = queries.boards(snapshot)
    for task in {board.task.id: board.task for board in boards}.values():
        st.header(layout.plain(task.id.replace("_", " ").capitalize()), anchor=False)
        layout.text(task.asks, code="en")
        for board in boards:
            if board.task.id == task.id:
                show_board(board, vendors, say)
    levels = {row["sandbox_level"] for board in boards for row in board.rows}
    if levels:
        told = "; ".join(say.get(f"level_{level}", level) for level in sorted(levels, reverse=True))
        layout.text(say("sandbox_text", levels=told), "tb-p tb-quiet")
    ranked = {row["submission"] for board in boards for row in board.rows}
    show_refused([row for row in found if row["status"] == "refused"], say)
    show_waiting([row for row in found if row["status"] != "refused" and row["submission_id"] not in ranked], say)


def show_board(board: Board, vendors: dict[str, str], say: Words) -> None:
    """One leaderboard: the metric that ranks as a chart, all of them as a table."""
    task = board.task
    st.subheader(say(f"split_{board.split}"), anchor=False)
    metric = metric_name(task.rank_by, say)
    better = say(f"better_{METRICS[task.rank_by].better}")
    layout.text(say("split_text", clips=board.clips, metric=f"{metric} ({METRICS[task.rank_by].unit}, {better})"))
    if board.is_underpowered:
        st.warning(say("underpowered"), icon=":material/query_stats:")
    if board.problem:
        st.error(layout.plain(say("problem", problem=board.problem)))
        return
    ranked = [row for row in board.rows if row["rank"] is not None]
    bands = [
        charts.Band(
            f"{row['rank']} · {row['name']}", *(row["metrics"][task.rank_by][key] for key in ("value", "lower", "upper"))
        )
        for row in ranked
    ]
    if bands:
        said = charts.summary(bands, say, percent=False, digits=1)
        chart = charts.intervals(bands, say, zero=False, percent=False, digits=1, dark=layout.is_dark())
        st.altair_chart(chart, alt=say("board_chart_alt", metric=metric, rows=said))
    for first, names in ties(ranked).items():
        if len(names) > 1:
            layout.text(say("tie_text", rank=first, names=say.join(names)))
    metrics = [name for name in task.metrics if any(name in row["metrics"] for row in board.rows)]
    headings = {name: f"{metric_name(name, say)} [{METRICS[name].unit}]" for name in metrics}
    rows = [
        {
            say("rank"): str(row["rank"]) if row["rank"] is not None else say("not_ranked"),
            say("tie"): str(row["tie_group"]) if row["tie_group"] is not None else say("not_ranked"),
            say("model"): layout.plain(row["name"]),
            say("vendor"): layout.plain(vendors.get(row["submission"], "")),
            **{layout.plain(headings[name]): score(row["metrics"][name], name, say) for name in metrics},
            say("gates"): layout.plain(gates(row["gates"], say)),
            say("sandbox"): layout.plain(row["sandbox_level"]),
        }
        for row in board.rows
    ]
    layout.table(rows, say("board_alt"), figures=[layout.plain(headings[name]) for name in metrics])
    flat = [
        {
            "rank": row["rank"],
            "tie_group": row["tie_group"],
            "submission": row["submission"],
            "name": row["name"],
            "sandbox_level": row["sandbox_level"],
            **{
                f"{name}_{key}" if key != "value" else name: value
                for name in metrics
                for key, value in row["metrics"][name].items()
            },
        }
        for row in board.rows
    ]
    layout.download(f"{task.id}_{board.split}.csv", flat, say("download_table"), f"csv_{task.id}_{board.split}")


def ties(ranked: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Rank -> the names that share it."""
    found: dict[int, list[str]] = {}
    for row in ranked:
        found.setdefault(row["rank"], []).append(row["name"])
    return found


def metric_name(name: str, say: Words) -> str:
    """A metric in words."""
    return say.get(f"metric_{name}", name)


def score(found: dict[str, float], name: str, say: Words) -> str:
    """A score with its interval."""
    digits = 2 if METRICS[name].unit == "0..1" else 1
    value, low, high = (say.number(found[key], digits) for key in ("value", "lower", "upper"))
    return f"{value} ({say.tight(low, high)})"


def gates(found: dict[str, str], say: Words) -> str:
    """Whether the bars were cleared, and which were not."""
    wrong = [name for name, status in found.items() if status != "passed"]
    return f"✕ {say('gates_failed', gates=', '.join(wrong))}" if wrong else f"✓ {say('passed')}"


def show_refused(found: list[dict[str, Any]], say: Words) -> None:
    """Submissions that were refused, with the reason in words."""
    st.header(say("refused_models"), anchor=False)
    if not found:
        layout.text(say("refused_models_none"))
        return
    layout.listing([f"{heading(row, say)}{say('colon')} {row['reason'] or ''}" for row in found])


def heading(row: dict[str, Any], say: Words) -> str:
    """A submission in a few words."""
    return f"{row['name']}, {row['vendor']} ({row['task']}, {say.day(row['submitted_at'])})"


def show_waiting(found: list[dict[str, Any]], say: Words) -> None:
    """Submissions that were accepted and not evaluated yet."""
    if found:
        st.header(say("waiting_models"), anchor=False)
        layout.table([named(row, say) for row in found], say("waiting_models"))


def named(row: dict[str, Any], say: Words) -> dict[str, str]:
    """A submission's model, vendor, task and day."""
    return {
        say("model"): layout.plain(row["name"]),
        say("vendor"): layout.plain(row["vendor"]),
        say("task"): layout.plain(row["task"]),
        say("submitted"): f"{row['submitted_at']:%Y-%m-%d}",
    }


main()
