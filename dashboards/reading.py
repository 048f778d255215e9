"""Reading from the lake for pages: each batch on a fresh read-only connection, so that flows can go on writing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from analytics.lake import Connection, open_lake, retry, transaction
from experiments.settings import load_settings

T = TypeVar("T")
Row = dict[str, Any]


def read(work: Callable[[Connection], T]) -> T:
    """Do some reading in one transaction of a fresh connection; again while a flow holds the catalog."""

    def once() -> T:
        settings = load_settings()
        connection = open_lake(settings.catalog, settings.lake_files, read_only=True)
        try:
            with transaction(connection):
                return work(connection)
        finally:
            connection.close()

    return retry(once, wait_s=20)


def records(connection: Connection, query: str, values: list[object] | dict[str, object] | None = None) -> list[Row]:
    """The rows of a query, each by the names of its columns."""
    found = connection.execute(query, values or [])
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
