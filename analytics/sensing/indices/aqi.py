"""Air quality indices: concentrations read off a published table, each pollutant's index, and the index of the site.

The tables say all that differs between the indices of the United States, Europe and the United Kingdom.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from analytics.lake import Connection
from analytics.sensing.indices.averages import Wanted, period_values
from analytics.sensing.indices.batches import site_batches
from analytics.sensing.indices.nowcast import nowcast_values
from analytics.sensing.indices.tables import IndexTable, Needs, NowcastTable, table_of, tables
from analytics.sensing.readings import quoted

ALL = "all"
"""The `observed_property` of a site's index over all its pollutants."""
OPEN_END = 10**37
"""The upper bound of a band that has none, in ticks."""


def air_quality_index(
    connection: Connection,
    readings: str,
    *,
    table: str,
    index: str,
    timezone: str,
    traffic_sites: Sequence[str] = (),
) -> None:
    """Read hourly values off an air quality index.

    The index of a pollutant is interpolated between the breakpoints of its band and rounded half up, in whole numbers; the
    highest over its averaging times counts. The index of the site is the highest of its pollutants. Where too little was
    measured there is a row without an index that says so.

    Args:
        connection: Holds the hours.
        readings: Table of contract `hourly_readings`.
        table: Table to create, of contract `air_quality_index`.
        index: Id of a table: `us_aqi_2024`, `us_nowcast_2024`, `eaqi_2024`, `uk_daqi_2012` or one that was added.
        timezone: IANA name of the local clock, whose days are days.
        traffic_sites: Sites at the kerb, of which some indices ask other pollutants.

    Raises:
        SourceError: The index, the time zone or a unit is unknown.

    Source:
        The tables name theirs; rounding and truncation: EPA-454/B-24-002.
    """
    asked = table_of(index, IndexTable, NowcastTable)
    scale = table_of(asked.breakpoints if isinstance(asked, NowcastTable) else index, IndexTable)
    names = {part: f"{table}_{part}" for part in ("batch", "values", "bands")}
    _write_bands(connection, scale, table=names["bands"], bounds_alone=isinstance(asked, NowcastTable))
    needs = scale.needs if scale is asked else None
    found = connection.execute(f"SELECT max(interval_start_at) FROM {quoted(readings)}").fetchone()
    newest = found[0] if found else None
    for write in site_batches(connection, readings, table=names["batch"]):
        if isinstance(asked, NowcastTable):
            nowcast_values(connection, names["batch"], asked, scale, table=names["values"], timezone=timezone, newest=newest)
        else:
            period_values(connection, names["batch"], wanted_of(scale), table=names["values"], timezone=timezone)
        connection.execute(
            write.format(quoted(table))
            + _ROWS.format(values=quoted(names["values"]), bands=quoted(names["bands"]), missing=_missing(needs)),
            {
                "index_id": asked.id,
                "version": asked.version,
                "top": scale.bands[-1].index[1],
                "is_rule_known": needs is None or needs.verified,
            }
            | ({"traffic": list(traffic_sites)} if needs else {}),
        )
    for part in ("values", "bands"):
        connection.execute(f"DROP TABLE {quoted(names[part])}")


def wanted_of(scale: IndexTable) -> list[Wanted]:
    """The values of periods that an index is read off."""
    is_rounded = scale.concentrations == "rounded"
    return [Wanted(one.observed_property, one.statistic, one.unit, one.decimals, is_rounded) for one in scale.pollutants]


