"""Broken files: each ends in one clear line per fault or in quarantine, no good row is lost, and the database stays as it was.

Every file is made from its family and its seed (`hostile_csv`, `hostile_documents`). All are read one by one; the rows of those
that have the contract's columns are then judged together, each with its file's seed, because Great Expectations takes a tenth
of a second for a judgement of any size. The first of each family also goes through `check_file`, from end to end.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data_contracts.contract import ContractError, parse_contract
from data_contracts.gate import check, check_file
from data_contracts.rows.files import LINES, read_file
from tests.data_contracts.hostile_csv import CSV, Case
from tests.data_contracts.hostile_documents import DOCUMENTS

FAMILIES = CSV | DOCUMENTS
SEEDS = 40
FEWER = {"many columns": 4, "huge field": 12, "odd Parquet": 12, "huge JSON lines": 12, "hostile JSON": 24, "only a header": 4}
"""Families whose files are large, each judged alone, or alike."""
FROM_END_TO_END = 1
LEAST_FILES = 2_000
CONTRACT_TEXT = """
apiVersion: v3.1.0
kind: DataContract
id: things
version: 1.0.0
status: active
schema:
  - name: things
    properties:
      - {name: site_id, logicalType: string, required: true, logicalTypeOptions: {maxLength: 100}}
      - name: counted_at
        logicalType: timestamp
        required: true
        logicalTypeOptions: {minimum: "2000-01-01T00:00:00Z", maximum: "2090-01-01T00:00:00Z"}
      - {name: crossings, logicalType: integer, physicalType: INTEGER, required: true, logicalTypeOptions: {minimum: 0}}
      - {name: coverage, logicalType: number}
