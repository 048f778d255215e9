"""Others that judge the same table by the same 12 rules; each runs in a process of its own (`bench_gate.py` starts them).

A worker answers each line on its input with one JSON line: the seconds of one run, the process's peak memory so far, and how
many rows break each rule where the library says so. What is imported is imported before the clock starts.

Two counts of Great Expectations differ by its own reading: to pandas NaN is nothing and so not above a maximum, and every row
of a doubled key is counted, not only the later ones.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

USERS = ["pedestrian", "cyclist", "car", "van", "lorry", "bus", "motorcycle", "any"]
KEY = ["site_id", "road_user", "interval_start_at"]
KEYS = ", ".join(KEY)
CONDITIONS = {
    "site_id.required": "site_id IS NULL",
    "site_id.pattern": "NOT regexp_matches(site_id, '^[a-z0-9_]+$')",
    "road_user.required": "road_user IS NULL",
    "road_user.enum": f"road_user NOT IN ({', '.join(repr(user) for user in USERS)})",
    "interval_start_at.required": "interval_start_at IS NULL",
    "crossings.required": "crossings IS NULL",
    "crossings.minimum": "crossings < 0",
    "crossings.maximum": "crossings > 20000",
    "coverage.finite": "NOT isfinite(coverage)",
    "coverage.maximum": "coverage > 1",
    "measured": "coverage = 0 AND crossings > 0",
}
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: counts
version: 1.0.0
status: active
SERVERS
schema:
  - name: counts
    physicalType: table
    properties:
      - {name: source_row, logicalType: integer, physicalType: BIGINT}
      - {name: site_id, logicalType: string, required: true, KEY1 logicalTypeOptions: {pattern: "^[a-z0-9_]+$"}}
      - {name: road_user, logicalType: string, required: true, KEY2 ENUM}
      - {name: interval_start_at, logicalType: timestamp, KEY3 required: true}
      - name: crossings
        logicalType: integer
        physicalType: INTEGER
        required: true
        logicalTypeOptions: {minimum: 0, maximum: 20000}
      - {name: coverage, logicalType: number, physicalType: DOUBLE, logicalTypeOptions: {maximum: 1}}
    quality:
"""
CLI_RULES = f"""
      - {{type: library, metric: duplicateValues, arguments: {{properties: [{KEYS}]}}, mustBe: 0}}
      - {{type: sql, name: measured, query: "SELECT count(*) FROM counts WHERE coverage = 0 AND crossings > 0", mustBe: 0}}
      - {{type: sql, name: coverage.finite, query: "SELECT count(*) FROM counts WHERE NOT isfinite(coverage)", mustBe: 0}}
"""
Work = Callable[[], dict[str, int]]


def contract(*, servers: str = "", rules: str, is_keyed: bool) -> str:
    """The 12 rules as a contract of the Open Data Contract Standard."""
    text = CONTRACT.replace("SERVERS", servers) + rules
    valid = f"quality: [{{metric: invalidValues, arguments: {{validValues: [{', '.join(USERS)}]}}, mustBe: 0}}]"
    for number in (1, 2, 3):
        text = text.replace(f"KEY{number}", f"primaryKey: true, primaryKeyPosition: {number}," if is_keyed else "")
    enum = f"enum: [{', '.join(f'{{value: {user}}}' for user in USERS)}]"
    return text.replace("ENUM", enum if is_keyed else valid)


