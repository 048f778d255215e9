"""Hourly values -> the values of hours and local days that indices and limits are read off, in exact arithmetic.

Published tables are truncated or rounded decimals, and binary floating point is not: the mean of twenty-four hours of 9.1
can come to 9.0999…, which truncates to 9.0. So hours are taken as whole numbers of `TICKS` to the unit, finer than any
instrument reads, and from there on all is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analytics.lake import Connection
from analytics.sensing.readings import check_timezone, quoted
from analytics.sensing.units import conversion

TICKS = 9
"""Decimals that an hourly value is kept to."""
ENOUGH = 0.75
"""Share of an hour, of a day's hours and of a mean's hours that must be measured.

Source:
    Directive (EU) 2024/2881, Annex V and 2008/50/EC, Annex XI (45 minutes; 6 of 8 hours; 18 of 24); 40 CFR 50, Appendices
    N, S, T and U.
"""
WINDOWS_FROM_7 = (17, 13)
"""8-hour means of ozone that begin from 07:00 to 23:00, and how many of them a day needs (40 CFR 50, Appendix U)."""


@dataclass(frozen=True)
class Wanted:
    """A value of each period that is wanted.

    Attributes:
        observed_property: A name of `analytics.sensing.properties`.
        statistic: `hour`; `mean_24h`, `max_1h`: of a local day; `max_8h`: highest 8-hour mean that ends in the day;
            `max_8h_from_7`: highest of those that begin from 07:00 to 23:00; `max_15min`: hours cannot tell it.
        unit: The unit it is wanted in.
        decimals: Its decimals, 0 to 9.
        is_rounded: Rounded half up to these decimals; else truncated.
    """

    observed_property: str
    statistic: str
    unit: str
    decimals: int = TICKS
    is_rounded: bool = False


def hours_in_ticks(connection: Connection, hourly: str, wanted: Iterable[Wanted], *, table: str, timezone: str) -> None:
    """Bring hours to the units that are wanted, as whole ticks.

    Gases come back to mixing ratios by the molar volume that brought them to mass (`units.MOLAR_VOLUME`, 20 degC): a ratio
    does not depend on temperature, so the one that was received is the one that an index of ratios is read off, and mass
    concentrations of European networks are given at that temperature.

    Args:
        connection: Holds the hours.
        hourly: Table of contract `hourly_readings`.
        wanted: Which properties, in which units.
        table: Table to create: `site_id`, `observed_property`, `hour_at` (UTC), `local_at`, `ticks`, `coverage`, `flags`; hours
            that are no finite number are left out.
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The time zone or a unit is unknown.
    """
    check_timezone(connection, timezone)
    units = {one.observed_property: one.unit for one in wanted}
    pairs = connection.execute(f"SELECT DISTINCT observed_property, unit FROM {quoted(hourly)} ORDER BY ALL").fetchall()
    factors = [
        (name, unit, 1.0 if unit == units[name] else conversion(name, unit).factor / conversion(name, units[name]).factor)
        for name, unit in pairs
        if name in units
    ]
    of_units = quoted(table + "_units")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {of_units} (observed_property VARCHAR, unit VARCHAR, factor DOUBLE)")
    if factors:
        connection.executemany(f"INSERT INTO {of_units} VALUES (?, ?, ?)", factors)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        SELECT site_id, observed_property, interval_start_at AS hour_at, interval_start_at AT TIME ZONE $zone AS local_at,
               try_cast(round(value * factor * 1e{TICKS}) AS HUGEINT) AS ticks, coverage, nullif(flags, '') AS flags
        FROM {quoted(hourly)} JOIN {of_units} USING (observed_property, unit)
        WHERE try_cast(round(value * factor * 1e{TICKS}) AS HUGEINT) IS NOT NULL
        """,
        {"zone": timezone},
    )
    connection.execute(f"DROP TABLE {of_units}")


FLAGS = "array_to_string(list_sort(list_distinct(flatten(list(string_split(flags, ',')) FILTER (flags IS NOT NULL)))), ',')"
"""All flags of some rows, each once."""

_STATISTICS = {
    "hour": """
        SELECT site_id, observed_property, hour_at AS period_start_at, 3600 AS period_s, ticks AS total, 1 AS hours,
               coverage, coverage >= {enough} AS is_enough, flags
        FROM {hours} WHERE observed_property IN ({names})
    """,
    "mean_24h": """
        SELECT site_id, observed_property, period_start_at, period_s, total, hours, least(1.0, hours / expected) AS coverage,
               hours >= {enough} * expected AS is_enough, flags
        FROM {days} WHERE observed_property IN ({names})
    """,
    "max_1h": """
        SELECT site_id, observed_property, period_start_at, period_s, highest AS total, 1 AS hours,
               least(1.0, hours / expected) AS coverage, hours >= {enough} * expected AS is_enough, flags
        FROM {days} WHERE observed_property IN ({names})
    """,
    "max_15min": """
        SELECT site_id, observed_property, period_start_at, period_s, NULL AS total, 1 AS hours, 0.0 AS coverage,
               false AS is_enough, concat_ws(',', flags, 'needs_15min_means') AS flags
        FROM {days} WHERE observed_property IN ({names})
    """,
    "max_8h": """
        SELECT d.site_id, d.observed_property, period_start_at, period_s, w.total, w.hours,
               least(1.0, coalesce(windows, 0) / expected) AS coverage,
               coalesce(windows, 0) >= {enough} * expected AS is_enough, flags
        FROM {days} d LEFT JOIN (
            SELECT site_id, observed_property, last_local_at::DATE AS day, count(*) AS windows,
                   arg_max(total, total / hours) AS total, arg_max(hours, total / hours) AS hours
            FROM {windows} GROUP BY ALL
        ) w USING (site_id, observed_property, day)
        WHERE observed_property IN ({names})
    """,
    "max_8h_from_7": """
        SELECT d.site_id, d.observed_property, period_start_at, period_s, w.total, w.hours,
               coalesce(windows, 0) / {windows_a_day} AS coverage, coalesce(windows, 0) >= {windows_enough} AS is_enough, flags
        FROM {days} d LEFT JOIN (
            SELECT site_id, observed_property, first_local_at::DATE AS day, count(*) AS windows,
                   arg_max(total, total / hours) AS total, arg_max(hours, total / hours) AS hours
            FROM {windows} WHERE hour(first_local_at) BETWEEN 7 AND 23 GROUP BY ALL
        ) w USING (site_id, observed_property, day)
        WHERE observed_property IN ({names})
    """,
}


