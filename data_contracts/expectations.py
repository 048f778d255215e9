"""Run a contract's rules as Great Expectations inside the caller's DuckDB connection.

Great Expectations has no engine for DuckDB, reads a result only after SQLAlchemy has rolled its transaction back, and knows
no regular expressions there. Three things put that right without copying a row: a dialect that leaves transactions alone, a
DBAPI connection that is the caller's own (so that its temporary tables are seen), and one expectation whose metric is a SQL
aggregate. Great Expectations bundles such metrics: all rules of a suite are counted in one scan.

Importing this module imports great_expectations, which takes seconds: import it where it is needed, not at start.
"""

from __future__ import annotations

import html
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import duckdb

from data_contracts.reports.offline import self_contained
from data_contracts.rules.rule import BATCH, Rule, keeps

os.environ["GX_ANALYTICS_ENABLED"] = "false"

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # its own imports: sre_constants and the like
    import duckdb_engine
    import great_expectations as gx
    import sqlalchemy as sa
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metrics.metric_provider import metric_partial
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
    from great_expectations.expectations.registry import list_registered_expectation_implementations
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView
    from sqlalchemy.pool import StaticPool

logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it tells of temporary folders

DIALECT = "duckdbsession"
ONE_AT_A_TIME = threading.Lock()  # Great Expectations keeps its current context, and warnings their filters, in globals
SEVERITY = {"must": "critical", "should": "warning"}
ROWS = Rule("rows judged", description="the number of rows", measure="count(*)", limits=())


class SessionDialect(duckdb_engine.Dialect):
    """DuckDB for SQLAlchemy, without transactions of its own: the caller's go on."""

    supports_statement_cache = False

    def do_begin(self, connection: Any) -> None:
        """Leave the caller's transaction alone."""

    def do_commit(self, connection: Any) -> None:
        """Leave the caller's transaction alone."""

    def do_rollback(self, connection: Any) -> None:
        """Leave the caller's transaction alone, and with it the result that is still to be read."""


class Session(duckdb_engine.ConnectionWrapper):
    """The caller's connection, which Great Expectations may use but not close."""

    def close(self) -> None:
        """Leave the caller's connection open."""


sa.dialects.registry.register(DIALECT, __name__, "SessionDialect")


