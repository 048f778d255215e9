"""How the columns of a table are readings: what a pilot file says under `reader_params` of the reader `tabular`.

For a file of hourly values with semicolons, decimal commas and -200 where nothing was measured, stamped at the end of each hour
in local standard time all the year:

    columns:
      time: [Date, Time]
      site: {fixed: roadside}
      values:
        CO(GT): {property: co, unit: mg/m3}
        T: {property: temperature, unit: degC}
    stamps: {stamp: end, interval_s: 3600, offset: "+01:00", time_format: "%d/%m/%Y %H.%M.%S"}
    cells: {decimal: ",", missing: [-200]}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

OFFSET = r"^[+-]\d{2}:\d{2}$"


class Part(BaseModel):
    """A part of the mapping; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Fixed(Part):
    """A value that is the same in every row.

    Attributes:
        fixed: The value.
    """

    fixed: str


class Column(Part):
    """What stands in one column of a wide table.

    Attributes:
        property: Observed property.
        unit: Its unit.
        site: Its site; that of the row where None.
        flags: Name of the column with what the source says about it.
    """

    property: str
    unit: str
    site: str | None = None
    flags: str | None = None


class Columns(Part):
    """Which column is what. A name stands for the column of that name, or the only one that begins with it and a blank.

    Attributes:
        time: Column of the instant, or several that are joined by a blank.
        site: Column of the site, or a fixed one.
        values: Of a wide table: each column of values.
        value: Of a long table: column of the value.
        property: Of a long table: column of the observed property, or a fixed one.
        unit: Of a long table: column of the unit, or a fixed one.
        interval_s: Column of the interval's length, or a fixed one; see `Stamps`. [s]
        coverage: Column of the share of the interval that was measured, 0 to 1.
        flags: Of a long table: column of what the source says about the reading.
    """

    time: str | list[str] = "interval_start_at"
    site: str | Fixed = "site_id"
    values: Annotated[dict[str, Column], Field(min_length=1, max_length=500)] | None = None
    value: str = "value"
    property: str | Fixed = "observed_property"
    unit: str | Fixed = "unit"
    interval_s: str | None = None
    coverage: str | None = None
    flags: str | None = None


class Stamps(Part):
    """How instants are written.

    Attributes:
        stamp: Whether they name the start or the end of the interval.
        interval_s: Length of every interval; None where unknown. [s]
        offset: Offset from UTC that all instants have, whatever they say; for stamps whose `Z` is not true, and for local
            standard time all the year.
        time_format: As DuckDB's `strptime` has it, or `epoch_s`, `epoch_ms`, `epoch_us`; ISO 8601 where None.
    """

    stamp: Literal["start", "end"] = "start"
    interval_s: Annotated[float, Field(ge=0, le=31_622_400)] | None = None
    offset: Annotated[str, StringConstraints(pattern=OFFSET)] | None = None
    time_format: Annotated[str, StringConstraints(min_length=2, max_length=60)] | None = None


class Cells(Part):
    """How cells are written.

    Attributes:
        decimal: The decimal mark.
        missing: What stands where nothing was measured, such as -200; such a cell is no reading. Empty cells of a wide table
            are none either.
        fine: What stands in columns of flags where nothing is wrong, such as 0.
        delimiter: What parts the fields of a CSV file; the header shows it where None.
        encoding: Of a CSV file; its bytes show it where None.
    """

    decimal: Literal[".", ","] = "."
    missing: list[str] = []
    fine: list[str] = []
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    encoding: Literal["utf-8", "utf-16", "latin-1"] | None = None
