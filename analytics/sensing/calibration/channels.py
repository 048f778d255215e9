"""Devices with two sensors inside: one reading from both channels, set aside where they disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from analytics.lake import Connection
from analytics.sensing.calibration.corrections import channels_agree
from analytics.sensing.readings import quoted

DISAGREE, ALONE = "channels_disagree", "channel_alone"
"""Flags of readings that are not used: of an hour in which the channels disagree; of one channel without the other."""


@dataclass(frozen=True)
class Channels:
    """What was found in the readings of two channels.

    Attributes:
        readings: Readings of either channel, each instant once.
        alone: Of these, how many only one channel gave.
        disagree: How many are of hours in which the channels disagree.
        hours: Hours with readings of both channels.
        hours_disagree: Of these, how many in which they disagree.
    """

    readings: int
    alone: int
    disagree: int
    hours: int
    hours_disagree: int


def join_channels(connection: Connection, first: str, second: str, *, observed_property: str, table: str) -> Channels:
    """Join the readings of two channels of each site to their mean, flagged where it is not to be used.

    The channels are compared by the means of each hour (`channels_agree`), as those who publish such sensors do: a reading of
    two minutes is too noisy to condemn a device.

    Args:
        connection: Holds both tables.
        first: Judged readings of channel A and of all other properties, as `judge_readings` leaves them.
        second: Judged readings of channel B.
        observed_property: What the channels observe.
        table: Table to create: the readings of `first`, those of `observed_property` with the mean of both channels as `value`,
            and what only channel B gave.

    Source:
        Barkjohn et al. (2021), section 3.2.3, with the limits of `channels_agree`.
    """
    one, two = (
        f"(SELECT * FROM {quoted(name)} WHERE observed_property = $name AND isfinite(value) "
        "AND NOT list_has_any(string_split(coalesce(flags, ''), ','), ['duplicate', 'conflict']))"
        for name in (first, second)
    )
    same = "site_id, interval_start_at"
    hour = "time_bucket(INTERVAL 1 HOUR, interval_start_at)"
    given = {"name": observed_property}
    hours = connection.execute(
        f"SELECT site_id, epoch({hour})::BIGINT AS hour, avg(a.value) AS a, avg(b.value) AS b FROM {one} a JOIN {two} b "
        f"USING ({same}) GROUP BY ALL",
        given,
    ).fetchnumpy()
    bad = ~channels_agree(hours["a"], hours["b"])
    found = pa.table(
        {"site_id": pa.array(list(hours["site_id"][bad]), pa.string()), "hour": hours["hour"][bad].astype(np.int64)}
    )
    connection.register("hours_disagree", found)
    try:
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {quoted(table)} AS
            WITH both_channels AS (
                SELECT a.* REPLACE (CASE WHEN b.value IS NULL THEN a.value ELSE (a.value + b.value) / 2 END AS value),
                       b.value IS NULL AS is_alone FROM {one} a LEFT JOIN {two} b USING ({same})
                UNION ALL BY NAME SELECT *, true AS is_alone FROM {two} b ANTI JOIN {one} a USING ({same})
            )
            SELECT c.* EXCLUDE (is_alone) REPLACE (nullif(concat_ws(',', flags, CASE WHEN is_alone THEN '{ALONE}'
                       WHEN h.hour IS NOT NULL THEN '{DISAGREE}' END), '') AS flags)
            FROM both_channels c LEFT JOIN hours_disagree h ON h.site_id = c.site_id AND h.hour = epoch({hour})::BIGINT
            UNION ALL BY NAME SELECT * FROM {quoted(first)} WHERE observed_property <> $name
            """,
            given,
        )
    finally:
        connection.unregister("hours_disagree")
    readings, alone, disagree = connection.execute(
        f"SELECT count(*), count(*) FILTER (list_contains(string_split(flags, ','), '{ALONE}')), "
        f"count(*) FILTER (list_contains(string_split(flags, ','), '{DISAGREE}')) FROM {quoted(table)} "
        "WHERE observed_property = $name",
        given,
    ).fetchall()[0]
    return Channels(readings, alone, disagree, len(bad), int(bad.sum()))
