"""The climatology test: is a value usual for the month and the hour of the day?

As in ioos_qc the last span that fits decides and both ends of a span belong to it. Unlike there, hours and months are those of
the local clock, a span may name both, and one from 22 to 5 is over midnight. Spans are given, or learned from the values of
the sensor itself; those then call their own ends suspect, by construction.
"""

from __future__ import annotations

from analytics.lake import Connection
from analytics.sensing.quality.thresholds import Climatology, Thresholds

CLIMATOLOGY = """
    CASE WHEN value IS NULL THEN 9 WHEN usual_low IS NULL THEN 2
         WHEN value < possible_low OR value > possible_high THEN 4
         WHEN value < usual_low OR value > usual_high THEN 3 ELSE 1 END
"""


def take_usual(connection: Connection, thresholds: Thresholds, observed: frozenset[str], timezone: str) -> bool:
    """Make `judging_usual`: what is usual for each sensor, month and hour.

    Args:
        connection: Holds what `take_series` made.
        thresholds: The thresholds of all tests.
        observed: What is observed.
        timezone: IANA name of the local clock.

    Returns:
        Whether any property has a climatology; without one no table is made.
    """
    given = {name: thresholds.of(name).climatology for name in sorted(observed)}
    asked = {name: one for name, one in given.items() if one is not None}
    if not asked:
        return False
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE judging_usual (sensor UINTEGER, month BIGINT, hour BIGINT, usual_low DOUBLE, "
        "usual_high DOUBLE, possible_low DOUBLE, possible_high DOUBLE)"
    )
    for name, one in asked.items():
        if one.learn is not None:
            connection.execute(_LEARN, {"zone": timezone, "name": name, "levels": list(one.learn), "least": one.min_readings})
            continue
        for month, hour, low, high, lowest, highest in _spans(one):
            connection.execute(_GIVEN, [month, hour, low, high, lowest, highest, name])
    return True


def _spans(one: Climatology) -> list[tuple[int, int, float, float, float | None, float | None]]:
    """What is usual in each month and hour that a span covers."""
    found = []
    for month in range(1, 13):
        for hour in range(24):
            fits = [usual for usual in one.spans if usual.covers(month, hour)]
            if fits:
                found.append((month, hour, *fits[-1].suspect, *(fits[-1].fail or (None, None))))
    return found


_GIVEN = """
    INSERT INTO judging_usual
    SELECT DISTINCT sensor, ?::BIGINT, ?::BIGINT, ?::DOUBLE, ?::DOUBLE, ?::DOUBLE, ?::DOUBLE
    FROM judging_series WHERE observed_property = ?
"""
_LEARN = """
    INSERT INTO judging_usual
    SELECT sensor, month, hour, levels[1], levels[2], NULL, NULL FROM (
        SELECT s.sensor, month(interval_start_at AT TIME ZONE $zone) AS month,
               hour(interval_start_at AT TIME ZONE $zone) AS hour,
               quantile_cont(raw * factor + zero, $levels) AS levels
        FROM judging_rows JOIN judging_series s USING (series) JOIN judging_limits l ON l.sensor = s.sensor
        WHERE observed_property = $name AND isfinite(raw)
              AND (raw * factor + zero BETWEEN fail_low AND fail_high OR fail_low IS NULL)
        GROUP BY ALL HAVING count(*) >= $least
    )
"""
