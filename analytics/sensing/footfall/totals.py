"""Daily, weekly and yearly totals that say how much was measured, with intervals for what was not.

What is missing of a day is taken from comparable days that have it, scaled by the part of the day that was measured. The
hours of one outage are drawn together from the same side and distance in time, since weather and season move them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import norm, t

from analytics.lake import Connection
from analytics.sensing.footfall.baseline import comparable_days
from analytics.sensing.footfall.calendar import Days, days_between
from analytics.sensing.readings import SourceError, check_timezone, quoted

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
NOT_MEASURED = ("stuck_zero", "copied_day", "nonexistent_hour")
"""Flags that mean that the interval was not measured, whatever its count says."""
MEASURED_FROM = 0.5
"""An interval counts as measured from this coverage on; its count is divided by it."""
SCALE_FROM = 50
"""A day is scaled by its measured part when the comparable days have on average this many people in that part."""
LEVEL = 0.9
"""Of the intervals."""


def fill_days(days: Days, cells: Values, *, draws: int = 400, seed: int = 7) -> tuple[Values, Values]:
    """What days would have had in the cells that were not measured.

    Args:
        days: The calendar, `n` days.
        cells: Counts of each day and interval of the local day, NaN where nothing was measured, shape `(n, intervals)`.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        The expected missing count of each day, shape `(n,)`, 0 for a whole day and NaN where it cannot be told; and draws of
        it, shape `(draws, n)`.
    """
    rng = np.random.default_rng(seed)
    measured = np.isfinite(cells)
    expected, drawn = np.zeros(len(cells)), np.zeros((draws, len(cells)))
    share, last = rng.random(draws), -2
    whole: Flags = np.asarray(measured.all(axis=1))
    for day in np.flatnonzero(~whole):
        if day != last + 1:
            share = rng.random(draws)  # another outage
        last = int(day)
        missing, seen = ~measured[day], measured[day]
        donors = comparable_days(days, int(day), whole)
        if not len(donors):
            expected[day], drawn[:, day] = np.nan, np.nan
            continue
        guess = cells[np.ix_(donors, missing)].sum(axis=1)
        part = cells[np.ix_(donors, seen)].sum(axis=1)
        if part.mean() >= SCALE_FROM:
            guess = guess * cells[day, seen].sum() / np.maximum(part, 1.0)
        expected[day] = guess.mean()
        # a few comparable days tell their spread badly: Student's t for their number, and their mean's own error
        k = len(donors)
        wider = float(np.sqrt(1 + 1 / k) * t.ppf(0.5 + LEVEL / 2, k - 1) / norm.ppf(0.5 + LEVEL / 2))
        chosen = guess[np.minimum((share * k).astype(np.int64), k - 1)]
        drawn[:, day] = np.maximum(expected[day] + wider * (chosen - expected[day]) * np.sqrt(k / (k - 1)), 0.0)
    return expected, drawn


def total_footfall(
    connection: Connection,
    source: str,
    *,
    table: str,
    timezone: str,
    interval_s: int = 3600,
    country: str | None = None,
    subdivision: str | None = None,
    school_free: Sequence[tuple[date, date]] = (),
    min_coverage: float = 0.5,
    seed: int = 7,
) -> None:
    """Totals of each site, road user and local day, week and year: rows of contract `footfall_totals`.

    Args:
        connection: Holds the counts.
        source: Table with `site_id`, `road_user`, `interval_start_at` (UTC), `crossings`, `coverage` and `flags`.
        table: Table to create.
        timezone: IANA name of the local clock.
        interval_s: Length of an interval, such as 900 or 3600; a divisor of a day. [s]
        country: Whose holidays.
        subdivision: Its part.
        school_free: First and last days of school holidays.
        min_coverage: Weeks and years measured less than this have no estimate.
        seed: Of the bootstrap.

    Raises:
        SourceError: The time zone or country is unknown, the interval does not divide an hour, or no count has an instant.
    """
    if interval_s < 60 or 3600 % interval_s:
        raise SourceError(f"interval_s is {interval_s}; expected a divisor of 3600 from 60 on, such as 900; correct it")
    rows: list[tuple[object, ...]] = []
    for site, road_user, first, cells, expected in _cells(connection, source, timezone, interval_s):
        days = days_between(
            first,
            date.fromordinal(first.toordinal() + len(cells) - 1),
            country=country,
            subdivision=subdivision,
            school_free=school_free,
        )
        usual, drawn = fill_days(days, cells, seed=seed)
        counted, whole = np.nansum(cells, axis=1), expected.sum(axis=1)
        seen = (expected * np.isfinite(cells)).sum(axis=1)
        for period, start in _periods(days):
            begins, at = np.unique(start, return_index=True)
            in_it = np.add.reduceat(np.ones(len(start)), at)
            length = np.array([{"day": 1, "week": 7, "year": 366 if _is_leap(int(one)) else 365}[period] for one in begins])
            # days of the period that lie outside the series were not measured either, and nothing is known of them
            coverage = np.add.reduceat(seen, at) / np.add.reduceat(whole, at) * in_it / length
            summed = np.add.reduceat(counted, at)
            estimate = summed + np.add.reduceat(usual, at)  # NaN where one day cannot be told
            if period != "day":
                estimate[(coverage < min_coverage) | (in_it < length)] = np.nan
            ends = np.quantile(summed + np.add.reduceat(drawn, at, axis=1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2], axis=0)
            low, high = np.minimum(ends[0], estimate), np.maximum(ends[1], estimate)
            for n, one in enumerate(begins):
                told = [float(values[n]) if np.isfinite(estimate[n]) else None for values in (estimate, low, high)]
                first_day, share = date.fromordinal(int(one)), min(float(coverage[n]), 1.0)
                rows.append((site, road_user, period, first_day, float(summed[n]), *told, share))
    _write(connection, rows, table)


def _is_leap(ordinal: int) -> bool:
    year = date.fromordinal(ordinal).year
    return date(year, 12, 31).timetuple().tm_yday == 366


def _periods(days: Days) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Start of the day, the week (Monday) and the year of each day, as ordinals."""
    years = np.array([date(date.fromordinal(int(one)).year, 1, 1).toordinal() for one in days.ordinal], dtype=np.int64)
    return [("day", days.ordinal), ("week", days.ordinal - days.weekday), ("year", years)]


