"""Noise indicators from sound levels: LAeq, Lden and its parts, levels exceeded for a share of the time, and events.

Only levels come in and only levels go out: no audio is read, kept or needed.
"""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.indices.averages import ENOUGH, FLAGS
from analytics.sensing.indices.batches import site_batches
from analytics.sensing.indices.tables import NoiseTable, table_of
from analytics.sensing.readings import SourceError, check_timezone, quoted

BANDS, GUIDELINE = "noise_end", "noise_who_2018"
"""Tables of the bands and of the guideline levels."""
EVENT_ABOVE_DB, EVENT_S = 15, 3
"""A noise event is so far above the hour's L90 for at least so many seconds in a row; this framework's choice. [dB], [s]"""
EVENING_PENALTY_DB, NIGHT_PENALTY_DB = 5, 10


def noise_indicators(
    connection: Connection,
    readings: str,
    *,
    table: str,
    timezone: str,
    day_starts_at_hour: int = 7,
    evening_starts_at_hour: int = 19,
    night_starts_at_hour: int = 23,
) -> None:
    """Noise indicators of each acoustic day and each calendar year.

    An acoustic day begins with its day period, and the night belongs to the day on which it begins. Levels are averaged by
    their energy, each with the time it was measured. Lden weighs the three periods by their hours, with 5 dB on the evening
    and 10 dB on the night. The Directive's Lden is of a whole year: from less, it is named "Lden (period)". A value needs
    `ENOUGH` of its time measured. Levels exceeded (L10: for 10 % of the time, so the 90th percentile) and events need levels
    of 1 s or shorter.

    Args:
        connection: Holds the levels.
        readings: Table with `site_id`, `observed_property`, `interval_start_at` (UTC), `value` [dB(A)] and `coverage`, as
            contracts `hourly_readings` or, with `interval_s`, `judged_readings`; property `noise_laeq` is read, and
            readings that failed a test (`qc` 4) are left out, and so are levels of no length.
        table: Table to create, of contract `noise_indicators`.
        timezone: IANA name of the local clock.
        day_starts_at_hour: Start of the day, 7 unless the Member State chose another. [h]
        evening_starts_at_hour: Start of the evening. [h]
        night_starts_at_hour: Start of the night; the evening lasts 2 to 4 hours, and day and night may be longer. [h]

    Raises:
        SourceError: The time zone is unknown, or the periods are none that the Directive allows.

    Source:
        Directive 2002/49/EC, Annex I.
    """
    hours = _hours(day_starts_at_hour, evening_starts_at_hour, night_starts_at_hour)
    check_timezone(connection, timezone)
    known = {row[0] for row in connection.execute(f"DESCRIBE {quoted(readings)}").fetchall()}
    length = "coalesce(interval_s, 0)" if "interval_s" in known else "3600"
    failed = "AND qc <> 4" if "qc" in known else ""
    bands, guideline = table_of(BANDS, NoiseTable), table_of(GUIDELINE, NoiseTable)
    batch, levels = f"{table}_batch", quoted(f"{table}_levels")
    indicators = _INDICATORS.format(
        levels=levels,
        steps=_bands_sql({str(one.indicator): one.from_db for one in bands.levels}),
        guideline=_guideline_sql({str(one.indicator): one.from_db[0] for one in guideline.levels}),
        **hours,
    )
    version = f"{bands.id} {bands.version}, {guideline.id} {guideline.version}"
    for write in site_batches(connection, readings, table=batch):
        connection.execute(
            _LEVELS.format(levels=levels, readings=quoted(batch), length=length, failed=failed),
            {"zone": timezone, "day": day_starts_at_hour, "day_h": hours["day"], "evening_h": hours["evening"]},
        )
        connection.execute(
            write.format(quoted(table)) + indicators, {"zone": timezone, "day": day_starts_at_hour, "version": version}
        )
    connection.execute(f"DROP TABLE {levels}")


def _hours(day: int, evening: int, night: int) -> dict[str, int]:
    """Hours of each period."""
    found = {"day": evening - day, "evening": night - evening, "night": 24 - night + day}
    if not (0 <= day < evening < night <= 24 and 2 <= found["evening"] <= 4 and found["day"] >= 12 and found["night"] >= 8):
        raise SourceError(
            f"noise periods from {day}, {evening} and {night} o'clock were found; expected an evening of 2 to 4 hours, a day "
            "of at least 12 and a night of at least 8 (2002/49/EC, Annex I), as 7, 19 and 23; correct the hours"
        )
    return found


