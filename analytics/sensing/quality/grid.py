"""Readings of one observed property as a grid of sensors by steps of time: what all searches for faults look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.quality.findings import Finding, Skipped, instant
from analytics.sensing.readings import check_timezone, quoted
from analytics.sensing.units import properties

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STEPS_S = (600, 900, 1800, 3600, 86_400)
"""Steps of time a grid can have; finer readings are brought to the first that is no finer than they are. [s]"""
MOST_CELLS = 12_000_000
"""A grid has at most so many cells (100 MB a copy); beyond, it takes a longer step."""
STRAY = 0.0005
"""So small a share of readings at either end does not stretch the grid where it would more than double it."""


@dataclass(frozen=True)
class Series:
    """Readings of one observed property on a common grid of time.

    Attributes:
        observed_property: What is observed.
        is_count: The values are counts: sums over the step, whole and not negative.
        step_s: Length of a step. [s]
        sites: Places of the sensors, sorted.
        at_s: Start of each step, UTC, shape `(steps,)`. [s since 1970]
        local_s: The same on the local clock, shape `(steps,)`. [s since 1970]
        values: One row per sensor, NaN where nothing was received, shape `(sites, steps)`.
        rows: How many different readings stand behind each value, shape `(sites, steps)`.
        due: How many readings a step of each sensor should have, shape `(sites,)`.
        coverage: Mean coverage, NaN where nobody says, shape `(sites, steps)`.
        timezone: IANA name of the local clock.
    """

    observed_property: str
    is_count: bool
    step_s: int
    sites: tuple[str, ...]
    at_s: Integers
    local_s: Integers
    values: Floats
    rows: Floats
    due: Floats
    coverage: Floats
    timezone: str

    @property
    def steps_a_day(self) -> int:
        """Steps of one day."""
        return 86_400 // self.step_s

    @property
    def time_of_day(self) -> Integers:
        """Step of the local day, shape `(steps,)`."""
        return self.local_s % 86_400 // self.step_s

    @property
    def day(self) -> Integers:
        """Local day since 1970, shape `(steps,)`."""
        return self.local_s // 86_400

    @property
    def weekday(self) -> Integers:
        """Local day of the week, Monday is 0, shape `(steps,)`."""
        return (self.day + 3) % 7

    def start(self, step: int) -> datetime:
        """Instant at which a step begins; the last step's end for one beyond it."""
        return instant(int(self.at_s[0]) + int(step) * self.step_s)

    def only(self, steps: npt.NDArray[np.bool_]) -> Series:
        """The same series cut to the steps that are true, which follow one another, shape `(steps,)`."""
        cut = {name: getattr(self, name)[:, steps] for name in ("values", "rows", "coverage")}
        return replace(self, at_s=self.at_s[steps], local_s=self.local_s[steps], **cut)

    def without_findings(self, findings: list[Finding]) -> Series:
        """The same series without the values that findings of its sensors cover."""
        values, place = self.values.copy(), {site: at for at, site in enumerate(self.sites)}
        for one in findings:
            begin, end = (int((at.timestamp() - self.at_s[0]) // self.step_s) for at in (one.start_at, one.end_at))
            values[place[one.site_id], max(0, begin) : max(0, end)] = np.nan
        return replace(self, values=values)


def load_series(connection: Connection, readings: str, *, timezone: str = "UTC") -> tuple[list[Series], list[Skipped]]:
    """Bring readings to one grid for each observed property.

    Args:
        connection: Holds the readings.
        readings: Table or view with `site_id`, `observed_property`, `interval_start_at` (TIMESTAMPTZ), `interval_s`, `value`
            (a number) and `coverage`.
        timezone: IANA name of the clock that people live by where the sensors stand.

    Returns:
        The series of each observed property, and what cannot be put on a grid, with the reason.

    Raises:
        SourceError: The time zone is unknown.
    """
    check_timezone(connection, timezone)
    sensors = connection.execute(
        f"""
        SELECT observed_property, site_id, count(*) AS rows, mode(interval_s) FILTER (interval_s > 0),
               epoch(min(interval_start_at)), epoch(max(interval_start_at)),
               epoch(quantile_disc(interval_start_at, {STRAY})), epoch(quantile_disc(interval_start_at, {1 - STRAY}))
        FROM {quoted(readings)} WHERE interval_start_at IS NOT NULL AND isfinite(value)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    paces = dict[tuple[str, str], float]()
    if any(row[3] is None for row in sensors):
        told = connection.execute(
            f"""
            SELECT observed_property, site_id, epoch(max(interval_start_at) - min(interval_start_at))
                   / greatest(count(DISTINCT interval_start_at) - 1, 1)
            FROM {quoted(readings)} WHERE interval_start_at IS NOT NULL AND isfinite(value) GROUP BY ALL
            """
        ).fetchall()
        paces = {(str(row[0]), str(row[1])): float(row[2]) for row in told}
    found, skipped = list[Series](), list[Skipped]()
    for name in sorted({str(row[0]) for row in sensors}):
        usable = []
        for _, site, number, said, first, last, low, high in (row for row in sensors if row[0] == name):
            step = paces[name, str(site)] if said is None else said
            if number < 2 or last == first:
                skipped.append(Skipped("*", site, name, "one reading alone has no course of time"))
            elif step > STEPS_S[-1] * 1.5:
                skipped.append(
                    Skipped("*", site, name, f"a reading every {step / 86_400:.1f} days; expected one a day or more")
                )
            else:
                usable.append((str(site), float(step), float(first), float(last), float(low), float(high)))
        if usable:
            series, left_out = _grid(connection, readings, name, usable, timezone)
            found.append(series)
            skipped += left_out
    return found, skipped


def _grid(
    connection: Connection,
    readings: str,
    name: str,
    sensors: list[tuple[str, float, float, float, float, float]],
    timezone: str,
) -> tuple[Series, list[Skipped]]:
    first, last = min(row[2] for row in sensors), max(row[3] for row in sensors)
    low, high = min(row[4] for row in sensors), max(row[5] for row in sensors)
    if last - first > 2 * max(high - low, 86_400):
        first, last = low, high
    native = {row[0]: row[1] for row in sensors}
    # a sensor slower than the rest has readings in few of the steps; the usual one decides
    slowest = float(np.quantile(list(native.values()), 0.9, method="lower"))
    steps = [step for step in STEPS_S if step >= slowest * 0.99] or [STEPS_S[-1]]
    fit = [step for step in steps if (last - first) / step * len(sensors) <= MOST_CELLS]
    step = fit[0] if fit else steps[-1]
    start = int(first // step * step)
    number = int((last - start) // step) + 1
    sites = tuple(sorted(native))
    is_count = _is_count(connection, readings, name)
    connection.register("grid_sites", pa.table({"site": np.arange(len(sites)), "site_id": pa.array(sites, pa.string())}))
    # a sensor that was left out, with its reason, stands in the relation all the same
    by_instant = f"""
        SELECT site, floor((epoch(interval_start_at) - $start) / $step)::BIGINT AS step,
               max(value) AS value, min(value) AS least, avg(coverage) AS coverage, {{rows}} AS rows
        FROM {quoted(readings)} JOIN grid_sites USING (site_id)
        WHERE observed_property = $name AND isfinite(value) AND interval_start_at IS NOT NULL {{where}}
        GROUP BY site, interval_start_at
    """
    params = {"name": name, "start": start, "step": step}
    told = connection.execute(
        f"""
        SELECT site, step, sum(value) AS total,
               CASE WHEN min(value) = max(value) THEN min(value) ELSE avg(value) END AS average,
               sum(rows) AS rows, count(*) AS instants, avg(coverage) AS coverage, bool_or(least < value) AS is_doubled
        FROM ({by_instant.format(rows="1", where="")}) GROUP BY site, step
        """,
        params,
    ).fetchnumpy()
    at, site_at = np.asarray(told["step"], np.int64), np.asarray(told["site"], np.int64)
    inside = (at >= 0) & (at < number)
    where = site_at[inside], at[inside]
    due = np.array([max(1.0, round(step / native[site])) for site in sites])

    def plain(column: str) -> Floats:
        return np.ma.filled(np.ma.asarray(told[column]).astype(np.float64), np.nan)[inside]

    total, average, instants = plain("total"), plain("average"), plain("instants")
    share = instants / due[where[0]]
    # a sum over some of a step's readings is brought to the whole step where half of them or more are there
    cells = np.where(share >= 1, total, np.where(share >= 0.5, total / np.maximum(share, 0.5), np.nan)) if is_count else average
    values, coverage = (np.full((len(sites), number), np.nan) for _ in range(2))
    rows = np.zeros((len(sites), number))
    values[where], rows[where], coverage[where] = cells, plain("rows"), plain("coverage")
    doubled = np.unique(site_at[np.ma.filled(told["is_doubled"], False).astype(bool)]).tolist()
    if doubled:
        counted = by_instant.format(rows="count(DISTINCT value)", where="AND site IN (SELECT unnest($doubled))")
        again = connection.execute(
            f"SELECT site, step, sum(rows) AS rows FROM ({counted}) GROUP BY site, step", {**params, "doubled": doubled}
        ).fetchnumpy()
        at_again = np.asarray(again["step"], np.int64)
        use = (at_again >= 0) & (at_again < number)
        rows[np.asarray(again["site"], np.int64)[use], at_again[use]] = np.asarray(again["rows"], np.float64)[use]
    connection.unregister("grid_sites")
    clock = connection.execute(
        "SELECT epoch(to_timestamp(s) AT TIME ZONE $zone)::BIGINT AS local FROM range($start, $end, $step) t(s)",
        {"zone": timezone, "start": start, "end": start + number * step, "step": step},
    ).fetchnumpy()
    skipped = []
    stray = int(((at < 0) | (at >= number)).sum())
    if stray:
        reason = f"{stray} steps lie far from the rest in time, before {instant(first):%Y-%m-%d} or after "
        skipped.append(Skipped("*", "*", name, reason + f"{instant(last):%Y-%m-%d}"))
    grid = start + np.arange(number, dtype=np.int64) * step
    local = np.asarray(clock["local"], np.int64)
    return Series(name, is_count, step, sites, grid, local, values, rows, due, coverage, timezone), skipped


def _is_count(connection: Connection, readings: str, name: str) -> bool:
    """Whether a property is a count: it is known as a sum, or, unknown, its values are whole and not negative."""
    known = properties().get(name)
    if known:
        return known.hourly == "sum"
    row = connection.execute(
        f"SELECT bool_and(value >= 0 AND value = floor(value)) FROM {quoted(readings)} "
        "WHERE observed_property = ? AND isfinite(value)",
        [name],
    ).fetchone()
    return bool(row and row[0])


def usual_values(series: Series, site: int) -> Floats:
    """What a sensor usually reads at each step: the median over its days of the same weekday and time, shape `(steps,)`.

    Days on which it never changed are left out: they are what is looked for, not what is usual.
    """
    values = series.values[site]
    day = series.day - series.day[0]
    seen = np.isfinite(values)
    low, high = np.full(day[-1] + 1, np.inf), np.full(day[-1] + 1, -np.inf)
    np.minimum.at(low, day[seen], values[seen])
    np.maximum.at(high, day[seen], values[seen])
    live = seen & (high > low)[day]
    slot = series.weekday * series.steps_a_day + series.time_of_day
    usual: Floats = medians_by(slot, values, live, 7 * series.steps_a_day)[slot]
    return usual


def medians_by(group: Integers, values: Floats, use: npt.NDArray[np.bool_], groups: int) -> Floats:
    """Median of the used values of each group; NaN for a group without any, shape `(groups,)`."""
    at = np.flatnonzero(use)
    order = at[np.lexsort((values[at], group[at]))]
    number = np.bincount(group[at], minlength=groups)
    first = np.concatenate([[0], np.cumsum(number)[:-1]])
    result = np.full(groups, np.nan)
    some = number > 0
    low, high = first[some] + (number[some] - 1) // 2, first[some] + number[some] // 2
    result[some] = (values[order[low]] + values[order[high]]) / 2
    return result
