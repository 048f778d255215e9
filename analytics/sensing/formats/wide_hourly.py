"""Hourly counts as a spreadsheet has them: one column per sensor beside a date and an hour."""

from __future__ import annotations

from pathlib import Path

from analytics.lake import Connection, QueryError
from analytics.sensing.readings import SourceError, quoted, site_id_of


def _columns(connection: Connection, source: str) -> list[str]:
    path = Path(source)
    if not path.is_file():
        raise SourceError(f"{source}: the file was not found; expected a CSV file; correct the feed's source")
    if path.stat().st_size == 0:
        raise SourceError(f"{source}: the file is empty; expected a header and rows; fetch the file again")
    try:
        rows = connection.execute(
            "DESCRIBE SELECT * FROM read_csv(?, all_varchar=true, header=true, delim=',', quote='\"')", [source]
        ).fetchall()
    except QueryError as error:
        first = str(error).splitlines()[0]
        raise SourceError(f"{source}: not a readable CSV file ({first}); expected comma-separated UTF-8") from None
    return [str(row[0]) for row in rows]


def wide_hourly_csv(connection: Connection, source: str, *, table: str) -> None:
    """Read hourly counts that stand in one column per sensor, beside a `date` and an `hour` column.

    Creates `table` with one row per cell, in the file's order: `source_row` (line of the file, the header is line 1),
    `site_id`, `date_label`, `hour_label` (both as written) and `crossings` (as written; empty is null).

    Args:
        connection: Where the table is made.
        source: Path of the CSV file.
        table: Name of the table to create.

    Raises:
        SourceError: The file is missing, empty, not CSV, or lacks `date`, `hour` or any sensor column.
    """
    columns = _columns(connection, source)
    missing = [name for name in ("date", "hour") if name not in columns]
    sensors = [name for name in columns if name not in ("date", "hour", "year")]
    if missing or not sensors:
        wanted = " and ".join(f"'{name}'" for name in missing) or "any sensor"
        raise SourceError(
            f"{source}: column {wanted} is missing among {', '.join(columns[:6])} …; expected 'date', 'hour' and one "
            "column per sensor; correct the file or choose another reader"
        )
    twins = {site_id_of(name) for name in sensors}
    if len(twins) != len(sensors):
        raise SourceError(f"{source}: two sensor columns share a name; expected different names; rename one")
    names = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" AS {quoted(site_id_of(name))}' for name in sensors)
    sites = ", ".join(quoted(site_id_of(name)) for name in sensors)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS WITH wide AS (SELECT row_number() OVER () + 1 AS source_row, "
            f"date AS date_label, hour AS hour_label, {names} "
            "FROM read_csv(?, all_varchar=true, header=true, delim=',', quote='\"')) "
            "SELECT source_row, site_id, date_label, hour_label, crossings FROM wide "
            f"UNPIVOT INCLUDE NULLS (crossings FOR site_id IN ({sites}))",
            [source],
        )
    except QueryError as error:
        first = str(error).splitlines()[0]
        raise SourceError(f"{source}: not a readable CSV file ({first}); expected comma-separated UTF-8") from None
