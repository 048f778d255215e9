"""Rows are judged where they lie, whatever they lie in, and keys are found twice without grouping them all."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_contracts.contract import Contract, parse_contract
from data_contracts.gate import CheckReport, check, check_file
from data_contracts.rows import batch

THINGS = parse_contract(
    """
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
schema:
  - name: things
    properties:
      - {name: site, logicalType: string, primaryKey: true, primaryKeyPosition: 1, logicalTypeOptions: {pattern: "^[a-z]+$"}}
      - {name: hour, logicalType: integer, primaryKey: true, primaryKeyPosition: 2}
      - {name: count, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0, maximum: 9}}
      - {name: share, logicalType: number, logicalTypeOptions: {maximum: 1}}
    quality:
      - type: custom
        name: measured
        engine: greatExpectations
        implementation:
          type: unexpected_rows_expectation
          kwargs: {unexpected_rows_query: "SELECT * FROM {batch} WHERE share = 0 AND count > 0"}
""",
    "things.odcs.yaml",
)
ROWS = [("a", "1", "1", "0.5"), ("a", "1", "2", "0.5"), ("b", "1", "x", "0.5"), ("b", "2", "3", "0.5")]
NAMES = {"accepted": "good", "quarantined": "bad"}


def things(connection: duckdb.DuckDBPyConnection, rows: list[Any], *, name: str = "things", temporary: bool = True) -> None:
    kind = "TEMP TABLE" if temporary else "TABLE"
    connection.execute(f"CREATE {kind} {name} (site VARCHAR, hour VARCHAR, count VARCHAR, share VARCHAR)")
    if rows:
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", rows)


def judge(
    connection: duckdb.DuckDBPyConnection, contract: Contract = THINGS, relation: str = "things", *, copied: bool = False
) -> tuple[CheckReport, list[Any], dict[int, list[str]]]:
    report = check(connection, relation, contract, **NAMES, copied=copied)
    good = connection.execute("SELECT * FROM good").fetchall()
    return report, good, dict(connection.execute("SELECT source_row, rules FROM bad").fetchall())


def tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()}


WHOLE = re.compile(r"-?\d+")


def rules_broken(row: tuple[str | None, ...], seen: set[tuple[str, int]]) -> set[str]:
    """The contract read by a person, one row at a time."""
    site, hour, count, share = row
    found = set()
    whole = {name: int(text) for name, text in (("hour", hour), ("count", count)) if text and WHOLE.fullmatch(text)}
    part = float(share) if share not in (None, "x") else None
    for name, text in (("hour", hour), ("count", count)):
        found |= {f"{name}.type"} if text is not None and name not in whole else set()
    found |= {"share.type"} if share == "x" else set()
    found |= {f"{name}.required" for name, text in (("site", site), ("hour", hour), ("count", count)) if text is None}
    found |= {"site.pattern"} if site is not None and not re.search("^[a-z]+$", site) else set()
    found |= {"count.minimum"} if whole.get("count", 0) < 0 else set()
    found |= {"count.maximum"} if whole.get("count", 0) > 9 else set()
    found |= {"share.finite"} if part is not None and not math.isfinite(part) else set()
    found |= {"share.maximum"} if part is not None and not part <= 1 else set()  # DuckDB: NaN is above every number
    found |= {"measured"} if part == 0 and whole.get("count", 0) > 0 else set()
    if site is not None and "hour" in whole and not found:  # a row that is refused anyway keeps no key
        found |= {"primary_key"} if (site, whole["hour"]) in seen else set()
        seen.add((site, whole["hour"]))
    return found


TEXTS = st.tuples(
    st.sampled_from(["a", "b", "B!", None]),
    st.sampled_from(["1", "2", "x", None]),
    st.sampled_from(["0", "3", "-1", "10", "x", None]),
    st.sampled_from(["0", "0.5", "1.5", "nan", "inf", "x", None]),
)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(TEXTS, max_size=25), copied=st.booleans(), deleted=st.booleans())
@example(rows=[("a", "1", "1", "1")] * 3, copied=False, deleted=True)
def test_the_passes_agree_with_a_plain_reading_row_by_row(rows: list[Any], copied: bool, deleted: bool) -> None:
    with duckdb.connect() as connection:
        things(connection, [*rows, ("z", "9", "1", "1")])
        if deleted:
            connection.execute("DELETE FROM things WHERE site = 'z'; INSERT INTO things VALUES ('z', '9', '1', '1')")
        report, good, refused = judge(connection, copied=copied)
    seen: set[tuple[str, int]] = set()
    expected = {i + 1: rules_broken(row, seen) for i, row in enumerate(rows)}
    assert {i: set(rules) for i, rules in refused.items()} == {i: rules for i, rules in expected.items() if rules}
    assert len(good) == report.accepted == len(rows) + 1 - report.quarantined
    kept = [(row[0], int(str(row[1])), int(str(row[2]))) for i, row in enumerate(rows) if not expected[i + 1]]
    assert [row[:3] for row in good] == [*kept, ("z", 9, 1)]
    counted = {rule.rule: rule.failed_rows for rule in report.rules if rule.failed_rows}
    broken = [rule for rules in expected.values() for rule in rules]
    assert counted == {rule: broken.count(rule) for rule in broken}


KEY_KINDS = {
    "DOUBLE": [0.0, -0.0, 1.0, float("nan"), -float("nan"), None],
    "VARCHAR": ["", "a", "A", "a ", "ä", None],
    "BIGINT": [0, 1, -1, 2**62, None],
    "TIMESTAMP": ["2026-01-01", "2026-01-01 00:00:00", "1970-01-01", None],
}


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(sorted(KEY_KINDS)), data=st.data(), at_once=st.sampled_from([3, 20]))
def test_keys_are_found_twice_as_by_grouping_them(kind: str, data: st.DataObject, at_once: int) -> None:
    values = data.draw(st.lists(st.sampled_from(KEY_KINDS[kind]), max_size=30))
    text = f"""