"""
CONTRACT = parse_contract(CONTRACT_TEXT, "things.odcs.yaml")
COLUMNS = ["site_id", "counted_at", "crossings", "coverage"]
TOGETHER = parse_contract(
    CONTRACT_TEXT.replace("properties:", "properties:\n      - {name: seed, logicalType: string, required: true}"),
    "things.odcs.yaml",
)


def state(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    """Everything a caller could miss: catalogs, contents, settings, secrets."""
    queries = [
        "SELECT database_name, schema_name, table_name, temporary, sql FROM duckdb_tables() ORDER BY ALL",
        "SELECT database_name, schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
        "SELECT function_name, macro_definition FROM duckdb_functions() WHERE NOT internal ORDER BY ALL",
        "SELECT sequence_name, last_value FROM duckdb_sequences() ORDER BY ALL",
        "SELECT type_name FROM duckdb_types() WHERE NOT internal ORDER BY ALL",
        "SELECT index_name FROM duckdb_indexes() ORDER BY ALL",
        "SELECT schema_name, database_name FROM duckdb_schemas() ORDER BY ALL",
        "SELECT database_name, path FROM duckdb_databases() ORDER BY ALL",
        "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
        "SELECT name FROM duckdb_secrets() ORDER BY ALL",
        "SELECT * FROM kept ORDER BY ALL",
        "SELECT * FROM seen ORDER BY ALL",
    ]
    return [connection.execute(query).fetchall() for query in queries]


@pytest.fixture
def connection() -> Any:
    with duckdb.connect(config={"memory_limit": "700MiB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        connection.execute(
            "CREATE TABLE kept AS SELECT i, 'secret_' || i AS s FROM range(99) r(i); CREATE VIEW seen AS FROM kept"
        )
        connection.execute("CREATE SEQUENCE counter; CREATE MACRO twice(x) AS x * 2; CREATE TYPE mood AS ENUM ('good')")
        yield connection


def seeds(name: str) -> range:
    return range(FEWER.get(name, SEEDS))


def case_of(name: str, seed: int) -> Case:
    return FAMILIES[name](random.Random(f"{name} {seed}"))


@contextmanager
def told(name: str, seed: int) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the file: case_of({name!r}, {seed})")
        raise


def require_refusal(path: Path, case: Case, error: ContractError) -> None:
    faults = str(error).splitlines()
    assert faults and all(fault.startswith(f"{path}: ") and "; expected " in fault for fault in faults), faults
    assert not case.untouched, f"good rows are lost: {faults}"
    assert case.refused is None or case.refused in faults[0], faults


def require_rows(case: Case, accepted: list[tuple[str, str]], quarantined: int, rows: int | None) -> None:
    assert case.refused is None, "the file was to be refused"
    assert case.rows in (None, len(accepted) + quarantined)
    assert rows in (None, len(accepted) + quarantined)
    assert case.untouched <= set(accepted), case.untouched - set(accepted)


def require_reasons(connection: duckdb.DuckDBPyConnection) -> None:
    refused = connection.execute("SELECT rules, reasons, row FROM quarantined").fetchall()
    assert all(rules and len(rules) == len(reasons) and all(reasons) and json.loads(row) for rules, reasons, row in refused)


def judge(connection: duckdb.DuckDBPyConnection, path: Path, case: Case) -> None:
    """Judge one file and check what must hold for each."""
    try:
        report = check_file(connection, path, CONTRACT)
    except ContractError as error:
        require_refusal(path, case, error)
        return
    accepted = connection.execute("SELECT site_id, crossings::VARCHAR FROM accepted").fetchall()
    ((quarantined,),) = connection.execute("SELECT count(*) FROM quarantined").fetchall()
    assert (len(accepted), quarantined) == (report.accepted, report.quarantined)
    require_rows(case, accepted, quarantined, report.rows)
    require_reasons(connection)
    connection.execute("DROP TABLE accepted; DROP TABLE quarantined")


def judge_together(connection: duckdb.DuckDBPyConnection, name: str, files: dict[int, Case], lines: dict[int, int]) -> None:
    """Judge the files that were read into `read_SEED`, and check what must hold for each."""
    read = [f"SELECT '{seed}' AS seed, {', '.join(COLUMNS)} FROM read_{seed}" for seed in files]
    connection.execute(f"CREATE TEMP TABLE files AS {' UNION ALL '.join(read)}")
    check(connection, "files", TOGETHER, accepted="accepted", quarantined="quarantined")
    require_reasons(connection)
    kept = connection.execute("SELECT seed, site_id, crossings::VARCHAR FROM accepted").fetchall()
    refused = connection.execute("SELECT row->>'seed', count(*) FROM quarantined GROUP BY ALL").fetchall()
    counts = {int(seed): int(count) for seed, count in refused}
    for seed, case in files.items():
        accepted = [(site, crossings) for of, site, crossings in kept if int(of) == seed]
        with told(name, seed):
            require_rows(case, accepted, counts.get(seed, 0) + lines[seed], None)
    connection.execute("DROP TABLE files; DROP TABLE accepted; DROP TABLE quarantined")


def can_be_together(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    kinds = {column: kind for column, kind, *_ in described if column != "source_row"}
    return kinds == dict.fromkeys(COLUMNS, "VARCHAR")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_broken_file_ends_in_one_line_or_in_quarantine(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    before = state(connection)
    together: dict[int, Case] = {}
    lines: dict[int, int] = {}
    for seed in seeds(name):
        case = case_of(name, seed)
        path, table = tmp_path / f"file_{seed}{case.suffix}", f"read_{seed}"
        path.write_bytes(case.content)
        with told(name, seed):
            try:
                lines[seed] = read_file(connection, path, into=table)
            except ContractError as error:
                require_refusal(path, case, error)
            else:
                if can_be_together(connection, table):
                    together[seed] = case
                elif seed >= FROM_END_TO_END:
                    judge(connection, path, case)
            if seed < FROM_END_TO_END:
                judge(connection, path, case)
            assert path.read_bytes() == case.content
        path.unlink()
    if together:
        judge_together(connection, name, together, lines)
    for seed in lines:
        connection.execute(f"DROP TABLE read_{seed}; DROP TABLE IF EXISTS read_{seed}{LINES}")
    assert state(connection) == before
    assert not list(tmp_path.iterdir())


def test_there_are_as_many_files_as_are_asked_for() -> None:
    contents = {case_of(name, seed).content for name in FAMILIES for seed in seeds(name)}
    assert len(contents) >= LEAST_FILES  # files that differ from each other; those of test_hostile_parquet come on top


READ = """
import sys
from pathlib import Path
import duckdb
from data_contracts.contract import ContractError
from data_contracts.rows.files import read_file
from tests.data_contracts.test_hostile import FAMILIES, FEWER, case_of, seeds
with duckdb.connect(config={"memory_limit": "400MiB"}) as connection:
    for name in FAMILIES:
        for seed in list(seeds(name))[:: 1 if name in FEWER else 10]:
            case = case_of(name, seed)
            path = Path(sys.argv[1], "file" + case.suffix)
            path.write_bytes(case.content)
            try:
                read_file(connection, path, into="t")
            except ContractError:
                pass
status = Path("/proc/self/status").read_text()  # the usual figure starts at that of the process which began this one
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


def test_reading_them_takes_less_than_a_gibibyte(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) < 1024
