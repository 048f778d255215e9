"""Refuse SQL of a contract that is anything but one SELECT over the rows that are judged.

A rule runs on the caller's connection, beside the rows, so that nothing is copied; what makes that safe is its parsed tree,
which is held against lists of what is allowed. What no list names is refused, also what a later DuckDB may bring:

- one SELECT statement; no parameters, recursion, PIVOT, SHOW, sampling or time travel;
- relations: the judged rows, subqueries, and common table expressions where they are in scope (a name that hides a table is
  therefore never taken for that table); as table functions only `unnest`, `range` and `generate_series`;
- functions: those of DuckDB that give the same answer each time, have no side effect, and give a number, a truth value or a
  time; and of those that make text or lists the ones in `GROWING` and `TEXT`, whose results are bounded. No function reads
  files, settings, variables, secrets, sequences or the catalog, none makes `1e9` characters out of one, and none runs SQL;
  a database that gives one of DuckDB's names to a macro or a function of its own is refused before any rule runs;
- types: built-in ones that need no extension and reserve no memory.

Parsing happens on a DuckDB of its own whose external access is off. That the rules also end in time is held by
`data_contracts.rules.deadline`.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

import duckdb

from data_contracts.contract import ContractError

SAFE_TABLE = '"__batch"'  # in quotes, as the name that takes its place when the rule runs: what is checked is what runs
TABLE_FUNCTIONS = ("unnest", "range", "generate_series")
LONGEST_QUERY = 20_000
LARGEST_GROWTH = 100
PARTS = {
    *("SELECT_NODE", "SET_OPERATION_NODE", "BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION"),
    *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
    *("ORDER_DEFAULT", "ASCENDING", "DESCENDING", "ORDER_ASCENDING", "ORDER_DESCENDING"),
    *("DECIMAL_TYPE_INFO", "LIST_TYPE_INFO", "STRUCT_TYPE_INFO", "STRING_TYPE_INFO", "UNBOUND_TYPE_INFO"),
}
CLASSES = {
    *("COLUMN_REF", "CONSTANT", "FUNCTION", "COMPARISON", "CONJUNCTION", "OPERATOR", "CAST", "CASE", "BETWEEN", "SUBQUERY"),
    *("WINDOW", "STAR", "LAMBDA", "LAMBDA_REF", "COLLATE", "POSITIONAL_REFERENCE"),
}
FIXED_SIZE = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIME WITH TIME ZONE", "INTERVAL", "UUID", "TIMESTAMP"),
    *("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_TZ", "TIME_NS"),
}
GROWING = {"concat", "concat_ws", "||", "+", "add", "list_value", "list_pack", "struct_pack", "row", "list_concat", "list_cat"}
REPLACING = {"replace", "regexp_replace"}
TEXT = {
    *("lower", "upper", "lcase", "ucase", "trim", "ltrim", "rtrim", "substr", "substring", "left", "right", "reverse"),
    *("strip_accents", "nfc_normalize", "chr", "translate", "regexp_extract", "regexp_extract_all", "split_part", "strftime"),
    *("string_split", "split", "str_split", "string_split_regex", "str_split_regex", "dayname", "monthname", "typeof"),
    *("md5", "sha1", "sha256", "greatest", "least", "nullif", "ifnull", "struct_extract", "struct_extract_at", "unnest"),
    *("list_extract", "list_element", "element_at", "array_extract", "list_filter", "list_distinct", "list_sort", "list_slice"),
    *("array_slice", "list_sum", "list_avg", "list_min", "list_max", "map_extract", "map_keys", "map_values", "->", "->>"),
    *("json_extract", "json_extract_string", "json_value", "json_type", "json_keys", "json_exists", "json_array_length"),
    *("date_part", "datepart", "timezone", "fdiv", "fmod", "round_even", "roundbankers", "subtract", "date_add"),
    *("-", "&", "|", "~", "<<", ">>", "xor"),
}
CLOCK = {"now", "today", "current_date", "get_current_timestamp", "get_current_time", "transaction_timestamp"}
LONG_STATE = {  # aggregates whose one value holds all rows, or that draw lots
    *("list", "array_agg", "string_agg", "group_concat", "listagg", "histogram", "histogram_exact", "bitstring_agg"),
    *("approx_top_k", "reservoir_quantile"),
}
SLOW = {  # time that grows with the square of a text's length, within one call that nothing can interrupt
    *("levenshtein", "editdist3", "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity", "factorial"),
}
PATTERNS = {"~~", "!~~", "~~*", "!~~*", "~~~", "like_escape", "ilike_escape", "not_like_escape", "not_ilike_escape"}


@lru_cache(maxsize=512)
def require_select(query: str, rule: str) -> None:
    """Check that a query is one SELECT that reads only the table `__batch` and its own subqueries, and has no side effect.

    Args:
        query: The SQL text, in which the judged rows are called `__batch`.
        rule: Name of the rule, for the message.

    Raises:
        ContractError: The query is something else.
    """
    expected = "expected one SELECT over ${table}; correct the rule"
    if len(query) > LONGEST_QUERY:
        raise ContractError(f"rule '{rule}': its SQL has {len(query)} characters; expected at most {LONGEST_QUERY}; shorten it")
    try:
        tree, fault = _tree(query)
        fault = fault or _fault(tree, frozenset((SAFE_TABLE.strip('"'),)))
        if fault is None and _growth(tree) > LARGEST_GROWTH:
            fault = f"makes values more than {LARGEST_GROWTH} times as long as those of the rows"
    except RecursionError:
        fault = "is nested too deeply"
    except duckdb.Error as error:
        raise ContractError(f"rule '{rule}': its SQL cannot be read ({str(error).splitlines()[0]}); {expected}") from error
    if fault:
        raise ContractError(f"rule '{rule}': its SQL {fault}; {expected}")


def require_condition(condition: str, rule: str) -> bool:
    """Check that text is one SQL condition over a row of the table `__batch`.

    Args:
        condition: The SQL text.
        rule: Name of the rule, for the message.

    Returns:
        Whether it stands alone as a condition: not where it brings a GROUP BY or a second SELECT of its own.

    Raises:
        ContractError: The text reads or calls what a rule must not.
    """
    try:
        plain = duckdb.extract_statements(f"SELECT ({condition})") and duckdb.extract_statements(f"SELECT [{condition}]")
    except duckdb.Error:
        return False
    require_select(f"SELECT * FROM {SAFE_TABLE} WHERE ({condition})", rule)
    return len(plain) == 1


def require_own_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Check that the functions that rules call by their names are DuckDB's: a macro of the same name would run instead.

    Args:
        connection: Connection that the rules run on.

    Raises:
        ContractError: The database has a macro or a function under a name that is one of DuckDB's.
    """
    own = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()  # no call
    if found := sorted(name for (name,) in own if name.lower() in _functions_of_duckdb()):
        names = ", ".join(f"'{name}'" for name in found)
        raise ContractError(f"database: defines {names} anew; expected DuckDB's own functions under their names; rename it")