def _write_bands(connection: Connection, scale: IndexTable, *, table: str, bounds_alone: bool) -> None:
    """Each pollutant's bands with bounds in whole ticks of its decimals, both inclusive.

    Where the bounds alone are used, a doubt about the statistic is none about the value.
    """
    rows = []
    for order, one in enumerate(scale.pollutants):
        pairs = [(band, pair) for band, pair in zip(scale.bands, one.bounds, strict=True) if pair is not None]
        for number, (band, (lower, upper)) in enumerate(pairs):
            # without rounding a band begins just above the last one's upper bound, which belongs to that one
            above = 1 if scale.concentrations == "exact" and number > 0 else 0
            low = int(lower * Decimal(10) ** one.decimals) + above
            high = OPEN_END if upper is None else int(upper * Decimal(10) ** one.decimals)
            is_last = number == len(pairs) - 1
            is_verified = scale.verified and (bounds_alone or one.verified)
            rows.append((one.observed_property, one.statistic, order, low, high, *band.index, is_last, is_verified))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(table)} (observed_property VARCHAR, statistic VARCHAR, place INTEGER, "
        "low HUGEINT, high HUGEINT, index_low HUGEINT, index_high HUGEINT, is_last BOOLEAN, is_verified BOOLEAN)"
    )
    connection.executemany(f"INSERT INTO {quoted(table)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN band VARCHAR")
    for band in scale.bands:
        connection.execute(f"UPDATE {quoted(table)} SET band = ? WHERE index_high = ?", [band.name, band.index[1]])


def _missing(needs: Needs | None) -> str:
    """SQL that tells whether a site lacks a pollutant without which it has no index."""
    if needs is None:
        return "false"

    def lacks(groups: list[list[str]]) -> str:
        return " OR ".join(f"NOT list_has_any(present, {group})" for group in groups)

    return f"CASE WHEN list_contains($traffic, site_id) THEN {lacks(needs.traffic)} ELSE {lacks(needs.other)} END"


_ROWS = """
    WITH read_off AS (
        SELECT v.*, b.place, b.is_verified, number > b.high AS is_above, b.band,
               CASE WHEN number <= b.high
                    THEN b.index_low + (2 * (b.index_high - b.index_low) * (number - b.low) + (b.high - b.low))
                                       // (2 * (b.high - b.low))
                    ELSE b.index_high END AS index_value
        FROM {values} v
        LEFT JOIN {bands} b ON b.observed_property = v.observed_property AND b.statistic = v.statistic
             AND number >= b.low AND (number <= b.high OR b.is_last)
    ), of_pollutant AS (
        SELECT site_id, period_start_at, period_s, observed_property, index_value, band, statistic, unit,
               number / pow(10, decimals) AS value, coverage,
               nullif(concat_ws(',', flags, CASE WHEN NOT is_enough THEN 'too_little_data' END,
                                CASE WHEN is_above AND index_value = $top THEN 'beyond_index'
                                     WHEN is_above THEN 'top_of_scale' END,
                                CASE WHEN NOT is_verified THEN 'unverified_rule' END), '') AS flags,
               coalesce(place, (SELECT min(place) FROM {bands} o WHERE o.observed_property = r.observed_property
                                AND o.statistic = r.statistic)) AS place
        FROM read_off r
        QUALIFY row_number() OVER (PARTITION BY site_id, period_start_at, observed_property
                                   ORDER BY index_value DESC NULLS LAST, place) = 1
    ), grouped AS (
        SELECT site_id, period_start_at, any_value(period_s) AS period_s, max(coverage) AS coverage,
               list(observed_property ORDER BY observed_property) FILTER (index_value IS NOT NULL) AS present,
               count(*) > count(index_value) AS is_partial,
               arg_max(struct_pack(observed_property, index_value, band, statistic, unit, value, coverage, flags),
                       index_value * 1000 - place) FILTER (index_value IS NOT NULL) AS worst
        FROM of_pollutant GROUP BY site_id, period_start_at
    ), of_site AS (
        SELECT *, coalesce({missing}, true) AS is_missing,
               CASE WHEN is_missing THEN NULL ELSE worst END AS found
        FROM grouped
    ), rows AS (
        SELECT site_id, period_start_at, period_s, observed_property, index_value, band, NULL AS critical_pollutant,
               observed_property AS pollutants, statistic, value, unit, coverage, flags
        FROM of_pollutant
        UNION ALL
        SELECT site_id, period_start_at, period_s, 'all', found.index_value, found.band, found.observed_property,
               array_to_string(present, ','), found.statistic, found.value, found.unit,
               coalesce(found.coverage, coverage),
               CASE WHEN is_missing
                    THEN concat_ws(',', 'missing_pollutants', CASE WHEN NOT $is_rule_known THEN 'unverified_rule' END)
                    WHEN worst IS NULL THEN 'too_little_data'
                    ELSE nullif(concat_ws(',', found.flags, CASE WHEN is_partial THEN 'pollutant_left_out' END), '') END
        FROM of_site
    )
    SELECT site_id, $index_id AS index_id, $version AS index_version, period_start_at AS interval_start_at,
           period_s::INTEGER AS interval_s, observed_property, index_value::INTEGER AS index_value, band, critical_pollutant,
           nullif(pollutants, '') AS pollutants, statistic, value::DOUBLE AS value, unit, coverage::DOUBLE AS coverage, flags
    FROM rows ORDER BY site_id, interval_start_at, observed_property <> 'all', observed_property
"""