class RuleMeasure(TableMetricProvider):
    """What a rule measures: a SQL aggregate over the batch."""

    metric_name = "contract.rule_measure"
    value_keys = ("measure",)

    @metric_partial(
        engine=SqlAlchemyExecutionEngine,
        partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
        domain_type=MetricDomainTypes.TABLE,
    )
    def _sqlalchemy(
        cls,
        execution_engine: Any,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        return sa.literal_column(metric_value_kwargs["measure"]), metric_domain_kwargs, {}


class ExpectRuleToBeKept(BatchExpectation):
    """Expect the measure of a contract's rule to be within the rule's limits."""

    rule: str
    measure: str
    limits: list[list[Any]]
    unit: str

    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.row_count", "contract.rule_measure")
    success_keys: ClassVar[tuple[str, ...]] = ("rule", "measure", "limits", "unit")
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        value, rows = metrics["contract.rule_measure"], metrics["table.row_count"]
        held = value if self.unit != "percent" or value is None else 100 * value / rows if rows else 0
        kept = keeps(tuple((operator, bound) for operator, bound in self.limits), held)
        return {"success": kept, "result": {"observed_value": value, "element_count": rows}}


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations found for one rule.

    Attributes:
        kept: Whether the rule's limits are kept; None where the rule could not be executed.
        value: The measure; None for an expectation that was run as it stands.
        error: Why it could not be executed.
    """

    kept: bool | None
    value: Any = None
    error: str | None = None


def run_expectations(
    connection: duckdb.DuckDBPyConnection, batch: str, name: str, rules: Sequence[Rule]
) -> tuple[int, dict[str, Outcome], dict[str, Any]]:
    """Run rules as one suite of expectations over a table of the caller's connection.

    Args:
        connection: The connection that sees the table.
        batch: Name of the table or view, unquoted.
        name: Name of the suite.
        rules: Rules to execute: those with a measure or an expectation of their own.

    Returns:
        The number of rows, the outcome of each rule by name, and Great Expectations' own result as a JSON document.
    """
    outcomes: dict[str, Outcome] = {}
    counted: list[Any] = [_expectation(ROWS, batch)]
    as_written: list[Any] = []
    for rule in rules:
        if rule.expectation is None:
            counted.append(_expectation(rule, batch))
            continue
        try:
            as_written.append(_own_expectation(rule))
        except (GreatExpectationsError, ValueError, TypeError) as error:
            outcomes[rule.name] = Outcome(None, error=" ".join(str(error).split()))
    result = _run(connection, batch, name, counted)
    if as_written:  # apart: one metric that fails spoils all of its run
        result = _joined(result, _run(connection, batch, name, as_written))
    for entry in result["results"]:
        trouble = _trouble(entry["exception_info"])
        value = entry["result"].get("observed_value")
        found = Outcome(None, error=trouble) if trouble else Outcome(bool(entry["success"]), value)
        outcomes[entry["expectation_config"]["meta"]["rule"]] = found
    rows = outcomes.pop(ROWS.name)
    return int(rows.value or 0), outcomes, result


def _expectation(rule: Rule, batch: str) -> Any:
    measure = str(rule.measure).replace(BATCH, f'"{batch}"')
    arguments: dict[str, Any] = {
        "rule": rule.name,
        "measure": measure,
        "limits": [list(limit) for limit in rule.limits],
        "unit": rule.unit,
        "description": rule.description or None,
        "severity": SEVERITY[rule.severity],
        "meta": {"rule": rule.name},
    }
    return ExpectRuleToBeKept(**arguments)


def _own_expectation(rule: Rule) -> Any:
    kind, arguments = rule.expectation or ("", {})
    if kind not in list_registered_expectation_implementations():
        raise ValueError(f"Great Expectations knows no expectation '{kind}'")
    described: dict[str, Any] = {"meta": {"rule": rule.name}, "severity": SEVERITY[rule.severity]}
    return ExpectationConfiguration(type=kind, kwargs=arguments, **described).to_domain_obj()


def _run(connection: duckdb.DuckDBPyConnection, batch: str, name: str, expectations: list[Any]) -> dict[str, Any]:
    with ONE_AT_A_TIME, _quiet():
        context: Any = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        kwargs = {"creator": lambda: Session(connection), "poolclass": StaticPool}
        source = context.data_sources.add_sql("session", connection_string=f"{DIALECT}://", kwargs=kwargs)
        whole = source.add_table_asset(name, table_name=batch).add_batch_definition_whole_table("all")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=whole, suite=suite))
        document: dict[str, Any] = definition.run(result_format="BASIC").to_json_dict()
    return _without_chance(document)


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two results of one suite as one."""
    results = [*one["results"], *other["results"]]
    kept = sum(bool(entry["success"]) for entry in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": kept,
        "unsuccessful_expectations": len(results) - kept,
        "success_percent": 100 * kept / len(results),
    }
    return {**one, "success": one["success"] and other["success"], "statistics": statistics, "results": results}


def _without_chance(document: dict[str, Any]) -> dict[str, Any]:
    """The result without what differs from run to run: drawn ids and clock times."""
    kept = {key: document["meta"][key] for key in ("great_expectations_version", "active_batch_definition")}
    for entry in document["results"]:
        entry["expectation_config"].pop("id", None)
    return {key: document[key] for key in ("success", "suite_name", "statistics", "results")} | {"meta": kept}


def _trouble(info: dict[str, Any]) -> str | None:
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")]
    return " ".join(raised[0].split())[:300] if raised else None


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"great_expectations\.|pydantic\.|marshmallow\.")
        yield


def write_data_docs(document: dict[str, Any], folder: Path) -> Path:
    """Write Great Expectations' Data Docs of a result, without running anything again and without rows of the data.

    Its template would fetch style sheets and scripts from six other places; the page stands alone instead.

    Args:
        document: Great Expectations' result, as `run_expectations` returns it.
        folder: Where to write; made where it is missing.

    Returns:
        The page, `index.html` in the folder.
    """
    results = []
    for entry in document["results"]:
        plain = [key for key in entry["result"] if "unexpected_" not in key or key.endswith(("count", "percent"))]
        told = {key: entry["result"][key] for key in plain}
        config = ExpectationConfiguration(**entry["expectation_config"])
        trouble = entry["exception_info"]
        results.append(ExpectationValidationResult(entry["success"], config, told, exception_info=trouble))
    with _quiet():
        result = ExpectationSuiteValidationResult(
            success=document["success"],
            results=results,
            suite_name=document["suite_name"],
            statistics=document["statistics"],
            meta={**document["meta"], "run_id": {"run_name": document["suite_name"], "run_time": None}},
        )
        rendered = ValidationResultsPageRenderer().render(result)
        view: Any = DefaultJinjaPageView()
        page = str(view.render(rendered))
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.html"
    title = html.escape(f"Data Docs: {document['suite_name']}")
    index.write_text(self_contained(page, title), encoding="utf-8")
    return index