apiVersion: v3.1.0
kind: DataContract
id: keys
version: 1.0.0
status: active
schema: [{{name: keys, properties: [{{name: value, physicalType: {kind}, unique: true}}]}}]
"""
    with duckdb.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "KEYS_AT_ONCE", at_once)
        connection.execute(f"CREATE TEMP TABLE things (value {kind})")
        if values:
            connection.executemany("INSERT INTO things VALUES (?)", [[value] for value in values])
        report, _, _ = judge(connection, parse_contract(text, "keys"))
        finite = "AND isfinite(value)" if kind == "DOUBLE" else ""  # others are refused anyway
        counts = f"SELECT count(*) AS n FROM things WHERE value IS NOT NULL {finite} GROUP BY value"
        query = f"SELECT coalesce(sum(n - 1), 0) FROM ({counts})"
        expected = connection.execute(query).fetchall()[0][0]
    assert next(rule.failed_rows for rule in report.rules if rule.rule == "value.unique") == expected


def test_a_view_of_accepted_rows_is_no_copy_and_leaves_out_what_was_refused() -> None:
    with duckdb.connect() as connection:
        things(connection, ROWS)
        report, good, refused = judge(connection)
        assert batch.is_temporary_view(connection, "good")
        assert tables(connection) == {"things", "good", "bad", "__refused_of_good"}
        copy = judge(connection, copied=True)
        assert not batch.is_temporary_view(connection, "good")
        assert tables(connection) == {"things", "good", "bad"}
    assert (report, good, refused) == copy
    assert good == [("a", 1, 1, 0.5), ("b", 2, 3, 0.5)] and refused == {2: ["primary_key"], 3: ["count.type"]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("INSERT INTO things VALUES ('c', '1', '1', '1')", "good: the table it was judged from has changed"),
        ("DELETE FROM things WHERE hour = '2'", "good: the table it was judged from has changed"),
        ("DELETE FROM things WHERE hour = '2'; INSERT INTO things VALUES ('c', '1', '1', '1')", "has changed"),
        ("DROP TABLE things", "things"),
    ],
)
def test_a_view_of_accepted_rows_ends_in_an_error_when_its_table_changed_but_a_copy_does_not(change: str, fault: str) -> None:
    for copied in (False, True):
        with duckdb.connect() as connection:
            things(connection, ROWS)
            _, good, _ = judge(connection, copied=copied)
            connection.execute(change)
            if copied:
                assert connection.execute("SELECT * FROM good").fetchall() == good
            else:
                with pytest.raises(duckdb.Error, match=fault):
                    connection.execute("SELECT * FROM good").fetchall()


def test_a_table_judged_in_the_transaction_that_wrote_it_is_copied() -> None:
    with duckdb.connect() as connection:
        connection.execute("BEGIN")
        things(connection, ROWS, temporary=False)
        _, good, refused = judge(connection)
        connection.execute("COMMIT")
        assert connection.execute("SELECT * FROM good").fetchall() == good and len(good) == 2
    assert set(refused) == {2, 3}


def test_a_view_is_judged_from_rows_of_its_own_that_outlive_it() -> None:
    with duckdb.connect() as connection:
        things(connection, ROWS, name="before")
        connection.execute("CREATE TEMP VIEW things AS SELECT * FROM before")
        _, good, _ = judge(connection)
        connection.execute("DROP VIEW things; DROP TABLE before")
        assert connection.execute("SELECT * FROM good").fetchall() == good and len(good) == 2
        things(connection, ROWS[:1])
        judge(connection)
        assert tables(connection) == {"things", "good", "bad"}


def test_a_file_is_read_once_and_its_accepted_rows_stay(tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_text("site,hour,count,share\n" + "".join(",".join(row) + "\n" for row in ROWS), encoding="utf-8")
    with duckdb.connect() as connection:
        for copied, extra in ((False, {"__file_of_good", "__refused_of_good"}), (True, set[str]())):
            check_file(connection, path, THINGS, **NAMES, copied=copied)
            assert len(connection.execute("SELECT * FROM good").fetchall()) == 2
            assert tables(connection) == {"good", "bad"} | extra


def test_a_column_called_rowid_is_a_column_as_any() -> None:
    text = """