def indices_of(connection: Connection, hourly: str, *, timezone: str) -> list[dict[str, object]]:
    """What every index says of some hours, in short; see `index_summary`.

    Args:
        connection: Holds the hours.
        hourly: Table of contract `hourly_readings`.
        timezone: IANA name of the local clock.

    Raises:
        SourceError: The time zone or a unit is unknown.
    """
    found: list[dict[str, object]] = []
    for name, one in tables().items():
        if isinstance(one, IndexTable | NowcastTable):
            air_quality_index(connection, hourly, table="index_rows", index=name, timezone=timezone)
            found += index_summary(connection, "index_rows")
            connection.execute("DROP TABLE index_rows")
    return sorted(found, key=lambda row: (str(row["site_id"]), str(row["index_id"])))


def index_summary(connection: Connection, rows: str) -> list[dict[str, object]]:
    """The newest and the highest index of each site, index and pollutant.

    Args:
        connection: Holds the rows.
        rows: Table of contract `air_quality_index`.

    Returns:
        Rows that JSON can hold, in order of site, index and pollutant (`all` first): `site_id`, `index_id`,
        `index_version`, `observed_property`, `periods` (with an index), `without_index`, `bands` (periods in each), `why`
        (periods without an index by what their flags say), and `newest` and `highest`, each with `interval_start_at`,
        `interval_s`, `index_value`, `band`, `value`, `unit`, `coverage` and `flags`, or None where no period has an index.
    """
    columns = "site_id", "index_id", "index_version", "observed_property", "periods", "without_index", "bands", "why"
    found = connection.execute(_SUMMARY.format(rows=quoted(rows))).fetchall()
    return [dict(zip((*columns, "newest", "highest"), row, strict=True)) for row in found]


_SHORT = (
    "struct_pack(interval_start_at := strftime(interval_start_at, '%Y-%m-%dT%H:%M:%SZ'), interval_s, index_value, band, "
    "value, unit, coverage, flags)"
)
_SUMMARY = f"""
    WITH banded AS (
        SELECT site_id, index_id, observed_property, band, count(*) AS periods FROM {{rows}}
        WHERE index_value IS NOT NULL GROUP BY ALL ORDER BY min(index_value)
    ), bands AS (
        SELECT site_id, index_id, observed_property, map_from_entries(list((band, periods))) AS bands FROM banded GROUP BY ALL
    ), said AS (
        SELECT site_id, index_id, observed_property, unnest(string_split(flags, ',')) AS flag FROM {{rows}}
        WHERE index_value IS NULL
    ), reasons AS (
        SELECT site_id, index_id, observed_property, map_from_entries(list((flag, periods) ORDER BY flag)) AS why
        FROM (SELECT site_id, index_id, observed_property, flag, count(*) AS periods FROM said GROUP BY ALL) GROUP BY ALL
    )
    SELECT site_id, index_id, any_value(index_version), observed_property, count(index_value),
           count(*) - count(index_value), coalesce(any_value(bands), MAP {{{{}}}}), coalesce(any_value(why), MAP {{{{}}}}),
           arg_max({_SHORT}, interval_start_at) FILTER (index_value IS NOT NULL),
           arg_max({_SHORT}, (index_value, interval_start_at)) FILTER (index_value IS NOT NULL)
    FROM {{rows}} LEFT JOIN bands USING (site_id, index_id, observed_property)
    LEFT JOIN reasons USING (site_id, index_id, observed_property)
    GROUP BY site_id, index_id, observed_property
    ORDER BY site_id, index_id, observed_property <> 'all', observed_property
"""