def _cells(connection: Connection, source: str, timezone: str, interval_s: int) -> list[tuple[str, str, date, Values, Values]]:
    """Each site and road user's counts on a grid of local days and intervals, with how many intervals a cell has.

    The hour that the spring clock skips has none and counts 0; the one that autumn repeats has two, and counts when both were
    measured, or when they came as one row flagged `doubled_hour`.
    """
    out = " OR ".join(f"contains(coalesce(flags, ''), '{flag}')" for flag in NOT_MEASURED)
    check_timezone(connection, timezone)
    found = connection.execute(
        f"""
        WITH placed AS (
            SELECT site_id, road_user, interval_start_at AT TIME ZONE $zone AS wall_at, crossings / coverage AS crossings,
                   CASE WHEN contains(coalesce(flags, ''), 'doubled_hour') THEN 2 ELSE 1 END AS intervals
            FROM {quoted(source)}
            WHERE interval_start_at IS NOT NULL AND crossings IS NOT NULL AND coverage >= {MEASURED_FROM} AND NOT ({out})
        )
        SELECT site_id || chr(10) || road_user AS counter, wall_at::DATE AS day,
               (date_part('epoch', wall_at - date_trunc('day', wall_at)) // {int(interval_s)})::BIGINT AS place,
               round(sum(crossings), 6) AS crossings,  -- whatever the order in which threads add
               sum(intervals)::BIGINT AS intervals
        FROM placed GROUP BY ALL ORDER BY 1
        """,
        {"zone": timezone},
    ).to_arrow_table()
    if not len(found):
        raise SourceError(f"{source}: no measured count has an instant; expected counts; look at its quarantine")
    coded = found["counter"].combine_chunks().dictionary_encode()
    keys, group = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    day = found["day"].to_numpy().astype("datetime64[D]").astype(np.int64) + 719_163
    place, count = found["place"].to_numpy(), found["crossings"].to_numpy().astype(np.float64)
    intervals = found["intervals"].to_numpy()
    grids = []
    beginning = int(day.min())
    of_all = _expected(connection, beginning, int(day.max()), timezone, interval_s)
    for number, key in enumerate(keys):
        own = group == number
        first, last = int(day[own].min()), int(day[own].max())
        expected = of_all[first - beginning : last - beginning + 1]
        cells = np.where(expected == 0, 0.0, np.nan)
        at = (day[own] - first, place[own])
        cells[at] = np.where(intervals[own] >= expected[at], count[own], np.nan)
        site, road_user = str(key).split("\n")
        grids.append((site, road_user, date.fromordinal(first), cells, expected))
    return grids


def _expected(connection: Connection, first: int, last: int, timezone: str, interval_s: int) -> Values:
    """How many intervals each local day and place of the day has: 1, but around changes of the clock 0 or 2."""
    found = connection.execute(
        f"""
        SELECT date_diff('day', $first, wall_at::DATE) AS day,
               (date_part('epoch', wall_at - date_trunc('day', wall_at)) // {int(interval_s)})::BIGINT AS place
        FROM (SELECT unnest(generate_series($first::TIMESTAMP - INTERVAL 1 DAY, $last::TIMESTAMP + INTERVAL 2 DAY,
                     INTERVAL {int(interval_s)} SECOND)) AT TIME ZONE 'UTC' AT TIME ZONE $zone AS wall_at)
        WHERE wall_at::DATE BETWEEN $first AND $last
        """,
        {"first": date.fromordinal(first), "last": date.fromordinal(last), "zone": timezone},
    ).fetchnumpy()
    expected = np.zeros((last - first + 1, 86_400 // interval_s))
    np.add.at(expected, (found["day"], found["place"]), 1)
    return expected


def _write(connection: Connection, rows: list[tuple[object, ...]], table: str) -> None:
    names = ["site_id", "road_user", "period", "period_start", "measured", "estimate", "lower", "upper", "coverage"]
    kinds = [pa.string(), pa.string(), pa.string(), pa.date32(), *[pa.float64()] * 5]
    columns = [pa.array(column, type=kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    connection.register("totals_batch", pa.Table.from_arrays(columns, names=names))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT (row_number() OVER (ORDER BY site_id, road_user, period, "
        "period_start))::BIGINT AS source_row, * FROM totals_batch ORDER BY source_row"
    )
    connection.unregister("totals_batch")
