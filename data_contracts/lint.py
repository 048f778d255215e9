"""What a contract lacks although it can be executed: words for people, a key, the properties that privacy needs."""

from __future__ import annotations

from collections.abc import Iterator

from data_contracts.contract import Contract, rules_of

STATUSES = ("proposed", "draft", "active", "deprecated", "retired")


def lint(contract: Contract) -> list[str]:
    """What a contract lacks although it can be executed.

    Args:
        contract: The contract.

    Returns:
        One line for each finding; none for a clean contract.
    """
    document, found = contract.document, list[str]()
    if not document.description or not document.description.purpose:
        found.append("description.purpose is missing; say what the dataset is for")
    if not document.name:
        found.append("name is missing; give the dataset a name people read")
    if document.status not in STATUSES:
        found.append(f"status is '{document.status}'; tools expect one of {', '.join(STATUSES)}")
    several = len(contract.tables) > 1
    for one in contract.tables:
        found += [f"table '{one.table_name}', {line}" if several else line for line in _lint_table(one)]
    return [f"{contract.source}: {line}" for line in found]


def _lint_table(contract: Contract) -> Iterator[str]:
    if "testbed.personal_data" not in contract.custom:
        yield "custom property 'testbed.personal_data' is missing; say true or false"
    for column in contract.columns:
        if not column.logicalType:
            yield f"column '{column.name}' has no logicalType; say what kind of value it holds"
        if not column.description:
            yield f"column '{column.name}' has no description; say what it holds and its unit"
    has_key = contract.primary_key or any(column.unique for column in contract.columns)
    if not has_key and not any(rule.dimension == "uniqueness" for _, rule in rules_of(contract)):
        yield "no column is a primary key or unique; say what makes a row one of a kind"
    for where, rule in rules_of(contract):
        if rule.type != "library" and not rule.name:
            yield f"a rule of {where} has no name; name it, so that reports can"
        if not rule.description and rule.type != "text":
            yield f"rule '{rule.name or rule.metric}' of {where} has no description; say why it is there"
        if rule.mustBeBetween or rule.mustNotBeBetween:
            yield f"rule '{rule.name or rule.metric}' of {where} uses a 'between' that tools read in two ways; use two rules"
    if contract.custom.get("testbed.publication") == "open":
        counts = ("testbed.small_count", "testbed.round_to", "testbed.count_column")
        nobody = contract.custom.get("testbed.counts_people") is False
        if nobody and "crossings" in contract.column_names:
            yield "testbed.counts_people is false but there is a column 'crossings'; say true, or leave the column out"
        for needed in ("testbed.forbidden_columns", *(() if nobody else counts)):
            if needed not in contract.custom:
                yield f"open data lack custom property '{needed}'; the privacy rules need it"
