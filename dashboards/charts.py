"""The charts: what is drawn is also said in words and listed in a table by the page that shows it.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; shape or dash says the same again. They keep
a contrast of 3 to 1 on a light and on a dark page. All values are written into the chart: nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt

from dashboards.language import Words

Row = dict[str, Any]

BLUE = {False: "#0072B2", True: "#56B4E9"}
ORANGE = {False: "#D55E00", True: "#E69F00"}
GREEN, PINK, GREY = "#009E73", "#CC79A7", "#7F7F7F"
INK = {False: "#31333F", True: "#FAFAFA"}
"""Whether the page is dark -> colour."""
GAP_DAYS = 21
"""Weeks further apart than this are not connected: something else, or nothing, was measured between them."""
GAP_WEEKS = 4
"""Width at which a break is drawn. [weeks]"""


@dataclass(frozen=True)
class Band:
    """A figure with its interval, as a row of an interval chart.

    Attributes:
        name: What it is, in words.
        middle: The figure.
        low: Lower end.
        high: Upper end.
        kind: `own`, `other` or `naive`.
    """

    name: str
    middle: float
    low: float
    high: float
    kind: str = "own"


def parts(outcomes: Sequence[Row]) -> list[list[Row]]:
    """Weeks as stretches without a break: a new one starts after a gap and at the change."""
    found: list[list[Row]] = []
    for row in outcomes:
        last = found[-1][-1] if found else None
        if last is None or (row["period_start"] - last["period_start"]).days > GAP_DAYS or row["is_after"] != last["is_after"]:
            found.append([])
        found[-1].append(row)
    return found


def over_time(outcomes: Sequence[Row], say: Words, *, dark: bool = False, measured: str | None = None) -> alt.LayerChart:
    """Counted and expected weekly outcomes with the interval's band; years in which nothing is compared take no room.

    Args:
        outcomes: Rows of `lake.outcomes`, in order.
        say: The interface.
        dark: Whether the page is dark.
        measured: What was measured, with its unit, where people were not counted.
    """
    counted, title, digits = (
        say("measured_values" if measured else "counted"),
        measured or say("y_per_day"),
        1 if measured else 0,
    )
    stretches, position = parts(outcomes), 0.0
    points: list[Row] = []
    spans: list[Row] = []
    for number, stretch in enumerate(stretches):
        if number:
            is_gap = (stretch[0]["period_start"] - stretches[number - 1][-1]["period_start"]).days > GAP_DAYS
            position += GAP_WEEKS if is_gap else 0
        start, first = position, stretch[0]["period_start"]
        for row in stretch:
            x = start + (row["period_start"] - first).days / 7
            position = x + 1
            points.append({"x": x, "part": number, **_point(row, say, digits)})
        after = stretch[0]["is_after"]
        is_first = not any(span["after"] == after for span in spans)
        label = say("after" if after else "before") if is_first else ""
        spans.append({"from": start - 0.5, "to": position - 0.5, "label": label, "month": say.month(first), "after": after})
    marks = {span["from"] + 0.5: _escape(span["month"]) for span in spans}
    x = alt.X(
        "x:Q",
        title=None,
        scale=alt.Scale(domain=[-0.5, position - 0.5], nice=False),
        axis=alt.Axis(
            values=list(marks),
            grid=False,
            labelAlign="left",
            labelOverlap="greedy",
            labelExpr=" : ".join([*(f"datum.value == {v} ? '{text}'" for v, text in marks.items()), "''"]),
        ),
    )
    series, legend = [counted, say("expected")], alt.Legend(title=None, orient="top")
    colour = alt.Color("series:N", scale=alt.Scale(domain=series, range=[BLUE[dark], ORANGE[dark]]), legend=legend)
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=series, range=[[1, 0], [6, 3]]), legend=legend)
    tooltip = [
        alt.Tooltip(f"{name}:N", title=word)
        for name, word in (
            ("week", say("week")),
            ("t_counted", counted),
            ("t_expected", say("expected")),
            ("t_low", say("low")),
        )
    ] + [alt.Tooltip("t_high:N", title=say("high"))]
    base = _chart(points)
    ground = _chart(spans)
    layers = [
        ground.mark_rect(opacity=0.07).encode(
            x=alt.X("from:Q"),
            x2="to:Q",
            color=alt.value(GREY),
            opacity=alt.condition("datum.after", alt.value(0.1), alt.value(0.04)),
        ),
        ground.mark_text(align="left", baseline="top", dx=6, dy=5, fontSize=12, fontWeight="bold", color=INK[dark]).encode(
            x=alt.X("from:Q"), y=alt.value(0), text="label:N"
        ),
        base.transform_filter("datum.after")
        .mark_area(opacity=0.18, color=ORANGE[dark])
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", detail="part:N"),
        base.transform_fold(["counted", "expected"], as_=["key", "value"])
        .transform_calculate(series=f"datum.key == 'counted' ? '{_escape(series[0])}' : '{_escape(series[1])}'")
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, axis=_number_axis(say)),
            color=colour,
            strokeDash=dash,
            detail="part:N",
        ),
        base.mark_rule(opacity=0, strokeWidth=8).encode(x=x, tooltip=tooltip),
    ]
    return alt.LayerChart(layer=layers, height=360)


def _point(row: Row, say: Words, digits: int = 0) -> Row:
    counted, expected, low, high = (float(row[k]) for k in ("treated", "counterfactual", "lower", "upper"))
    texts = {"counted": counted, "expected": expected, "low": low, "high": high}
    return {
        "after": bool(row["is_after"]),
        **texts,
        "week": say.day(row["period_start"]),
        **{f"t_{name}": say.number(value, digits) for name, value in texts.items()},
    }


def intervals(
    rows: Sequence[Band], say: Words, *, zero: bool = True, percent: bool = True, digits: int = 0, dark: bool = False
) -> alt.LayerChart:
    """Figures with their intervals, one below the other, each with its name above it.

    Args:
        rows: The figures, from the top.
        say: The interface.
        zero: Whether 0 means that nothing changed, and gets a line.
        percent: Whether the figures are shares.
        digits: Digits after the point.
        dark: Whether the page is dark.
    """

    def text(value: float) -> str:
        return say.percent(value, digits, signed=True) if percent else say.number(value, digits)

    values = [
        {
            "y": -number,
            "name": row.name,
            "middle": row.middle,
            "low": row.low,
            "high": row.high,
            "kind": row.kind,
            "said": f"{text(row.middle)}  ({say.span(text(row.low), text(row.high))})",
        }
        for number, row in enumerate(rows)
    ]
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    room = (high - low or 1) * 0.04
    least = 0.0 if not zero and low >= 0 else low - room
    x = alt.X(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[least, high + room], nice=False),
        axis=_percent_axis(say, grid=False) if percent else _number_axis(say, grid=False),
    )
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-len(rows) + 0.7, 0.7], nice=False))
    kinds = ["own", "other", "naive"]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[BLUE[dark], GREY, ORANGE[dark]]), legend=None)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "square", "cross"]), legend=None)
    tooltip = [alt.Tooltip("name:N", title=" "), alt.Tooltip("said:N", title=say("change") if percent else " ")]
    base = _chart(values)
    layers = [
        base.mark_rule(strokeWidth=4, opacity=0.55).encode(x=x, x2="high:Q", y=y, color=colour, tooltip=tooltip),
        base.mark_point(size=150, filled=True, opacity=1).encode(
            x=alt.X("middle:Q"), y=y, color=colour, shape=shape, tooltip=tooltip
        ),
        base.transform_calculate(label=f"datum.name + '{say('colon')} ' + datum.said")
        .mark_text(align="left", baseline="bottom", dy=-11, fontSize=13, limit=1000, color=INK[dark])
        .encode(x=alt.value(2), y=y, text="label:N"),
    ]
    if zero:
        places = [{"zero": 0, "from": -n - 0.16, "to": -n + 0.16} for n in range(len(rows))]
        ticks = _chart(places)
        layers.insert(
            0,
            ticks.mark_rule(strokeWidth=2, color=INK[dark]).encode(x=alt.X("zero:Q"), y=alt.Y("from:Q", axis=None), y2="to:Q"),
        )
    return alt.LayerChart(layer=layers, height=34 + 64 * len(rows))


def columns(counts: Sequence[Row], say: Words, *, dark: bool = False) -> alt.LayerChart:
    """Counts by line and start; what is withheld is drawn as an empty column with its own mark, never as 0.

    Args:
        counts: `line`, `start` (in words), `crossings` (None where not shown), `suppressed`.
        say: The interface.
        dark: Whether the page is dark.
    """
    lines = sorted({row["line"] for row in counts})
    top = max((row["crossings"] or 0 for row in counts), default=0) or 1
    values = [
        {
            "start": row["start"],
            "line": row["line"],
            "height": row["crossings"],
            "said": say("withheld")
            if row["suppressed"]
            else say("not_measured")
            if row["crossings"] is None
            else say.number(row["crossings"]),
            "top": row["crossings"] if row["crossings"] is not None else 0,
            "mark": "?" if row["crossings"] is None else say.number(row["crossings"]),
        }
        for row in counts
    ]
    x = alt.X("start:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy"))
    offset = alt.XOffset("line:N", sort=lines)
    tooltip = [
        alt.Tooltip("start:N", title=say("start")),
        alt.Tooltip("line:N", title=say("line")),
        alt.Tooltip("said:N", title=say("crossings")),
    ]
    colour = alt.Color(
        "line:N",
        scale=alt.Scale(domain=lines, range=[BLUE[dark], ORANGE[dark], GREEN, PINK]),
        legend=alt.Legend(title=None, orient="top"),
    )
    base = _chart(values)
    layers = [
        base.mark_bar(cornerRadiusEnd=3, stroke=GREY, strokeWidth=0.5).encode(
            x=x,
            xOffset=offset,
            y=alt.Y("height:Q", title=say("crossings"), scale=alt.Scale(domain=[0, top * 1.15]), axis=_number_axis(say)),
            color=colour,
            tooltip=tooltip,
        ),
        base.mark_text(baseline="bottom", dy=-4, fontSize=12, color=INK[dark]).encode(
            x=x, xOffset=offset, y="top:Q", text="mark:N", tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers, height=300)


def shares(rows: Sequence[Row], say: Words, *, dark: bool = False) -> alt.Chart:
    """A share for each start, from 0 to 1: how much of an interval was measured."""
    values = [{**row, "said": say.percent(row["uptime"])} for row in rows]
    chart = _chart(values, height=130)
    drawn: alt.Chart = chart.mark_bar(color=BLUE[dark]).encode(
        x=alt.X("start:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
        y=alt.Y(
            "uptime:Q",
            title=None,
            scale=alt.Scale(domain=[0, 1]),
            axis=_percent_axis(say, signed=False, values=[0, 0.5, 1]),
        ),
        tooltip=[alt.Tooltip("start:N", title=say("start")), alt.Tooltip("said:N", title=say("uptime"))],
    )
    return drawn


def bars(rows: Sequence[tuple[str, int]], say: Words, *, dark: bool = False) -> alt.LayerChart:
    """Horizontal bars, longest first, each with its name above it and its number beside."""
    values = [{"y": -n, "name": name, "value": value, "said": say.number(value)} for n, (name, value) in enumerate(rows)]
    top = max((value for _, value in rows), default=1)
    base = _chart(values).encode(y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-len(rows) + 0.5, 0.6], nice=False)))
    x = alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, top * 1.2], nice=False))
    layers = [
        base.mark_bar(size=10, orient="horizontal", color=BLUE[dark], cornerRadiusEnd=3).encode(x=x),
        base.mark_text(align="left", dx=6, fontSize=12, color=INK[dark]).encode(x=x, text="said:N"),
        base.mark_text(align="left", baseline="bottom", dy=-8, fontSize=13, color=INK[dark], limit=1000).encode(
            x=alt.value(0), text="name:N"
        ),
    ]
    return alt.LayerChart(layer=layers, height=10 + 42 * len(rows))


def summary(rows: Sequence[Band], say: Words, *, percent: bool = True, digits: int = 0) -> str:
    """Figures with their intervals as a sentence, for readers who do not see the chart."""

    def text(value: float) -> str:
        return say.percent(value, digits, signed=True) if percent else say.number(value, digits)

    return "; ".join(f"{row.name}{say('colon')} {text(row.middle)}, {say.span(text(row.low), text(row.high))}" for row in rows)


def weeks_table(outcomes: Sequence[Row]) -> list[Row]:
    """The figures of `over_time` as plain values."""
    return [
        {
            "week": row["period_start"].isoformat() if isinstance(row["period_start"], date) else row["period_start"],
            "is_after": bool(row["is_after"]),
            "counted_per_day": row["treated"],
            "expected_per_day": row["counterfactual"],
            "lower": row["lower"] if row["is_after"] else None,
            "upper": row["upper"] if row["is_after"] else None,
        }
        for row in outcomes
    ]


def _chart(values: Sequence[Row], **settings: Any) -> alt.Chart:
    """A chart of values that are written into it."""
    return alt.Chart.from_dict({"data": {"values": list(values)}, "mark": "point", "encoding": {}, **settings})


def _number_axis(say: Words, *, grid: bool = True) -> alt.Axis:
    thousands = say.number(1000)[1:2]
    return alt.Axis(labelExpr=f"replace(format(datum.value, ',~f'), /,/g, '{thousands}')", tickCount=5, grid=grid)


def _percent_axis(say: Words, *, signed: bool = True, values: list[float] | None = None, grid: bool = True) -> alt.Axis:
    sign = "+" if signed else ""
    gap = "" if say.language == "en" else "\N{NO-BREAK SPACE}"
    text = f"replace(format(100 * datum.value, '{sign}.0f'), /^\\+0$/, '0') + '{gap}%'"
    return alt.Axis(labelExpr=text, tickCount=6, grid=grid) if values is None else alt.Axis(labelExpr=text, values=values)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
