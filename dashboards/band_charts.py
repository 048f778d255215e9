"""Charts of indices in their published colours, and of totals with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from dashboards.charts import BLUE, GREY, _chart, _number_axis
from dashboards.figure_queries import Course
from dashboards.language import Words

Row = dict[str, Any]
FRAME = {False: "#FFFFFF", True: "#0E1117"}


def band_name(name: str, say: Words) -> str:
    """A band's word in the reader's language."""
    return say.get(f"band_{name}", name)


def course(found: Course, names: dict[str, str], say: Words, *, dark: bool = False) -> alt.LayerChart:
    """The highest index of each site and day, a tile each, in the colours of the table; days without an index stay empty.

    Args:
        found: The index.
        names: Site -> its name.
        say: The interface.
        dark: Whether the page is dark.
    """
    values = [
        {
            "site": names.get(row["site_id"], row["site_id"]),
            "day": row["day"].isoformat(),
            "band": band_name(row["band"], say),
            "colour": next(colour for name, colour, last in found.bands if name == row["band"] and row["index_value"] <= last),
            "index": row["index_value"],
            "said_day": say.day(row["day"]),
            "found": f"{say.number(row['value'], 1)} {row['unit'].replace('ug/m3', 'µg/m³')}",
        }
        for row in found.days
    ]
    sites = sorted({row["site"] for row in values})
    base = _chart(values, height=max(60, 17 * len(sites) + 20))
    drawn = base.mark_rect(stroke=FRAME[dark], strokeWidth=0.4).encode(
        x=alt.X(
            "day:T", timeUnit="yearmonthdate", title=None, axis=alt.Axis(format="%Y-%m-%d", labelOverlap="greedy", tickCount=5)
        ),
        y=alt.Y("site:N", title=None, sort=sites, axis=alt.Axis(labelLimit=150, labelOverlap=False, labelFontSize=10)),
        color=alt.Color("colour:N", scale=None, legend=None),
        tooltip=[
            alt.Tooltip("site:N", title=say("site")),
            alt.Tooltip("said_day:N", title=say("figure_day")),
            alt.Tooltip("band:N", title=say("figure_band")),
            alt.Tooltip("index:Q", title=say("figure_index")),
            alt.Tooltip("found:N", title=say("measured")),
        ],
    )
    return alt.LayerChart(layer=[drawn])


def totals(rows: Sequence[Row], say: Words, *, dark: bool = False) -> alt.LayerChart:
    """Totals of weeks with their intervals; a break where there is none."""
    values, part, last = [], 0, None
    for row in rows:
        if row["estimate"] is None:
            continue
        part += int(last is not None and (row["day"] - last).days > 7)
        last = row["day"]
        values.append(
            {
                "day": row["day"].isoformat(),
                "part": part,
                "estimate": row["estimate"],
                "lower": row["lower"],
                "upper": row["upper"],
                "said_day": say.day(row["day"]),
                "said": say.number(row["estimate"]),
                "ends": say.span(say.number(row["lower"]), say.number(row["upper"])),
            }
        )
    x = alt.X("day:T", title=None, axis=alt.Axis(format="%Y-%m", labelOverlap="greedy", tickCount=6, grid=False))
    tooltip = [
        alt.Tooltip("said_day:N", title=say("week")),
        alt.Tooltip("said:N", title=say("total_total")),
        alt.Tooltip("ends:N", title=say("total_interval")),
    ]
    base = _chart(values)
    top = max((row["upper"] for row in values), default=1)
    y = alt.Y("estimate:Q", title=say("total_week_axis"), axis=_number_axis(say), scale=alt.Scale(domain=[0, top * 1.05]))
    layers = [
        base.mark_area(opacity=0.35, color=GREY).encode(x=x, y=alt.Y("lower:Q"), y2="upper:Q", detail="part:N"),
        base.mark_line(strokeWidth=1.6, color=BLUE[dark]).encode(x=x, y=y, detail="part:N"),
        base.mark_point(size=60, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    ]
    return alt.LayerChart(layer=layers, height=260)