apiVersion: v3.1.0
kind: DataContract
id: rowids
version: 1.0.0
status: active
schema: [{name: rowids, properties: [{name: rowid, logicalType: integer, unique: true, logicalTypeOptions: {minimum: 0}}]}]
"""
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE things AS SELECT unnest([7, 7, -1, 8]) AS rowid")
        _, good, refused = judge(connection, parse_contract(text, "rowids"))
    assert good == [(7,), (8,)]
    assert refused == {2: ["rowid.unique"], 3: ["rowid.minimum"]}


def test_a_name_means_the_same_table_to_the_gate_as_to_duckdb() -> None:
    with duckdb.connect() as connection:
        things(connection, ROWS, temporary=False)
        assert batch.base_table(connection, "things") == '"memory"."main"."things"'
        things(connection, ROWS[:1])
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (1,)
        assert batch.base_table(connection, "things") == '"temp"."main"."things"'
        assert batch.base_table(connection, "memory.things") == '"memory"."main"."things"'
        assert judge(connection)[0].rows == 1 and judge(connection, relation="memory.main.things")[0].rows == 4
        connection.execute(
            "CREATE VIEW seen AS SELECT 1 AS value; CREATE SCHEMA other; CREATE TABLE other.far AS SELECT 1 AS value"
        )
        assert batch.base_table(connection, "seen") is None and batch.base_table(connection, "far") is None
        assert batch.base_table(connection, "other.far") == '"memory"."other"."far"'


def test_the_callers_settings_are_not_touched() -> None:
    query = "SELECT name, value FROM duckdb_settings() ORDER BY name"
    with duckdb.connect() as connection:
        things(connection, ROWS)
        before = connection.execute(query).fetchall()
        judge(connection)
        assert connection.execute(query).fetchall() == before
