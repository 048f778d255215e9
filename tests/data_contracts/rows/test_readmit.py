"""Repaired rows take the place of exactly the rows they were made from, whatever their types."""

from __future__ import annotations

import json

import duckdb
import pytest

from data_contracts.contract import ContractError, load_contract
from data_contracts.gate import check
from data_contracts.rows.readmit import Repair, apply_repairs, judge_repairs

HOURLY = load_contract("counts_hourly")


def test_a_typed_row_is_judged_again_and_put_in_its_place() -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Pacific/Auckland'")
        connection.execute(
            "CREATE TABLE analysed AS SELECT range + 100 AS source_row, 'mill_lane' AS site_id, 'car' AS road_user, "
            "TIMESTAMPTZ '2026-03-02 00:00:00Z' + INTERVAL (range) HOUR AS interval_start_at, "
            "CASE WHEN range = 2 THEN -5 ELSE 30 END::INTEGER AS crossings, 1.0::DOUBLE AS coverage, '' AS flags FROM range(5)"
        )
        assert check(connection, "analysed", HOURLY, accepted="good", quarantined="bad").quarantined == 1
        number, original = connection.execute("SELECT source_row, row::VARCHAR FROM bad").fetchone() or (0, "")
        row = json.loads(original)
        values = {key: None if value is None else str(value) for key, value in row.items()}
        judged, report = judge_repairs(connection, HOURLY, [{**values, "crossings": "31"}, {**values, "crossings": "x"}])
        assert (report["accepted"], report["quarantined"]) == (1, 1)
        assert judged[0].repaired is not None and judged[1].repaired is None
        assert "crossings is 'x', expected integer" in judged[1].reasons
        repair = Repair(number, original, judged[0].repaired)
        gone = Repair(104, original, judged[0].repaired)  # the same values in another line: not the row it was made from
        assert apply_repairs(connection, "analysed", HOURLY, [repair, gone], into="mended") == [gone]
        differ = "SELECT source_row, crossings FROM (FROM mended EXCEPT FROM analysed)"
        assert connection.execute(differ).fetchall() == [(102, 31)]
        assert connection.execute("SELECT list(source_row) FROM mended").fetchone() == ([100, 101, 102, 103, 104],)
        report = check(connection, "mended", HOURLY, accepted="good", quarantined="bad").to_dict()
        assert (report["accepted"], report["quarantined"]) == (5, 0)


def test_of_two_repairs_with_one_key_the_first_is_taken() -> None:
    row = {"site_id": "a", "road_user": "car", "interval_start_at": "2026-03-02T00:00:00Z", "coverage": "1", "flags": None}
    with duckdb.connect() as connection:
        judged, _ = judge_repairs(connection, HOURLY, [{**row, "crossings": "1"}, {**row, "crossings": "2"}])
        assert [one.repaired is None for one in judged] == [False, True]
        twins, _ = judge_repairs(connection, HOURLY, [{**row, "crossings": "1"}] * 2)
        assert [one.repaired is None for one in twins] == [False, True]


def test_a_missing_column_is_named() -> None:
    with duckdb.connect() as connection, pytest.raises(ContractError, match="counts_hourly: column 'road_user' is missing"):
        judge_repairs(connection, HOURLY, [{"site_id": "a"}])