def _bands_sql(levels: dict[str, list[int]]) -> str:
    """SQL of the band that a yearly level falls into."""
    cases = []
    for indicator, bounds in levels.items():
        for place, lower in reversed(list(enumerate(bounds))):
            name = f">={lower}" if place == len(bounds) - 1 else f"{lower}-{bounds[place + 1] - 1}"
            cases.append(f"WHEN indicator = '{indicator}' AND value >= {lower} THEN '{name}'")
        cases.append(f"WHEN indicator = '{indicator}' AND value < {bounds[0]} THEN '<{bounds[0]}'")
    return f"CASE {' '.join(cases)} END"


def _guideline_sql(levels: dict[str, int]) -> str:
    return f"CASE {' '.join(f'WHEN indicator = {name!r} THEN value > {above}' for name, above in levels.items())} END"


_LEVELS = """
    CREATE OR REPLACE TEMP TABLE {levels} AS
    SELECT site_id, interval_start_at AS start_at, value AS level, {length} AS interval_s,
           least(1.0, coalesce(coverage, 1.0)) * {length} AS measured_s, pow(10, value / 10) AS energy,
           ((interval_start_at AT TIME ZONE $zone) - to_hours($day))::DATE AS day,
           hour((interval_start_at AT TIME ZONE $zone) - to_hours($day)) AS hour_of_day,
           CASE WHEN hour_of_day < $day_h THEN 'day' WHEN hour_of_day < $day_h + $evening_h THEN 'evening'
                ELSE 'night' END AS part, nullif(flags::VARCHAR, '') AS flags
    FROM {readings}
    WHERE observed_property = 'noise_laeq' AND isfinite(value) {failed}
"""
_INDICATORS = f"""
    WITH spans AS (
        SELECT DISTINCT site_id, day, 'day' AS period, day AS first_day, day AS last_day FROM {{levels}}
        UNION ALL
        SELECT d.site_id, d.day, 'year', min(d.day) OVER same, max(d.day) OVER same
        FROM (SELECT DISTINCT site_id, day FROM {{levels}}) d WINDOW same AS (PARTITION BY d.site_id, year(d.day))
    ), named AS (
        SELECT *, (first_day::TIMESTAMP + to_hours($day)) AT TIME ZONE $zone AS starts_at,
               ((last_day + 1)::TIMESTAMP + to_hours($day)) AT TIME ZONE $zone AS ends_at,
               last_day - first_day + 1 AS days,
               period = 'year' AND month(first_day) = 1 AND day(first_day) = 1 AND month(last_day) = 12
               AND day(last_day) = 31 AS is_whole_year
        FROM spans
    ), parts AS (
        SELECT site_id, period, starts_at, ends_at, is_whole_year, part, sum(energy * measured_s) / sum(measured_s) AS energy,
               least(1.0, sum(measured_s) / 3600
                     / (any_value(days) * CASE part WHEN 'day' THEN {{day}} WHEN 'evening' THEN {{evening}} ELSE {{night}} END))
               AS coverage
        FROM {{levels}} JOIN named USING (site_id, day)
        GROUP BY site_id, period, starts_at, ends_at, is_whole_year, part HAVING sum(measured_s) > 0
    ), together AS (
        SELECT site_id, period, starts_at, ends_at, is_whole_year,
               sum(energy * CASE part WHEN 'day' THEN {{day}}
                                      WHEN 'evening' THEN {{evening}} * pow(10, {EVENING_PENALTY_DB} / 10)
                                      ELSE {{night}} * pow(10, {NIGHT_PENALTY_DB} / 10) END) / 24 AS energy,
               CASE WHEN count(*) = 3 THEN min(coverage) ELSE 0.0 END AS coverage
        FROM parts GROUP BY ALL
    ), all_day AS (
        SELECT site_id, period, starts_at, ends_at, is_whole_year, sum(energy * measured_s) / sum(measured_s) AS energy,
               least(1.0, sum(measured_s) / (epoch(ends_at) - epoch(starts_at))) AS coverage
        FROM {{levels}} JOIN named USING (site_id, day)
        GROUP BY site_id, period, starts_at, ends_at, is_whole_year HAVING sum(measured_s) > 0
    ), energies AS (
        SELECT * EXCLUDE (part), 'l' || part AS indicator FROM parts
        UNION ALL BY NAME SELECT *, 'lden' AS indicator FROM together
        UNION ALL BY NAME SELECT *, 'laeq' AS indicator FROM all_day
    ), exceeded AS (
        SELECT site_id, period, starts_at, ends_at, is_whole_year, max(interval_s) <= 1 AS is_fine,
               quantile_cont(level, [0.9, 0.5, 0.1]) AS of_time,
               least(1.0, sum(measured_s) / (epoch(ends_at) - epoch(starts_at))) AS coverage
        FROM {{levels}} JOIN named USING (site_id, day)
        GROUP BY site_id, period, starts_at, ends_at, is_whole_year
    ), loud AS (
        SELECT site_id, day, start_at, interval_s,
               level > quantile_cont(level, 0.1) OVER (PARTITION BY site_id, date_trunc('hour', start_at))
                       + {EVENT_ABOVE_DB} AS is_loud
        FROM {{levels}} WHERE interval_s BETWEEN 0.001 AND 1
    ), runs AS (
        SELECT *, epoch(start_at) - sum(interval_s) OVER (PARTITION BY site_id ORDER BY start_at) AS run FROM loud WHERE is_loud
    ), events AS (
        SELECT site_id, min(day) AS day FROM runs GROUP BY site_id, round(run, 3) HAVING sum(interval_s) >= {EVENT_S}
    ), happened AS (
        SELECT n.site_id, n.period, n.starts_at, count(e.day) AS events
        FROM named n LEFT JOIN events e ON e.site_id = n.site_id AND e.day = n.day GROUP BY ALL
    ), shares AS (
        SELECT site_id, period, starts_at, ends_at, is_whole_year, is_fine, coverage,
               unnest(['l10', 'l50', 'l90', 'noise_climate', 'events']) AS indicator,
               unnest([of_time[1], of_time[2], of_time[3], of_time[1] - of_time[3], events::DOUBLE]) AS value
        FROM exceeded JOIN happened USING (site_id, period, starts_at)
    ), said AS (
        SELECT site_id, period, starts_at, {FLAGS} AS said FROM {{levels}} JOIN named USING (site_id, day) GROUP BY ALL
    ), valued AS (
        SELECT site_id, indicator, period, starts_at, ends_at, is_whole_year, coverage, true AS is_fine,
               round(10 * log10(energy), 6) AS value FROM energies  -- the order of a sum changes the last digits
        UNION ALL BY NAME SELECT * FROM shares
    ), judged AS (
        SELECT * REPLACE (CASE WHEN coverage >= {ENOUGH} AND is_fine THEN value END AS value) FROM valued
    )
    SELECT site_id, indicator, period,
           CASE indicator WHEN 'lden' THEN 'Lden' WHEN 'lday' THEN 'Lday' WHEN 'levening' THEN 'Levening'
                          WHEN 'lnight' THEN 'Lnight' WHEN 'laeq' THEN 'LAeq' WHEN 'events' THEN 'Noise events'
                          WHEN 'noise_climate' THEN 'Noise climate' ELSE upper(indicator) END
           || CASE WHEN is_whole_year OR indicator NOT IN ('lden', 'lday', 'levening', 'lnight') THEN ''
                   ELSE ' (period)' END AS name,
           starts_at AS interval_start_at, (epoch(ends_at) - epoch(starts_at))::INTEGER AS interval_s, value,
           CASE indicator WHEN 'events' THEN 'count' ELSE 'dBA' END AS unit, coverage,
           CASE WHEN period = 'year' THEN {{steps}} END AS band,
           CASE WHEN period = 'year' THEN {{guideline}} END AS is_above_guideline, $version AS index_version,
           nullif(concat_ws(',', said, CASE WHEN coverage < {ENOUGH} THEN 'too_little_data' END,
                                 CASE WHEN NOT is_fine THEN 'needs_1s_levels' END,
                                 CASE WHEN period = 'year' AND indicator IN ('lden', 'lnight') THEN 'unverified_rule' END), '')
           AS flags
    FROM judged JOIN said USING (site_id, period, starts_at) ORDER BY site_id, period, interval_start_at, indicator
"""