def hand_written_scan(data: Path) -> Work:
    """One statement of SQL. The key's count stands beside the others, not below them: that halves its time."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"ATTACH '{data}' AS data (READ_ONLY); USE data")
    counts = ", ".join(f'count(*) FILTER ({condition}) AS "{name}"' for name, condition in CONDITIONS.items())
    given = " AND ".join(f"{column} IS NOT NULL" for column in KEY)
    grouped = f"SELECT count(*) AS n FROM counts WHERE {given} GROUP BY {KEYS}"
    query = (
        f"SELECT * FROM (SELECT {counts} FROM counts), (SELECT coalesce(sum(n - 1), 0)::BIGINT AS primary_key FROM ({grouped}))"
    )

    def work() -> dict[str, int]:
        found = connection.execute(query)
        row = found.fetchone() or ()
        return dict(zip([str(column[0]) for column in found.description or ()], row, strict=True))

    return work


def great_expectations_pandas(data: Path) -> Work:
    """Copy the table out of DuckDB into pandas; 12 expectations in one suite."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import duckdb
    import great_expectations as gx
    import great_expectations.expectations as gxe

    connection = duckdb.connect()
    connection.execute(f"ATTACH '{data}' AS data (READ_ONLY); USE data")
    expectations: dict[str, Any] = {
        "site_id.required": gxe.ExpectColumnValuesToNotBeNull(column="site_id"),
        "site_id.pattern": gxe.ExpectColumnValuesToMatchRegex(column="site_id", regex="^[a-z0-9_]+$"),
        "road_user.required": gxe.ExpectColumnValuesToNotBeNull(column="road_user"),
        "road_user.enum": gxe.ExpectColumnValuesToBeInSet(column="road_user", value_set=USERS),
        "interval_start_at.required": gxe.ExpectColumnValuesToNotBeNull(column="interval_start_at"),
        "crossings.required": gxe.ExpectColumnValuesToNotBeNull(column="crossings"),
        "crossings.minimum": gxe.ExpectColumnValuesToBeBetween(column="crossings", min_value=0),
        "crossings.maximum": gxe.ExpectColumnValuesToBeBetween(column="crossings", max_value=20000),
        "coverage.finite": gxe.ExpectColumnValuesToNotBeNull(column="coverage"),  # pandas: NaN is nothing
        "coverage.maximum": gxe.ExpectColumnValuesToBeBetween(column="coverage", max_value=1),
        "primary_key": gxe.ExpectCompoundColumnsToBeUnique(column_list=KEY),
        "measured": gxe.ExpectColumnValuesToBeBetween(
            column="crossings", max_value=0, row_condition="coverage == 0", condition_parser="pandas"
        ),
    }
    for name, expectation in expectations.items():
        expectation.meta = {"rule": name}
    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("counts")
    whole = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="counts", expectations=list(expectations.values())))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="counts", data=whole, suite=suite))

    def work() -> dict[str, int]:
        frame = connection.execute("SELECT * FROM counts").df()
        document = definition.run(batch_parameters={"dataframe": frame}, result_format="BASIC").to_json_dict()
        return {
            entry["expectation_config"]["meta"]["rule"]: int(entry["result"].get("unexpected_count", -1))
            for entry in document["results"]
        }

    return work


def datacontract_cli(data: Path) -> Work:
    """`datacontract test` over the same DuckDB file, by its Python interface."""
    from datacontract.data_contract import DataContract

    logging.disable(logging.CRITICAL)
    servers = f"servers: [{{server: here, type: duckdb, database: '{data}', schema: main}}]"
    file = Path(tempfile.mkdtemp(prefix="bench-")) / "counts.odcs.yaml"
    file.write_text(contract(servers=servers, rules=CLI_RULES, is_keyed=False), encoding="utf-8")

    def work() -> dict[str, int]:
        run = DataContract(data_contract_file=str(file), server="here").test()
        done = [check for check in run.checks if str(check.result).split(".")[-1] in ("passed", "failed")]
        broken = sum("failed" in str(check.result) for check in done)
        return {"checks": len(run.checks), "executed": len(done), "failed": broken}

    return work


def pandera_polars(data: Path) -> Work:
    """Pandera's polars backend over the same rows as a Parquet file, all faults gathered (lazy)."""
    import pandera.polars as pa
    import polars as pl

    def found(column: str, condition: Callable[[Any], Any]) -> Any:
        return pa.Check(lambda given: given.lazyframe.select(condition(pl.col(column))), name=column)

    schema = pa.DataFrameSchema(
        {
            "site_id": pa.Column(pl.String, found("site_id", lambda x: x.str.contains("^[a-z0-9_]+$"))),
            "road_user": pa.Column(pl.String, pa.Check.isin(USERS)),
            "interval_start_at": pa.Column(),
            "crossings": pa.Column(pl.Int32, [pa.Check.ge(0), pa.Check.le(20000)]),
            "coverage": pa.Column(pl.Float64, [found("coverage", lambda x: x.is_finite()), pa.Check.le(1)]),
        },
        checks=pa.Check(
            lambda given: given.lazyframe.select(~((pl.col("coverage") == 0) & (pl.col("crossings") > 0))), name="measured"
        ),
        unique=KEY,
    )

    def work() -> dict[str, int]:
        frame = pl.read_parquet(data.with_suffix(".parquet"))
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as errors:
            return {"faults": len(errors.schema_errors)}
        return {"faults": 0}

    return work


RIVALS: dict[str, Callable[[Path], Work]] = {
    "hand": hand_written_scan,
    "great_expectations": great_expectations_pandas,
    "datacontract": datacontract_cli,
    "pandera": pandera_polars,
}


def peak_mib() -> float:
    """Peak memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


def serve(start: Callable[[], Work]) -> None:
    """Prepare the work, then do it once for each line of input."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        try:
            work = start()
        except ImportError as error:
            print(json.dumps({"skipped": str(error)}), file=answers, flush=True)
            return
        print(json.dumps({"peak_mib": peak_mib()}), file=answers, flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            found = work()
            seconds = time.perf_counter() - started
            print(json.dumps({"seconds": seconds, "peak_mib": peak_mib(), "found": found}), file=answers, flush=True)


if __name__ == "__main__":
    serve(lambda: RIVALS[sys.argv[1]](Path(sys.argv[2])))
