"""From accepted rows to a judgement: effect, fairness, money and the verdict by the pilot's own rule."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analytics.lake import Connection, memory
from experiments.benefit import Benefit, assess
from experiments.equity import GroupEffect, by_hours
from experiments.impact import METHODS, Effect, descriptive
from experiments.outcome import Panel, is_reading, measured_share, observed, panel
from experiments.pilot import Pilot
from experiments.plot import effect_png
from experiments.verdict import Verdict, decide
from flows.audited import sentence
from flows.stream_feeds import is_followed

MIN_WEEKS_BEFORE = 8
"""Fewer weeks before the change cannot tell a good comparison from a lucky one."""
MIN_CONTROLS = 2


@dataclass(frozen=True)
class Judgement:
    """What a pilot's data say.

    Attributes:
        verdict: By the pilot's rule.
        effect: By the pilot's method; None when nothing could be measured.
        beside: By the methods beside it.
        naive: By the pilot's method on rows the gate refused as well, to show what they would have done; None when no row
            was refused.
        panel: Weekly outcomes; None for a pilot that compares nothing.
        groups: Effect by group of hours.
        benefit: Costs and benefits; None when the pilot gives no money.
        uptime: Share of the observed time in which the source delivered; None where it is not known.
        audits: What an audit says of each feed's counts.
    """

    verdict: Verdict
    effect: Effect | None
    beside: tuple[Effect, ...] = ()
    naive: Effect | None = None
    panel: Panel | None = None
    groups: tuple[GroupEffect, ...] = ()
    benefit: Benefit | None = None
    uptime: float | None = None
    audits: tuple[dict[str, Any], ...] = ()

    def details(self) -> dict[str, Any]:
        """Everything beside the effect, as plain values."""
        return {
            "beside": [effect.to_dict() for effect in self.beside],
            "naive": self.naive.to_dict() if self.naive is not None else None,
            "sites": [asdict(site) for site in self.panel.sites] if self.panel is not None else [],
            "weeks": len(self.panel.weeks) if self.panel is not None else 0,
            "weeks_dropped": self.panel.weeks_dropped if self.panel is not None else 0,
            "groups": [asdict(group) for group in self.groups],
            "benefit": asdict(self.benefit) if self.benefit is not None else None,
            "uptime": self.uptime,
            "audits": list(self.audits),
        }

    def metrics(self) -> dict[str, float]:
        """Figures with their interval ends, by the names MLflow keeps them under."""
        found: dict[str, float] = {}
        named = [("effect", self.effect), ("naive", self.naive), *((f"beside_{e.method}", e) for e in self.beside)]
        for name, effect in named:
            if effect is None:
                continue
            for key in ("estimate", "lower", "upper", "relative", "relative_lower", "relative_upper", "p_value", "level"):
                value = getattr(effect, key)
                if value is not None:
                    found[f"{name}_{key}"] = float(value)
        if self.uptime is not None:
            found["uptime"] = self.uptime
        if self.benefit is not None:
            found |= {"bcr": self.benefit.bcr, "p_npv_positive": self.benefit.p_npv_positive, "npv": self.benefit.npv[1]}
            found |= {"npv_lower": self.benefit.npv[0], "npv_upper": self.benefit.npv[2]}
        return found

    def artifacts(self, pilot: Pilot) -> dict[str, bytes]:
        """The effect plot and its data; nothing when nothing was compared."""
        if self.panel is None or self.effect is None:
            return {}
        text = io.StringIO()
        table = csv.writer(text)
        what = observed(pilot)
        day = "" if what else "_per_day"
        table.writerow(["week", "is_after", f"treated{day}", f"expected{day}", "lower", "upper"])
        weeks, expected, band = self.panel.weeks, self.effect.counterfactual, self.effect.band
        for i, week in enumerate(weeks):
            after, treated, middle = self.panel.is_after[i], self.panel.treated[i], expected[i]
            table.writerow(
                [week, bool(after), *(repr(float(x)) for x in (treated, middle, middle / band[i], middle * band[i]))]
            )
        title = f"{pilot.title.get('en', pilot.id)}: {self.verdict.word}"
        unit = f"{what['observed_property']}, {what['day']} of a day, {what['unit']}" if what else "crossings per day and site"
        return {
            "effect.png": effect_png(title, self.panel, self.effect, pilot.attribution, unit),
            "effect.csv": text.getvalue().encode(),
        }


def judge(pilot: Pilot, results: list[Path], audits: Sequence[dict[str, Any]] = ()) -> Judgement:
    """Judge a pilot by its own method and rule.

    Args:
        pilot: As loaded.
        results: The folder of each feed's result check, in the pilot's order.
        audits: What an audit says of each feed that counts video.
    """
    folders = [str(f) for f, feed in zip(results, pilot.feeds, strict=True) if feed.contract == pilot.outcome.contract]
    with memory() as connection:
        for name in ("accepted", "judged"):
            files = [f"{folder}/{name}.parquet" for folder in folders]
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r}, union_by_name = true)")
        if pilot.method == "descriptive":
            return _describe(connection, pilot, audits)
        return replace(_compare(connection, pilot), audits=tuple(audits))


def _compare(connection: Connection, pilot: Pilot) -> Judgement:
    data = panel(connection, "accepted", pilot)
    missing = _missing(data)
    if missing:
        return Judgement(decide(pilot.succeeds_if, None, missing=missing), None, panel=data)
    effect = METHODS[pilot.method](data)
    uptime = measured_share(connection, "accepted", pilot) if is_reading(pilot) else None
    naive = None
    refused = connection.execute("SELECT (SELECT count(*) FROM judged) > (SELECT count(*) FROM accepted)").fetchone()
    if refused is not None and refused[0]:
        unjudged = panel(connection, "(SELECT * FROM judged WHERE interval_start_at IS NOT NULL)", pilot)
        naive = METHODS[pilot.method](unjudged) if not _missing(unjudged) else None
    return Judgement(
        verdict=decide(pilot.succeeds_if, effect),
        effect=effect,
        beside=tuple(METHODS[name](data) for name in pilot.beside),
        naive=naive,
        panel=data,
        groups=tuple(by_hours(connection, "accepted", pilot)),
        benefit=assess(pilot, effect),
        uptime=uptime,
    )


def _missing(data: Panel) -> str:
    """Why nothing can be compared, as a sentence; empty when it can."""
    if not len(data.treated):
        lost = "; ".join(f"{s.site_id}: {s.reason}" for s in data.sites if not s.is_used)
        return f"Too little was measured to compare anything ({lost})."
    before, after = int((~data.is_after).sum()), int(data.is_after.sum())
    if before < MIN_WEEKS_BEFORE or not after or len(data.control_ids) < MIN_CONTROLS:
        return (
            f"Too little was measured: {before} whole weeks before, {after} after and {len(data.control_ids)} sites to "
            f"compare with; at least {MIN_WEEKS_BEFORE}, 1 and {MIN_CONTROLS} are needed."
        )
    return ""


def _describe(connection: Connection, pilot: Pilot, audits: Sequence[dict[str, Any]]) -> Judgement:
    """Flow and uptime of interval counts. The last interval, which the video may leave early, is not looked at."""
    where = " AND ".join(f"{column} = ?" for column in pilot.outcome.where) or "true"
    rows = connection.execute(
        f"SELECT interval_start_at, any_value(interval_s), sum({pilot.outcome.column}), avg(uptime) FROM accepted "
        f"WHERE {where} GROUP BY 1 ORDER BY 1",
        list(pilot.outcome.where.values()),
    ).fetchall()
    whole = rows[:-1] if len(rows) > 1 else rows
    counts = [float(row[2]) for row in whole if row[3] >= pilot.outcome.min_day_coverage and row[2] is not None]
    expected = len(whole)
    if whole and any(is_followed(feed) for feed in pilot.feeds):  # while nobody followed, nothing was observed either
        expected = round((whole[-1][0] - whole[0][0]).total_seconds() / whole[0][1]) + 1
    uptime = sum(float(row[3]) for row in whole) / expected if whole else None
    effect = descriptive(counts, float(whole[0][1]), pilot.seed) if counts else None
    return Judgement(
        verdict=decide(pilot.succeeds_if, effect, uptime=uptime, audited=sentence(audits)),
        effect=effect,
        benefit=assess(pilot, effect),
        uptime=uptime,
        audits=tuple(audits),
    )


def summary(document: dict[str, Any]) -> str:
    """One line on a run's result, for tables."""
    effect = document["effect"]
    if effect is None:
        return "none"
    if effect["relative"] is None:
        return f"{effect['estimate']:.1f}/min [{effect['lower']:.1f}, {effect['upper']:.1f}]"
    return f"{effect['relative']:+.1%} [{effect['relative_lower']:+.1%}, {effect['relative_upper']:+.1%}]"
