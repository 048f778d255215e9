"""The neighbour test: does a value agree with those of sensors nearby?

Not in QARTOD's library: a value further from the median of its neighbours than a multiple of their scaled median absolute
deviation (MAD) is suspect, never a failure, since it may be a real hot spot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analytics.lake import Connection
from analytics.sensing.quality.thresholds import Thresholds
from analytics.sensing.readings import SourceError

SCALE = 1.4826
"""MAD of a normal distribution times this is its standard deviation."""
EARTH_KM = 6371.0
"""Mean radius of the earth. [km]"""
NEIGHBOUR = f"""
    CASE WHEN value IS NULL THEN 9 WHEN near_times IS NULL OR m.measured IS NULL OR m.measured < near_least THEN 2
         WHEN abs(value - m.middle) > greatest(near_times * {SCALE} * m.deviation, near_floor) THEN 3 ELSE 1 END
"""


def take_nearby(
    connection: Connection,
    thresholds: Thresholds,
    observed: frozenset[str],
    *,
    coordinates: Mapping[str, Sequence[float]],
    groups: Mapping[str, Sequence[str]],
) -> bool:
    """Make `judging_nearby`: what the neighbours of each sensor measured at about the same time.

    Args:
        connection: Holds what `take_series` made.
        thresholds: The thresholds of all tests.
        observed: What is observed.
        coordinates: Site -> latitude and longitude; the `k` nearest sites with the same property are neighbours. [degree]
        groups: Name -> sites that are neighbours of each other, whatever their distance.

    Returns:
        Whether any sensor has neighbours; without, no table is made.

    Raises:
        SourceError: A place is none.
    """
    for site, place in coordinates.items():
        if len(place) != 2 or not (-90 <= place[0] <= 90 and -180 <= place[1] <= 180):
            raise SourceError(
                f"coordinates of '{site}' are {list(place)}; expected [latitude, longitude] in degrees; correct the pilot"
            )
    nearest = {name: one.k for name in observed if (one := thresholds.of(name).neighbour) is not None}
    if not nearest or not (coordinates or groups):
        return False
    connection.execute("CREATE OR REPLACE TEMP TABLE judging_pairs (sensor UINTEGER, near UINTEGER)")
    at = [(site, place[0], place[1]) for site, place in coordinates.items()]
    together = [(name, site) for name, sites in groups.items() for site in sites]
    connection.execute("CREATE OR REPLACE TEMP TABLE judging_places (site_id VARCHAR, latitude DOUBLE, longitude DOUBLE)")
    connection.execute("CREATE OR REPLACE TEMP TABLE judging_groups (name VARCHAR, site_id VARCHAR)")
    if at:
        connection.executemany("INSERT INTO judging_places VALUES (?, ?, ?)", at)
    if together:
        connection.executemany("INSERT INTO judging_groups VALUES (?, ?)", together)
    for name, k in nearest.items():
        connection.execute(_PAIRS, {"name": name, "k": k, "diameter": 2 * EARTH_KM})
    connection.execute(_NEARBY)
    for table in ("judging_pairs", "judging_places", "judging_groups"):
        connection.execute(f"DROP TABLE {table}")
    return True


_PAIRS = """
    INSERT INTO judging_pairs
    WITH sensors AS (SELECT DISTINCT sensor, site_id FROM judging_series WHERE observed_property = $name),
    placed AS (
        SELECT sensor, site_id, radians(latitude) AS latitude, radians(longitude) AS longitude
        FROM sensors JOIN judging_places USING (site_id)
    )
    SELECT a.sensor, b.sensor FROM placed a JOIN placed b ON a.sensor <> b.sensor
    QUALIFY row_number() OVER (
        PARTITION BY a.sensor
        ORDER BY $diameter * asin(least(1, sqrt(power(sin((a.latitude - b.latitude) / 2), 2) + cos(a.latitude) * cos(b.latitude)
                                                * power(sin((a.longitude - b.longitude) / 2), 2)))), b.site_id
    ) <= $k
    UNION
    SELECT a.sensor, b.sensor
    FROM sensors a JOIN judging_groups i ON i.site_id = a.site_id JOIN judging_groups j ON j.name = i.name
         JOIN sensors b ON b.site_id = j.site_id AND b.sensor <> a.sensor
"""
_NEARBY = """
    CREATE OR REPLACE TEMP TABLE judging_nearby AS
    WITH measured AS (
        SELECT s.sensor, epoch_us(interval_start_at) // near_us AS bucket, median(raw * factor + zero) AS value
        FROM judging_rows JOIN judging_series s USING (series) JOIN judging_limits l ON l.sensor = s.sensor
        WHERE s.sensor IN (SELECT near FROM judging_pairs) AND isfinite(raw)
              AND (raw * factor + zero BETWEEN fail_low AND fail_high OR fail_low IS NULL)
        GROUP BY 1, 2
    )
    SELECT p.sensor, bucket, median(value) AS middle, mad(value) AS deviation, count(*) AS measured
    FROM judging_pairs p JOIN measured m ON m.sensor = p.near GROUP BY 1, 2
"""
