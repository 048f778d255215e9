"""The shape every sensor network's readings are brought into: one row per site, observed property and interval.

Readers (`analytics.sensing.formats`) write this shape as the source has it, judging nothing: text that is no number and no
instant stays as it was written, so that the contract `sensor_readings` refuses the row and says why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from analytics.lake import Connection, QueryError

COLUMNS = {
    "source_row": pa.int64(),
    "site_id": pa.string(),
    "observed_property": pa.string(),
    "interval_start_at": pa.string(),
    "interval_s": pa.float64(),
    "value": pa.string(),
    "unit": pa.string(),
    "coverage": pa.float64(),
    "flags": pa.string(),
}
"""Columns of readings as received, in order."""
BATCH_ROWS = 50_000
"""So many readings are held as Python objects at once."""


class SourceError(ValueError):
    """A source of readings cannot be read."""


class Reading(NamedTuple):
    """One reading as received.

    Attributes:
        source_row: Its place in the source, from 1: a line, or the number of the observation.
        site_id: The sensor's place, as `site_id_of` writes it; None where nobody says.
        observed_property: A name of `analytics.sensing.properties`, or the network's own where it is not known there; None
            where nobody says.
        interval_start_at: Start of what was measured, ISO 8601 with an offset; as written where it is no instant.
        interval_s: Length of what was measured, 0 for an instant; None where the source does not say. [s]
        value: As written.
        unit: As written; the format's own where the format fixes it; None where nobody says.
        coverage: Share of the interval that was measured, 0 to 1; None where the source does not say.
        flags: What the source or its reader says about it, separated by commas.
    """

    source_row: int
    site_id: str | None
    observed_property: str | None
    interval_start_at: str | None
    interval_s: float | None
    value: str | None
    unit: str | None
    coverage: float | None = None
    flags: str | None = None


def site_id_of(name: str) -> str:
    """The identifier of a site, from the name its owner gave it.

    Example:
        >>> site_id_of("188 Quay Street Lower Albert (EW)")
        '188_quay_street_lower_albert_ew'
        >>> site_id_of("Georg-Friedrich-Straße"), site_id_of("東")
        ('georg_friedrich_strasse', 'u6771')
    """
    plain = unicodedata.normalize("NFKD", name.lower().replace("ß", "ss"))
    letters = "".join(_letter(character) for character in plain if not unicodedata.combining(character))
    return "_".join(letters.split())


def _letter(character: str) -> str:
    """A letter or digit of ASCII as it is, of another script by its number, anything else as a blank."""
    if character.isascii():
        return character if character.isalnum() else " "
    return f" u{ord(character):x} " if character.isalnum() else " "


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def named(text: str, most: int = 60) -> str:
    """A text that came with the readings as a message shows it: in one line, cut.

    Args:
        text: The text.
        most: So much of it is shown. [characters]
    """
    line = " ".join(text[: most + 1].split())
    return line if len(text) <= most else line[:most] + "…"


def write_readings(connection: Connection, readings: Iterable[Reading], *, table: str) -> None:
    """Create `table` with readings, `BATCH_ROWS` at a time.

    Args:
        connection: Where the table is made.
        readings: The readings; what fails while they are made leaves no table.
        table: Name of the table to create.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(table)} ({_sql_columns()})")
    try:
        rest = iter(readings)
        while some := list(islice(rest, BATCH_ROWS)):
            _append(connection, some, table)
    except BaseException:
        connection.execute(f"DROP TABLE {quoted(table)}")
        raise


def check_timezone(connection: Connection, timezone: str) -> None:
    """Raise where a time zone is unknown.

    Raises:
        SourceError: It is.
    """
    try:
        connection.execute("SELECT now() AT TIME ZONE ?", [timezone])
    except QueryError:
        raise SourceError(
            f"timezone '{timezone}' is unknown; expected an IANA name such as 'Pacific/Auckland'; correct it"
        ) from None


def _append(connection: Connection, some: Sequence[Reading], table: str) -> None:
    columns = zip(*some, strict=True)
    arrays = [pa.array(column, type=kind) for column, kind in zip(columns, COLUMNS.values(), strict=True)]
    connection.register("readings_batch", pa.Table.from_arrays(arrays, names=list(COLUMNS)))
    connection.execute(f"INSERT INTO {quoted(table)} FROM readings_batch")
    connection.unregister("readings_batch")


def _sql_columns() -> str:
    names = {pa.int64(): "BIGINT", pa.string(): "VARCHAR", pa.float64(): "DOUBLE"}
    return ", ".join(f"{name} {names[kind]}" for name, kind in COLUMNS.items())
