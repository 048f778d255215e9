"""What rendered sensors send: every planted fault is there, where the truth says, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from analytics.lake import Connection, memory
from analytics.sensing.hourly import sense_hourly
from analytics.sensing.network.address import read_address
from analytics.sensing.network.sent import DRIFT_A_DAY, KINDS, SHIFT_H, Fault, planted_faults, rendered_network
from analytics.sensing.network.truth import render_truth

SOURCE = "network:street?seed=5&days=42&sites=8&treated=1&change_day=21"
FAULTS = {fault.kind: fault for fault in planted_faults(read_address(SOURCE))}


@pytest.fixture(scope="module")
def sent() -> Iterator[Connection]:
    with memory() as connection:
        rendered_network(connection, SOURCE, table="sent")
        connection.execute(
            "CREATE TABLE received AS SELECT * REPLACE (interval_start_at::TIMESTAMPTZ AS interval_start_at, "
            "value::DOUBLE AS value) FROM sent WHERE value IS NOT NULL"
        )
        yield connection


def within(connection: Connection, fault: Fault, what: str, more: str = "true", table: str = "received") -> tuple:
    """What is selected of a faulty sensor's fine particles while the fault lasts."""
    row = connection.execute(
        f"SELECT {what} FROM {table} WHERE site_id = ? AND observed_property = 'pm25' AND interval_start_at >= ? AND "
        f"interval_start_at < ? AND {more}",
        [fault.site_id, fault.start_at, fault.end_at],
    ).fetchone()
    assert row is not None
    return row


def test_the_same_address_sends_the_same_and_another_seed_does_not(sent: Connection) -> None:
    rendered_network(sent, SOURCE, table="again")
    assert sent.execute("(FROM sent EXCEPT ALL FROM again) UNION ALL (FROM again EXCEPT ALL FROM sent)").fetchall() == []
    rendered_network(sent, SOURCE.replace("seed=5", "seed=6"), table="other")
    assert len(sent.execute("FROM sent EXCEPT FROM other").fetchall()) > 10_000


def test_each_kind_of_fault_is_planted_once_at_a_street_without_the_change() -> None:
    assert tuple(FAULTS) == KINDS
    assert len({fault.site_id for fault in FAULTS.values()}) == len(KINDS)
    assert "street_01" not in {fault.site_id for fault in FAULTS.values()}


def test_a_dead_sensor_sends_zeros_and_an_outage_nothing(sent: Connection) -> None:
    assert within(sent, FAULTS["dead"], "count(*) > 100, max(value)") == (True, 0.0)
    assert within(sent, FAULTS["outage"], "count(*)") == (0,)


def test_copied_days_are_those_of_a_week_before(sent: Connection) -> None:
    fault = FAULTS["copied_days"]
    same = "(SELECT any_value(value) FROM received b WHERE b.site_id = a.site_id AND b.observed_property = "
    same += "a.observed_property AND b.interval_start_at = a.interval_start_at - INTERVAL 7 DAY)"
    found = within(sent, fault, f"avg((value = {same})::INTEGER)", f"{same} IS NOT NULL", "received a")
    assert found == (1.0,)


def test_a_wrong_unit_is_sent_only_while_it_lasts(sent: Connection) -> None:
    fault = FAULTS["wrong_unit"]
    assert within(sent, fault, "list(DISTINCT unit)") == (["mg/m³"],)
    total = sent.execute("SELECT count(*) FROM received WHERE unit = 'mg/m³'").fetchone()
    assert total == within(sent, fault, "count(*)")


def test_a_shifted_clock_stamps_the_truth_of_hours_before(sent: Connection) -> None:
    fault, truth = FAULTS["clock_shift"], render_truth(read_address(SOURCE))
    rows = sent.execute(
        "SELECT epoch(interval_start_at)::BIGINT, any_value(value) FROM received WHERE site_id = ? AND observed_property = "
        "'noise_laeq' AND interval_start_at >= ?::TIMESTAMPTZ + INTERVAL 6 HOUR AND interval_start_at < ? GROUP BY 1",
        [fault.site_id, fault.start_at, fault.end_at],
    ).fetchall()
    real = dict(
        zip(
            truth.at.astype(np.int64).tolist(),
            truth.values["noise_laeq"][truth.site_ids.index(fault.site_id)].tolist(),
            strict=True,
        )
    )
    error = {shift: np.std([value - real[at - shift * 3600] for at, value in rows]) for shift in (0, SHIFT_H)}
    assert error[SHIFT_H] < 1 < error[0]


def test_a_drift_grows_against_the_same_network_without_faults(sent: Connection) -> None:
    fault = FAULTS["drift"]
    days = (fault.end_at - fault.start_at).days
    rendered_network(sent, f"{SOURCE}&faults=0", table="whole")
    ratio = sent.execute(
        "SELECT avg(a.value) / avg(b.value::DOUBLE) FROM received a JOIN whole b ON a.site_id = b.site_id AND "
        "a.observed_property = b.observed_property AND a.interval_start_at = b.interval_start_at::TIMESTAMPTZ "
        "WHERE a.site_id = ? AND a.observed_property = 'pm25' AND a.interval_start_at >= ?::TIMESTAMPTZ - INTERVAL 2 DAY "
        "AND a.interval_start_at < ?",
        [fault.site_id, fault.end_at, fault.end_at],
    ).fetchone()
    assert ratio is not None and ratio[0] == pytest.approx(1 + (days - 1) * DRIFT_A_DAY, abs=0.005)


def test_rows_come_twice_late_and_empty_only_where_faults_are_wanted(sent: Connection) -> None:
    odd = (
        "SELECT count(*) FILTER (value IS NULL) > 0, "
        "count(*) > count(DISTINCT (site_id, observed_property, interval_start_at)), bool_or(is_late) "
        "FROM (SELECT *, interval_start_at < max(interval_start_at) OVER (ORDER BY source_row ROWS BETWEEN "
        "UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_late FROM {})"
    )
    assert sent.execute(odd.format("sent")).fetchone() == (True, True, True)
    rendered_network(sent, f"{SOURCE}&faults=0", table="whole")
    assert sent.execute(odd.format("whole")).fetchone() == (False, False, False)


def test_quality_control_finds_the_dead_sensor_and_the_wrong_unit_and_leaves_the_rest(sent: Connection) -> None:
    sense_hourly(sent, "received", table="hours", timezone="Europe/Brussels")
    assert within(sent, FAULTS["wrong_unit"], "count(*)", table="hours") == (0,)
    assert within(sent, FAULTS["dead"], "count(*) <= 6", table="hours") == (True,)
    kept = sent.execute(
        "SELECT count(*) / (SELECT count(DISTINCT (site_id, interval_start_at)) FROM received WHERE observed_property = 'pm25' "
        "AND NOT list_contains(?, site_id)) FROM hours WHERE observed_property = 'pm25' AND NOT list_contains(?, site_id)",
        [[FAULTS["wrong_unit"].site_id, FAULTS["dead"].site_id]] * 2,
    ).fetchone()
    assert kept is not None and kept[0] > 0.99
