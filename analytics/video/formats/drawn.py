"""What was drawn on a camera's picture: counting lines, zones and ground points, in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from analytics.video.measures.lines import Line, read_line
from analytics.video.source import SourceError, open_source

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Number, Number]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^,=\s][^,=\n]*$")]


class DrawnPart(BaseModel):
    """Part of the file; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class DrawnLine(DrawnPart):
    """A counting line: two points, and a name for each direction (see `lines.Line`)."""

    name: Name
    points: tuple[Point, Point]
    to_right: Name = "to_right"
    to_left: Name = "to_left"

    @model_validator(mode="after")
    def _differ(self) -> DrawnLine:
        if self.points[0] == self.points[1]:
            raise ValueError(f"line {self.name}: both points are the same; draw two")
        if self.to_right == self.to_left:
            raise ValueError(f"line {self.name}: both directions are '{self.to_right}'; rename one")
        return self


class DrawnZone(DrawnPart):
    """A polygon of three points or more."""

    name: Name
    points: tuple[Point, ...] = Field(min_length=3)


class GroundPointOnMap(DrawnPart):
    """A point on the ground: where it is in the picture, and where it was measured, in metres."""

    image: Point
    ground: Point


class Drawn(DrawnPart):
    """The file: `size` is the resolution that all coordinates are in, in pixels."""

    size: tuple[int, int]
    lines: tuple[DrawnLine, ...] = ()
    zones: tuple[DrawnZone, ...] = ()
    ground_points: tuple[GroundPointOnMap, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Drawn:
        if min(self.size) < 1:
            raise ValueError(f"size is {self.size[0]}x{self.size[1]}; expected a width and a height; correct it")
        names = [*(line.name for line in self.lines), *(zone.name for zone in self.zones)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name '{name}' is given twice; rename one")
        if 0 < len(self.ground_points) < 4:
            raise ValueError(f"ground_points has {len(self.ground_points)}; expected none, or four and more; set the others")
        return self

    def to_yaml(self) -> str:
        """The file's text, with one short line for each thing drawn."""
        document: dict[str, Any] = self.model_dump(mode="json")
        rows = [f"size: {document['size']}  # width and height that all coordinates are in [px]"]
        for name in ("lines", "zones", "ground_points"):
            if document[name]:
                rows.append(f"{name}:")
                rows += [
                    "  - "
                    + yaml.safe_dump(part, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()
                    for part in document[name]
                ]
        return "\n".join(rows) + "\n"

    def counting_lines(self) -> tuple[Line, ...]:
        """The lines; `Line.fit` brings them to the resolution of a source."""
        return tuple(Line(one.name, *one.points[0], *one.points[1], one.to_right, one.to_left, self.size) for one in self.lines)


def read_drawn(path: Path) -> Drawn:
    """Read a file that `testbed draw` wrote.

    Raises:
        SourceError: The file is missing, is no YAML, or says something else; every fault on a line of its own.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: found '{error.strerror}'; expected a file of 'testbed draw'; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: found '{str(error).splitlines()[0]}'; expected YAML; correct the file") from None
    return parse_drawn(document, str(path))


def parse_drawn(document: Any, where: str) -> Drawn:
    """Check what was drawn.

    Args:
        document: Plain values.
        where: What to call it in an error.

    Raises:
        SourceError: Something is wrong; every fault on a line of its own.
    """
    try:
        return Drawn.model_validate(document)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"]) or "file"
            found = fault["input"] if isinstance(fault["input"], str | int | float) else type(fault["input"]).__name__
            said = fault["msg"].removeprefix("Value error, ")
            faults.append(
                f"{where}: {said}" if fault["type"] == "value_error" else f"{where}: {place} is '{found}'; {said}; correct it"
            )
        raise SourceError("\n".join(faults)) from None


def lines_of(
    given: Sequence[str | Mapping[str, object]], source: str | None = None, *, frame_rate: float | None = None
) -> tuple[Line, ...]:
    """Counting lines as a user gives them: in words or fields (see `lines.read_line`), or in a file that was drawn.

    Args:
        given: Lines, and names of files that end in `.yaml`.
        source: The source to whose resolution they are brought; without it they stay as they are.
        frame_rate: Frames per second of the source to believe instead of what its file says. [1/s]

    Raises:
        SourceError: A line, a file or the source cannot be used, or a file holds no line.
    """
    found: list[Line] = []
    for one in given:
        if not (isinstance(one, str) and is_drawn(one)):
            found.append(read_line(one))
            continue
        drawn = read_drawn(Path(one)).counting_lines()
        if not drawn:
            raise SourceError(f"{one}: lines is '[]'; expected at least 1 line; draw one")
        found += drawn
    if source is None or all(line.size is None for line in found):
        return tuple(found)
    with open_source(source, frame_rate=frame_rate) as opened:
        return tuple(line.fit(opened.size) for line in found)


def is_drawn(text: str) -> bool:
    """Whether a text names a file that was drawn, not a line."""
    return text.endswith((".yaml", ".yml")) and "=" not in text
