"""Every contract of the project loads and is clean; every fault of a faulty one is named."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import duckdb
import jsonschema
import pytest
import yaml

from data_contracts.contract import ContractError, contracts, example_of, load_contract, parse_contract
from data_contracts.gate import check_file
from data_contracts.lint import lint

NAMES = (
    *("air_quality_index", "counts_by_interval", "counts_hourly", "counts_manual", "footfall_readings", "footfall_totals"),
    *("hourly_readings", "judged_readings", "limit_exceedances", "noise_indicators", "noisy_counts", "open_counts"),
    *("open_readings", "open_totals", "sensor_readings", "threshold_episodes", "vendor_scores"),
)

SMALL = """
apiVersion: v3.1.0
kind: DataContract
id: readings
version: 1.0.0
status: active
schema:
  - name: readings
    properties:
      - {name: site_id, logicalType: string, required: true}
      - {name: crossings, logicalType: integer, logicalTypeOptions: {minimum: 0}}
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(ContractError) as raised:
        parse_contract(text, "readings.odcs.yaml")
    return str(raised.value).splitlines()


def test_the_project_has_these_contracts() -> None:
    assert tuple(contracts()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_contract_loads_and_is_clean(name: str) -> None:
    contract = load_contract(name)
    assert contract.id == name
    assert lint(contract) == []


@pytest.mark.parametrize("name", NAMES)
def test_contract_follows_the_standards_own_schema(name: str) -> None:
    spec = importlib.util.find_spec("open_data_contract_standard")
    assert spec and spec.origin
    schema = json.loads((Path(spec.origin).parent / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    document = yaml.safe_load(contracts()[name].read_text(encoding="utf-8"))
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("name", NAMES)
def test_example_passes_its_contract(name: str) -> None:
    with duckdb.connect() as connection:
        report = check_file(connection, example_of(name), load_contract(name))
    assert report.passed
    assert report.rows == report.accepted > 0
    assert report.quarantined == 0


def test_a_small_contract_loads() -> None:
    contract = parse_contract(SMALL, "readings.odcs.yaml")
    assert contract.column_names == ("site_id", "crossings")
    assert contract.version == "1.0.0"


def test_open_data_that_count_nobody_need_no_smallest_count_but_may_not_count() -> None:
    text = contracts()["open_readings"].read_text(encoding="utf-8")
    counting = text.replace("value: false, description: No count", "value: true, description: No count")
    assert [fault for fault in lint(parse_contract(counting, "x")) if "testbed.small_count" in fault]
    hidden = text.replace("name: value\n", "name: crossings\n")
    assert [fault for fault in lint(parse_contract(hidden, "x")) if "there is a column 'crossings'" in fault]


def test_lint_names_what_is_missing() -> None:
    found = lint(parse_contract(SMALL, "readings.odcs.yaml"))
    assert any("description.purpose" in line for line in found)
    assert any("testbed.personal_data" in line for line in found)
    assert any("column 'crossings' has no description" in line for line in found)


def test_all_faults_are_reported_at_once() -> None:
    text = (
        SMALL.replace("minimum", "minimun")
        .replace("kind: DataContract", "kind: Contract")
        .replace("logicalType: string", "logicalType: text")
    )
    found = faults_of(text)
    assert len(found) == 3
    assert any("'minimun'" in line and "did you mean 'minimum'?" in line for line in found)
    assert any("kind is 'Contract'" in line for line in found)
    assert all(line.startswith("readings.odcs.yaml: ") for line in found)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("required: true", "requierd: true", "did you mean 'required'?"),
        ("status: active", "statuss: active", "did you mean 'status'?"),
        ("version: 1.0.0\n", "", "'version' is missing"),
        ("v3.1.0", "v9.0.0", "apiVersion is 'v9.0.0'"),
        ("{minimum: 0}", "{minimum: 5, maximum: 1}", "minimum 5 is above maximum 1"),
        ("name: crossings", "name: site_id", "column 'site_id' stands twice"),
        ("name: crossings", "name: 'a b'", "column 2 is named 'a b'"),
        ("logicalType: string", "logicalType: string, physicalType: BLAH", "physicalType is 'BLAH'"),
        ("logicalType: string", "logicalType: string, logicalTypeOptions: {pattern: '['}", "not a regular expression"),
        ("logicalType: string", "logicalType: string, quality: [{metric: nulValues, mustBe: 0}]", "did you mean 'nullValues'?"),
        (
            "logicalType: string",
            "logicalType: string, quality: [{metric: nullValues, mustBe: 0, mustNotBe: 1}]",
            "one operator",
        ),
        ("logicalType: string", "logicalType: string, quality: [{type: sql, mustBe: 0}]", "query is missing"),
        (
            "logicalType: string",
            "logicalType: string, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [null]}}]",
            "validValues is [None]",
        ),
        (
            "status: active",
            "status: active\ncustomProperties: [{property: testbed.smal_count, value: 1}]",
            "testbed.small_count",
        ),
        ("id: readings", "id: readings\nid: other", "key 'id' stands twice"),
        ("id: readings", "id: &a readings\nname: *a", "alias '*a' is not allowed"),
        ("version: 1.0.0", "version: [", "expected plain YAML"),
        ("version: 1.0.0", "version: {}", "'version' is {}"),
    ],
)
def test_a_fault_is_named(before: str, after: str, said: str) -> None:
    assert said in "\n".join(faults_of(SMALL.replace(before, after, 1)))


@pytest.mark.parametrize("text", ["", "- 1", "just words", "42", "[" * 3000])
def test_what_is_no_contract_is_refused_in_one_line(text: str) -> None:
    assert len(faults_of(text)) == 1


def test_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ContractError, match="did you mean 'counts_hourly'"):
        load_contract("counts_hurly")


def test_missing_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no such file"):
        load_contract(tmp_path / "nothing.odcs.yaml")
    path = tmp_path / "latin.odcs.yaml"
    path.write_bytes(b"id: caf\xe9")
    with pytest.raises(ContractError, match="not UTF-8"):
        load_contract(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ContractError, match="1000001 bytes"):
        load_contract(path)


def test_a_file_loads_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "readings.odcs.yaml"
    path.write_text(SMALL, encoding="utf-8")
    assert load_contract(path).id == load_contract(str(path)).id == "readings"
