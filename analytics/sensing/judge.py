"""Readings as received -> readings in the units they are kept in, in order of time, each with what is wrong with it."""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.readings import quoted
from analytics.sensing.units import convert


def order_readings(connection: Connection, readings: str, *, table: str) -> None:
    """Say which readings came twice, contradict an earlier one, or came out of order.

    No row is dropped: a repeated reading gets the flag `duplicate`, one that gives another value for the same site,
    observed property and instant `conflict`, and one that came after a later one of its sensor `out_of_order`.

    Args:
        connection: Holds the readings.
        readings: Table with `source_row`, `site_id`, `observed_property`, `interval_start_at`, `value` and `flags`.
        table: View to create: the same rows and columns, `flags` completed.
    """
    sensor = "site_id, observed_property"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW {quoted(table)} AS
        WITH seen AS (
            SELECT *, row_number() OVER same AS time_it_came, first_value(value) OVER same AS first_came,
                   interval_start_at < max(interval_start_at) OVER earlier AS is_late
            FROM {quoted(readings)}
            WINDOW same AS (PARTITION BY {sensor}, interval_start_at ORDER BY source_row),
                   earlier AS (PARTITION BY {sensor} ORDER BY source_row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        )
        SELECT * EXCLUDE (time_it_came, first_came, is_late)
               REPLACE (nullif(concat_ws(',', flags,
                            CASE WHEN time_it_came > 1 AND value = first_came THEN 'duplicate'
                                 WHEN time_it_came > 1 THEN 'conflict' END,
                            CASE WHEN is_late THEN 'out_of_order' END), '') AS flags)
        FROM seen
        """
    )


def prepare(connection: Connection, readings: str, *, table: str) -> None:
    """Convert accepted readings and say which are repeated or late; creates `table` with all of them.

    Args:
        connection: Holds the readings.
        readings: Table of contract `sensor_readings`.
        table: Table to create: its columns with `value` and `unit` as kept, `raw_value`, `raw_unit`, and `flags` completed.

    Raises:
        SourceError: A property or a unit is unknown.
    """
    convert(connection, readings, table="readings_converted")
    order_readings(connection, "readings_converted", table="readings_ordered")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS FROM readings_ordered")
    for view in ("readings_ordered", "readings_converted"):
        connection.execute(f"DROP VIEW {view}")
    connection.execute("DROP TABLE readings_converted_units")
