"""Two channels of a device become one reading, or none."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.lake import memory
from analytics.sensing.calibration.channels import join_channels
from analytics.sensing.calibration.collocation import collocate
from tests.analytics.sensing.calibration.places import air
from tests.analytics.sensing.calibration.test_collocation import readings


@pytest.fixture
def connection():
    with memory() as found:
        yield found


def join(connection):
    return join_channels(connection, "a", "b", observed_property="pm25", table="joined")


def test_the_mean_of_both_is_the_reading_and_other_properties_pass(connection):
    readings(connection, "a", [10.0, 20.0], [4.0, 6.0], more=[("humidity", [50.0, 60.0])])
    readings(connection, "b", [14.0, 22.0], [6.0, 6.0])
    found = join(connection)
    assert (found.readings, found.alone, found.disagree, found.hours, found.hours_disagree) == (4, 0, 0, 4, 0)
    rows = connection.execute("SELECT site_id, observed_property, value, flags FROM joined ORDER BY ALL").fetchall()
    assert rows == [
        ("unit_0", "humidity", 50.0, None),
        ("unit_0", "humidity", 60.0, None),
        ("unit_0", "pm25", 12.0, None),
        ("unit_0", "pm25", 21.0, None),
        ("unit_1", "pm25", 5.0, None),
        ("unit_1", "pm25", 6.0, None),
    ]


def test_channels_are_compared_by_hours_and_a_whole_hour_is_flagged(connection):
    # hour 0: single readings differ, their means agree; hour 1: by 5 and 70 % of the mean or more, hour 2: by less than 5
    readings(connection, "a", [5, 25, 15, 15, 20, 20, 20, 20, 6, 6, 6, 6], step_s=900)
    readings(connection, "b", [25, 5, 15, 15, 60, 60, 60, 60, 2, 2, 2, 2], step_s=900)
    found = join(connection)
    assert (found.readings, found.disagree, found.hours, found.hours_disagree) == (12, 4, 3, 1)
    flagged = connection.execute("SELECT list(value ORDER BY interval_start_at) FROM joined WHERE flags = 'channels_disagree'")
    assert flagged.fetchall() == [([40.0] * 4,)]


def test_what_only_one_channel_gave_is_flagged_whichever_it_is_and_repeated_readings_count_once(connection):
    readings(connection, "a", [10.0, np.nan, 12.0, 11.0])
    readings(connection, "b", [10.0, 11.0, np.nan, 11.0])
    connection.execute("INSERT INTO a SELECT * REPLACE (99 AS value, 'conflict' AS flags) FROM a WHERE value = 10")
    found = join(connection)
    assert (found.readings, found.alone, found.disagree) == (4, 2, 0)
    rows = connection.execute("SELECT value, flags FROM joined ORDER BY interval_start_at").fetchall()
    assert rows == [(10.0, None), (11.0, "channel_alone"), (12.0, "channel_alone"), (11.0, None)]


def test_flagged_readings_are_not_paired(connection):
    x = air(48) + 10
    worn = x.copy()
    worn[5:10] *= 9
    readings(connection, "a", x)
    readings(connection, "b", worn)
    join(connection)
    readings(connection, "reference", x)
    pairs = collocate(connection, "joined", "reference", observed_property="pm25")
    assert len(pairs.reference) == 43 and pairs.sensors[0] == pytest.approx(pairs.reference)