def period_values(connection: Connection, hourly: str, wanted: Iterable[Wanted], *, table: str, timezone: str) -> None:
    """The value of each hour or local day, for all sites at once.

    A day is a day of the local clock, with 23 or 25 hours where it changes. Hours measured for less than `ENOUGH` of their
    time count as missing. Negative means become 0.

    Args:
        connection: Holds the hours.
        hourly: Table of contract `hourly_readings`.
        wanted: Which values.
        table: Table to create, a row for each site, period and value wanted of which some hour was measured: `site_id`,
            `observed_property`, `statistic`, `period_start_at` (UTC), `period_s`, `number` (the value times
            10^`decimals`, a whole number; null where too little was measured), `decimals`, `unit`, `coverage`, `is_enough`,
            `flags` (of the hours, each once).
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The time zone or a unit is unknown.
    """
    wanted = list(wanted)
    names = {suffix: quoted(f"{table}_{suffix}") for suffix in ("hours", "days", "windows", "wanted")}
    hours_in_ticks(connection, hourly, wanted, table=f"{table}_hours", timezone=timezone)
    _days(connection, names, timezone)
    with_windows = sorted({one.observed_property for one in wanted if one.statistic.startswith("max_8h")})
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {names["windows"]} AS
        SELECT site_id, observed_property, total, hours, start_at AT TIME ZONE $zone AS first_local_at,
               (start_at + INTERVAL 7 HOUR) AT TIME ZONE $zone AS last_local_at
        FROM (
            SELECT site_id, observed_property, hour_at - to_hours(back) AS start_at, sum(ticks)::HUGEINT AS total,
                   count(*) AS hours
            FROM {names["hours"]}, range(8) t(back)
            WHERE coverage >= {ENOUGH} AND list_contains($properties, observed_property)
            GROUP BY ALL HAVING count(*) >= {ENOUGH} * 8
        )
        """,
        {"zone": timezone, "properties": with_windows},
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {names['wanted']} "
        "(observed_property VARCHAR, statistic VARCHAR, unit VARCHAR, decimals INTEGER, one HUGEINT, is_rounded BOOLEAN)"
    )
    connection.executemany(
        f"INSERT INTO {names['wanted']} VALUES (?, ?, ?, ?, ?, ?)",
        [
            (one.observed_property, one.statistic, one.unit, one.decimals, 10 ** (TICKS - one.decimals), one.is_rounded)
            for one in wanted
        ],
    )
    parts = []
    for statistic in dict.fromkeys(one.statistic for one in wanted):
        of = ", ".join(f"'{one.observed_property}'" for one in wanted if one.statistic == statistic)
        query = _STATISTICS[statistic].format(
            **names | {"names": of}, enough=ENOUGH, windows_a_day=WINDOWS_FROM_7[0], windows_enough=WINDOWS_FROM_7[1]
        )
        parts.append(f"SELECT '{statistic}' AS statistic, * FROM ({query})")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
        SELECT site_id, observed_property, statistic, period_start_at, period_s,
               CASE WHEN NOT is_enough THEN NULL
                    WHEN total <= 0 THEN 0
                    WHEN is_rounded THEN (2 * total + hours * one) // (2 * hours * one)
                    ELSE total // (hours * one) END::HUGEINT AS number,
               decimals, unit, coverage, is_enough, nullif(flags, '') AS flags
        FROM ({" UNION ALL ".join(parts)}) JOIN {names["wanted"]} USING (observed_property, statistic)
        """
    )
    for name in names.values():
        connection.execute(f"DROP TABLE {name}")


def _days(connection: Connection, names: dict[str, str], timezone: str) -> None:
    """Make the table of local days: sum and highest of the hours measured, and how many hours the day has."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {names["days"]} AS
        SELECT *, day::TIMESTAMP AT TIME ZONE $zone AS period_start_at,
               epoch((day + 1)::TIMESTAMP AT TIME ZONE $zone) - epoch(day::TIMESTAMP AT TIME ZONE $zone) AS period_s,
               period_s / 3600 AS expected
        FROM (
            SELECT site_id, observed_property, local_at::DATE AS day,
                   coalesce(sum(ticks) FILTER (coverage >= {ENOUGH}), 0)::HUGEINT AS total,
                   max(ticks) FILTER (coverage >= {ENOUGH}) AS highest,
                   count(*) FILTER (coverage >= {ENOUGH}) AS hours, {FLAGS} AS flags
            FROM {names["hours"]} GROUP BY ALL
        )
        """,
        {"zone": timezone},
    )