def brings_sql(arguments: Any) -> bool:
    """Whether the arguments of a Great Expectations expectation hold SQL, or words that it evaluates."""
    if isinstance(arguments, dict):
        named = any(word in str(key).lower() for key in arguments for word in ("query", "sql", "condition", "$"))
        return named or any(brings_sql(value) for value in arguments.values())
    return isinstance(arguments, list) and any(brings_sql(value) for value in arguments)


def _tree(query: str) -> tuple[Any, str | None]:
    """The parsed tree of one SELECT, or what else the query is."""
    connection = duckdb.connect(config={"enable_external_access": False})
    try:
        statements = connection.extract_statements(query)
        if len(statements) != 1:
            return None, f"holds {len(statements)} statements"
        if statements[0].type != duckdb.StatementType.SELECT:
            return None, f"holds {statements[0].type.name} statement"
        if not _stands_alone(connection, query):
            return None, "ends in a comment or does not stand alone"
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query.rstrip().rstrip(";")]).fetchone()
    finally:
        connection.close()
    tree = json.loads(row[0]) if row else {"error": True}
    return (None, "is not a SELECT that can be checked") if tree["error"] else (tree["statements"], None)


def _stands_alone(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether text stays what it is between brackets: a comment at its end would swallow what is written behind it."""
    try:
        return len(connection.extract_statements(f"SELECT ({query.rstrip().rstrip(';')})")) == 1
    except duckdb.Error:
        return False


def _fault(part: Any, visible: frozenset[str]) -> str | None:
    """The first thing in a tree that a rule must not do; None for the tree of a rule.

    Args:
        part: The tree, or a part of it.
        visible: Names that a relation may have here, in lower case.
    """
    if isinstance(part, list):
        return next((fault for item in part if (fault := _fault(item, visible))), None)
    if not isinstance(part, dict):
        return None
    for entry in (part.get("cte_map") or {}).get("map", ()):  # each sees those before it, and the query sees them all
        fault = _fault(entry["value"]["query"], visible)
        if fault:
            return fault
        visible |= {str(entry["key"]).lower()}
    fault = _own_fault(part, visible)
    if fault:
        return fault
    if part.get("type") == "TABLE_FUNCTION":
        part = {**part, "function": part["function"]["children"]}
    return next((found for key, value in part.items() if key != "cte_map" and (found := _fault(value, visible))), None)


def _own_fault(part: dict[str, Any], visible: frozenset[str]) -> str | None:
    """What is wrong with a part of a tree itself, its children left aside."""
    kind, group = part.get("type"), part.get("class")
    if group is not None:
        if group not in CLASSES:
            return f"holds {str(group).lower()}"
        if group in ("FUNCTION", "WINDOW"):
            return _function_fault(part)
        return f"collates by '{part.get('collation')}'" if group == "COLLATE" else None
    if isinstance(kind, str) and kind not in PARTS:
        return f"holds {kind.lower().replace('_', ' ')}"
    if kind == "BASE_TABLE" and (str(part["table_name"]).lower() not in visible or _place(part)):
        return f"reads '{part['table_name']}'"
    if kind == "TABLE_FUNCTION" and (name := part["function"].get("function_name")) not in TABLE_FUNCTIONS:
        return f"calls '{name}'"
    if part.get("sample") or part.get("at_clause"):
        return "asks for a sample or a version"
    if kind == "UNBOUND_TYPE_INFO" and str(part.get("name")).upper() != "JSON":
        return f"names type '{part.get('name')}'"
    unsafe = part.get("id") in ("ARRAY", "BLOB", "ENUM", "USER") and part.get("type_info")
    return f"names a type of kind {part['id']}" if unsafe else None


def _function_fault(call: dict[str, Any]) -> str | None:
    name = str(call.get("function_name")).lower()
    children = call.get("children") or []
    if _place(call) not in ("", "main"):
        return f"calls '{_place(call)}.{name}'"
    if name not in _allowed():
        return f"calls '{name}'"
    if name in REPLACING and any(child.get("class") != "CONSTANT" for child in children[2:]):
        return f"calls '{name}' with a text that is not written out"
    if name in PATTERNS:
        text = str((children[1].get("value") or {}).get("value", "")) if len(children) > 1 else ""
        if children[1:] and children[1].get("class") != "CONSTANT":
            return "matches a pattern that is not written out"
        loops = text.rstrip("%*").count("*" if name == "~~~" else "%")
        if loops > 1 and ("_" in text or name not in ("~~", "!~~")):
            return f"matches {text!r}, which can take forever (use regexp_matches)"
    return None


def _place(part: dict[str, Any]) -> str:
    return ".".join(str(part[key]) for key in ("catalog_name", "catalog", "schema_name", "schema") if part.get(key))


def _growth(part: Any) -> int:
    """How many times as long as its longest input a value can become on its way through the queries of a tree."""
    queries: list[int] = []
    pending: list[Any] = [part]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if "cte_map" in node:
                own = [value for key, value in node.items() if key != "cte_map"]
                queries.append(max((_width(value) for value in own), default=1))
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return math.prod(queries)


def _width(part: Any) -> int:
    """Growth within the expressions of one query, its subqueries left aside."""
    if isinstance(part, list):
        return max((_width(item) for item in part), default=1)
    if not isinstance(part, dict) or "cte_map" in part:
        return 1
    name = str(part.get("function_name", "")).lower()
    children = [_width(child) for child in part.get("children") or []]
    if name in GROWING and part.get("class") == "FUNCTION":
        return sum(children) or 1
    widest = max((_width(value) for value in part.values()), default=1)
    if name in REPLACING:
        written = [str((child.get("value") or {}).get("value", "")) for child in (part.get("children") or [])[2:3]]
        return widest * max([1, *(len(text) + 1 for text in written if len(text) > 1)])
    return widest


@lru_cache(maxsize=1)
def _functions_of_duckdb() -> frozenset[str]:
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        rows = connection.execute("SELECT DISTINCT lower(function_name) FROM duckdb_functions()").fetchall()
    return frozenset(str(name) for (name,) in rows)


@lru_cache(maxsize=1)
def _allowed() -> frozenset[str]:
    """Names of the functions that a rule may call, told from DuckDB's own catalog."""
    connection = duckdb.connect(config={"enable_external_access": False})
    try:
        rows = connection.execute(
            "SELECT function_name, function_type, bool_and(coalesce(has_side_effects, false) = false "
            "AND stability = 'CONSISTENT'), list(DISTINCT return_type) FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate') GROUP BY ALL"
        ).fetchall()
    finally:
        connection.close()
    pure = {str(name) for name, kind, same, made in rows if same and (kind == "aggregate" or set(made) <= FIXED_SIZE)}
    pure -= LONG_STATE | SLOW
    return frozenset({name for name in pure if not name.startswith("__")} | GROWING | REPLACING | TEXT | CLOCK)
