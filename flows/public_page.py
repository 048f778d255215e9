"""The page that is published beside open data: no scripts, nothing loaded, in every language in which the pilot speaks."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from analytics.lake import Connection
from analytics.sensing.indices.tables import IndexTable, LimitsTable, NowcastTable, table_of, tables
from experiments.pilot import Pilot

Document = dict[str, Any]
Rows = list[dict[str, Any]]
SEPARATORS = {"en": (",", "."), "fr": ("\N{NARROW NO-BREAK SPACE}", ","), "es": (".", ",")}
UNITS = {"ug/m3": "µg/m³", "mg/m3": "mg/m³"}
MAIN = ("guideline", "limit value", "target value")
EPISODES = 8
"""So many of the newest episodes are told."""
STYLE = """
body{font:1.05rem/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1c1f24;background:#fff}
h1{line-height:1.2}h2{font-size:1.15rem}h3{margin:1.6rem 0 .3rem}nav a{margin-right:1rem}
section{border-top:1px solid #ccc;margin-top:1.5rem}.answer{font-size:1.25rem;font-weight:600}dt{font-weight:600}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.95rem}
td:first-child{min-width:11rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #ddd}
.band{border-left:1rem solid var(--tone);padding:.1rem 0 .1rem .8rem;box-shadow:inset 1px 0 0 #8888}
.quiet{font-size:.9rem;color:#4a4f57}.ids{overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{color:#eee;background:#14171c}.quiet{color:#bbb}a{color:#8cc4ff}}
"""


@cache
def _words() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("public_page.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


class _Say:
    """Words and numbers of one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in _words() else "en"
        self.texts = _words()[self.language]

    def __call__(self, key: str, /, **values: object) -> str:
        return html.escape(self.texts[key].format(**values))

    def get(self, key: str, default: str) -> str:
        return html.escape(self.texts.get(key, default))

    def number(self, value: float, digits: int = 0) -> str:
        thousands, decimal = SEPARATORS[self.language]
        return f"{value:,.{digits}f}".translate({ord(","): thousands, ord("."): decimal})

    def percent(self, share: float, *, signed: bool = True) -> str:
        text = f"{100 * share:+.0f}" if signed and round(100 * share) else f"{100 * share:.0f}"
        return f"{text.replace('-', chr(0x2212))}{'' if self.language == 'en' else chr(0xA0)}%"

    def day(self, value: date) -> str:
        return self("day", day=value.day, month=self.texts[f"month_{value.month}"], year=value.year)

    def amount(self, value: float, unit: str) -> str:
        return f"{self.number(value, 0 if float(value).is_integer() else 1)} {UNITS.get(unit, unit)}"


def published_figures(connection: Connection, pilot: Pilot, run_id: str) -> dict[str, Rows]:
    """What the page tells of a run's figures, from the lake.

    Args:
        connection: From `open_lake`.
        pilot: The pilot.
        run_id: Its run.

    Returns:
        `weeks` (outcomes), `newest` and `bands` of each index, `limits` of the newest year, `episodes` and `totals` of the
        newest week.
    """
    values = {"run": run_id, "zone": pilot.timezone}

    def rows(query: str) -> Rows:
        asked = {name: value for name, value in values.items() if f"${name}" in query}
        cursor = connection.execute(query, asked)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    subject = """
        SELECT * FROM (
            SELECT *, interval_start_at AT TIME ZONE $zone AS start_at,
                   count(index_value) FILTER (observed_property = 'all') OVER (PARTITION BY index_id) > 0 AS is_of_site
            FROM lake.air_quality_index WHERE run_id = $run
        ) WHERE (observed_property = 'all') = is_of_site AND index_value IS NOT NULL
    """
    return {
        "weeks": rows("SELECT treated, is_after FROM lake.outcomes WHERE run_id = $run ORDER BY period_start"),
        "newest": rows(
            f"SELECT *, count(*) OVER (PARTITION BY index_id) AS sites FROM (SELECT * FROM ({subject}) "
            "QUALIFY start_at = max(start_at) OVER (PARTITION BY index_id)) ORDER BY index_id, index_value DESC, site_id"
        ),
        "bands": rows(
            "SELECT index_id, band, count(*) AS days, min(highest) AS lowest FROM (SELECT index_id, site_id, "
            "max(index_value) AS highest, arg_max(band, index_value) AS band "
            f"FROM ({subject}) GROUP BY index_id, site_id, start_at::DATE) GROUP BY index_id, band ORDER BY index_id, lowest"
        ),
        "limits": rows(
            "SELECT index_id, index_version, level, observed_property, statistic, year, limit_value, unit, allowed, "
            "max(exceedances) AS exceedances, max(value) AS value, count(*) FILTER (is_exceeded) AS exceeded, "
            "count(*) FILTER (NOT is_exceeded) AS kept, count(*) FILTER (is_exceeded IS NULL) AS unknown, "
            "max(coverage) AS coverage FROM (SELECT * FROM lake.limit_exceedances WHERE run_id = $run "
            "QUALIFY year = max(year) OVER ()) GROUP BY ALL ORDER BY index_id DESC, statistic, observed_property, limit_value"
        ),
        "episodes": rows(
            "SELECT start_at AT TIME ZONE $zone AS start_at, end_at AT TIME ZONE $zone AS end_at, observed_property, "
            "threshold, unit, list_sort(list_distinct(list(level))) AS levels, count(DISTINCT site_id) AS sites, "
            "any_value(site_id) AS site_id, max(highest) AS highest FROM lake.threshold_episodes WHERE run_id = $run "
            "GROUP BY 1, 2, 3, 4, 5 ORDER BY start_at DESC, end_at"
        ),
        "totals": rows(
            "SELECT (period_start_at AT TIME ZONE $zone)::DATE AS day, sum(estimate) AS total, count(*) AS sites "
            "FROM lake.open_totals WHERE run_id = $run AND period = 'week' AND estimate IS NOT NULL "
            "GROUP BY day ORDER BY day DESC LIMIT 1"
        ),
    }


def public_page(
    pilot: Pilot, document: Document, kinds: list[str], budget: Mapping[str, str], figures: Mapping[str, Rows]
) -> str:
    """Question, answer, what was collected and what was not, figures, open data, whom to ask.

    Args:
        pilot: The pilot.
        document: Its run's result.
        kinds: Contracts of the open data beside the page.
        budget: Language -> HTML of what was spent of a privacy budget.
        figures: From `published_figures`.

    Returns:
        The HTML document.
    """
    safe = html.escape
    sections = "".join(_section(pilot, language, document, budget.get(language, ""), figures) for language in pilot.citizens)
    first = next(iter(pilot.citizens))
    links = "".join(f'<a href="#{safe(code)}" lang="{safe(code)}">{safe(code)}</a>' for code in pilot.citizens)
    data = " · ".join(
        f'<a href="{kind}.csv">{kind} (CSV)</a> · <a href="{kind}.odcs.yaml">contract</a>' for kind in dict.fromkeys(kinds)
    )
    return (
        f'<!DOCTYPE html><html lang="{safe(first)}"><head><meta charset="utf-8">'
        f"<title>{safe(pilot.title.get(first, pilot.id))}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{f'<nav>{links}</nav>' if len(pilot.citizens) > 1 else ''}{sections}"
        f"<section><p>{data}</p><p>{safe(pilot.attribution)}</p>"
        f"<p>{safe(pilot.owner.team)}, {safe(pilot.owner.contact)}</p>"
        f'<p class="ids"><small>run {safe(document["run_id"])}, plan {safe(document["plan_hash"])}</small></p>'
        "</section></main></body></html>\n"
    )


def _section(pilot: Pilot, language: str, document: Document, budget: str, figures: Mapping[str, Rows]) -> str:
    say, words, safe = _Say(language), pilot.citizens[language], html.escape
    answer, code = _answer(document, say)
    notes = "".join(f"<li>{safe(note)}</li>" for note in (document["effect"] or {}).get("notes", []))
    how = f'<h3>{say("notes")}</h3><ul lang="en">{notes}</ul>' if notes else ""
    return (
        f'<section lang="{safe(language)}" id="{safe(language)}"><h1>{safe(pilot.title.get(language, pilot.id))}</h1>'
        f'<h2 lang="en">{safe(pilot.asks)}</h2><p class="answer" lang="{code}">{answer}</p>{_naive(document, figures, say)}'
        f"<p>{safe(words.why)}</p><dl><dt>{say('collected')}</dt><dd>{safe(words.what_we_collect)}</dd>"
        f"<dt>{say('not_collected')}</dt><dd>{safe(words.what_we_do_not)}</dd></dl>{budget}"
        f"{_air(figures, say)}{_limits(figures, say)}{_episodes(pilot, figures, say)}{_totals(figures, say)}{how}</section>"
    )


def _answer(document: Document, say: _Say) -> tuple[str, str]:
    """The answer and its language: put together from the figures where the run's own sentence is not in this language."""
    effect, key = document["effect"], f"answer_{document['verdict']}"
    known = effect is not None and effect["relative"] is not None and effect["is_conclusive"] and key in say.texts
    if say.language == "en" or not known:
        return html.escape(document["answer"]), "en"
    found, low, high = (say.percent(effect[name]) for name in ("relative", "relative_lower", "relative_upper"))
    said = say("answer_relative", found=found, low=low, high=high, level=say.percent(effect["level"], signed=False))
    rendered = any(source["name"].startswith("network:") for source in document["sources"])
    return f"{say(key)} {said}{' ' + say('answer_rendered_sensors') if rendered else ''}", say.language


def _naive(document: Document, figures: Mapping[str, Rows], say: _Say) -> str:
    """What before and after alone would have said."""
    effect = document["effect"]
    before, after = ([row["treated"] for row in figures["weeks"] if bool(row["is_after"]) is value] for value in (False, True))
    if not effect or effect["relative"] is None or not after or not sum(before):
        return ""
    naive = say.percent((sum(after) / len(after)) / (sum(before) / len(before)) - 1)
    own, low, high = (say.percent(effect[name]) for name in ("relative", "relative_lower", "relative_upper"))
    return f"<p>{say('naive_before_after', naive=naive, own=own, low=low, high=high)}</p>"


def _air(figures: Mapping[str, Rows], say: _Say) -> str:
    parts, named = [], []
    for index in dict.fromkeys(row["index_id"] for row in figures["newest"]):
        one = tables().get(index)
        scale = table_of(one.breakpoints, IndexTable) if isinstance(one, NowcastTable) else one
        if not isinstance(scale, IndexTable):
            continue
        worst = next(row for row in figures["newest"] if row["index_id"] == index)
        colour = next(band.colour for band in scale.bands if worst["index_value"] <= band.index[1])
        word = say.get(f"band_{worst['band']}", worst["band"])
        days = ", ".join(
            f"{say.get('band_' + row['band'], row['band'])} {say.number(row['days'])}"
            for row in figures["bands"]
            if row["index_id"] == index
        )
        at: datetime = worst["start_at"]
        when = say.day(at) + (f", {at:%H:%M}" if scale.period == "hour" or isinstance(one, NowcastTable) else "")
        value = say.amount(worst["value"], worst["unit"])
        named.append(f"{index} {worst['index_version']}")
        parts.append(
            f'<h4>{say.get(f"table_{index}", scale.title)}</h4><div class="band" style="--tone:{colour}"><strong>'
            f"{say.number(worst['index_value'])} · {word}</strong><br>"
            f"{say('air_now', day=when, sites=worst['sites'], site=worst['site_id'], value=value)}</div>"
            f"<p>{say('air_days', spread=html.unescape(days))}"
            f"{'' if worst['is_of_site'] else ' ' + say('air_one_pollutant')}</p>"
        )
    if not parts:
        return ""
    quiet = say("indication", tables=", ".join(named))
    return f'<h3>{say("air_title")}</h3>{"".join(parts)}<p class="quiet">{quiet}</p>'


def _limits(figures: Mapping[str, Rows], say: _Say) -> str:
    found = [row for row in figures["limits"] if row["level"] in MAIN]
    if not found:
        return ""
    parts = []
    for index in dict.fromkeys(row["index_id"] for row in found):
        lines = []
        for row in (row for row in found if row["index_id"] == index):
            is_mean = row["allowed"] is None
            what = say.get(f"property_{row['observed_property']}", row["observed_property"])
            limit = (
                f"{say.get('level_' + row['level'], row['level'])}{say('colon')} {what}, "
                f"{say('statistic_' + row['statistic'])}, {say.amount(row['limit_value'], row['unit'])}"
            )
            judged = ", ".join(say(f"limit_{name}", count=row[name]) for name in ("exceeded", "kept", "unknown") if row[name])
            worst = say.amount(round(row["value"], 1), row["unit"]) if is_mean else say.number(row["exceedances"])
            allowed = say("limit_mean") if is_mean else say.number(row["allowed"])
            lines.append(f"<tr><td>{limit}</td><td>{worst}</td><td>{allowed}</td><td>{judged}</td></tr>")
        one = tables().get(index)
        title = say.get(f"table_{index}", one.title if isinstance(one, LimitsTable) else index)
        heads = "".join(f'<th scope="col">{say(key)}</th>' for key in ("limit", "limit_found", "limit_allowed", "limit_sites"))
        parts.append(
            f'<h4>{title}</h4><div class="wide" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>{heads}</tr>'
            f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
        )
    share = say.percent(max(row["coverage"] for row in found), signed=False)
    named = ", ".join(dict.fromkeys(f"{row['index_id']} {row['index_version']}" for row in found))
    note = f"{say('limit_note', share=share)} {say('indication', tables=named)}"
    return f'<h3>{say("limits_title", year=found[0]["year"])}</h3>{"".join(parts)}<p class="quiet">{note}</p>'


def _episodes(pilot: Pilot, figures: Mapping[str, Rows], say: _Say) -> str:
    if "threshold_episodes" not in pilot.figures.contracts():
        return ""
    lines = "".join(
        "<li>"
        + say(
            "episode",
            level=" + ".join(say.texts.get(f"level_{level}", level) for level in row["levels"]),
            what=say.texts.get(f"property_{row['observed_property']}", row["observed_property"]),
            threshold=say.amount(row["threshold"], row["unit"]),
            start=f"{row['start_at']:%Y-%m-%d %H:%M}",
            end=f"{row['end_at']:%Y-%m-%d %H:%M}",
            where=row["site_id"] if row["sites"] == 1 else say.texts["episode_many"].format(count=row["sites"]),
            highest=say.amount(round(row["highest"], 1), row["unit"]),
        )
        + "</li>"
        for row in figures["episodes"][:EPISODES]
    )
    told = f"<ul>{lines}</ul>" if lines else f"<p>{say('episodes_none')}</p>"
    return f"<h3>{say('episodes_title')}</h3>{told}"


def _totals(figures: Mapping[str, Rows], say: _Say) -> str:
    return "".join(
        f"<h3>{say('totals_title')}</h3>"
        f"<p>{say('totals_newest', day=say.day(row['day']), total=say.number(row['total']), sites=row['sites'])}</p>"
        for row in figures["totals"]
    )
