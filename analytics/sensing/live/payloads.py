"""What messages of a feed mean: SensorThings observations and plain JSON become readings as a declared mapping says.

Nothing is guessed: a message that the mapping does not explain is refused with the rule it broke. Values and instants stay as
they were written, for the contract `sensor_readings` to judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Column = Literal["site_id", "observed_property", "interval_start_at", "interval_s", "value", "unit"]
NEEDED: tuple[Column, ...] = ("site_id", "observed_property", "interval_start_at", "value", "unit")
MAX_READINGS = 1000
"""So many readings may stand in one message."""
LONGEST_TEXT = 1000
"""A longer text is cut and marked, so that it is neither number nor instant. [characters]"""
_LEVEL = re.compile(r"\{([a-z_]+)\}")
_OFFSET = re.compile(r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$", re.IGNORECASE)


class Refused(ValueError):
    """A message, or a reading in it, is none.

    Attributes:
        rule: Name of the rule that it breaks.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule


class Part(BaseModel):
    """A part of a mapping; what is not known in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Datastream(Part):
    """What a SensorThings Datastream observes."""

    site_id: str
    observed_property: str
    unit: str
    interval_s: float = Field(0.0, ge=0)


class SensorThings(Part):
    """OGC SensorThings over MQTT: `v1.1/Datastreams(ID)/Observations`.

    Attributes:
        prefix: What stands in topics before `Datastreams`.
        datastreams: What each Datastream observes, by its `@iot.id`.

    Source:
        OGC 18-088, SensorThings API part 1: sensing, version 1.1, section 14.
    """

    format: Literal["sensorthings"]
    prefix: str = "v1.1"
    datastreams: dict[str, Datastream] = Field(min_length=1)

    def topics(self) -> list[str]:
        """What to subscribe to."""
        return [f"{self.prefix}/Datastreams({name})/Observations" for name in self.datastreams]

    def topic_columns(self, topic: str) -> dict[str, Any]:
        """What a topic alone says about the readings of its messages."""
        before, after = f"{self.prefix}/Datastreams(", ")/Observations"
        name = topic[len(before) : -len(after)] if topic.startswith(before) and topic.endswith(after) else None
        found = self.datastreams.get(name.strip("'")) if name is not None else None
        if found is None:
            raise Refused("topic.known", f"no Datastream of the mapping is at '{topic[:200]}'")
        return found.model_dump()

    def records(self, document: object) -> Iterator[dict[str, Any]]:
        """The observation of a message, as columns."""
        if not isinstance(document, dict):
            raise Refused("message.object", "the message is no JSON object; expected an Observation")
        if "result" not in document or not isinstance(document.get("phenomenonTime"), str):
            raise Refused("message.fields", "the Observation lacks 'phenomenonTime' or 'result'; expected both")
        start, slash, end = document["phenomenonTime"].partition("/")
        columns = {"interval_start_at": start, "value": document["result"]}
        if slash:
            try:
                columns["interval_s"] = (_instant(end) - _instant(start)).total_seconds()
            except ValueError:
                raise Refused(
                    "message.interval", f"phenomenonTime '{start[:40]}/{end[:40]}' is no interval of instants"
                ) from None
        yield columns


class Value(Part):
    """What one field of a message with several values holds."""

    observed_property: str
    unit: str


class Plain(Part):
    """JSON objects, or lists of them, below topics such as `city/{site_id}/{observed_property}`.

    Every column comes from one place: a level of the topic, a field or a constant.

    Attributes:
        topic: Levels in braces are columns; `+` and `#` match as MQTT has it.
        fields: Column -> field of the object; dots lead into objects within.
        constants: Column -> text for all messages.
        values: Field -> what it holds, for objects with several values; then `value`, `unit` and `observed_property` come
            from nowhere else. A field that an object lacks is passed over.
        time: How `interval_start_at` is written: ISO 8601 with an offset, or seconds or milliseconds since 1970 (UTC).
    """

    format: Literal["plain"]
    topic: str = Field(min_length=1)
    fields: dict[Column, str]
    constants: dict[Column, str] = Field(default_factory=dict)
    values: dict[str, Value] = Field(default_factory=dict)
    time: Literal["iso", "unix_s", "unix_ms"] = "iso"

    @model_validator(mode="after")
    def _each_once(self) -> Plain:
        levels = [level for part in self.topic.split("/") for level in _LEVEL.findall(part)]
        if odd := [part for part in self.topic.split("/") if "{" in part and not _LEVEL.fullmatch(part)]:
            raise ValueError(f"level '{odd[0]}' of the topic is no column; expected one such as '{{site_id}}'; correct it")
        if unknown := sorted(set(levels) - {"site_id", "observed_property", "unit"}):
            raise ValueError(f"'{{{unknown[0]}}}' cannot be a level; expected site_id, observed_property or unit; correct it")
        given = [*levels, *self.fields, *self.constants, *(("observed_property", "unit", "value") if self.values else ())]
        for column in NEEDED:
            if given.count(column) != 1:
                raise ValueError(
                    f"column '{column}' is given {given.count(column)} times; expected it once: as a level of the topic, "
                    "in fields, in constants or by values; correct it"
                )
        if given.count("interval_s") > 1:
            raise ValueError("column 'interval_s' is given twice; expected it once at most; remove one")
        return self

    def topics(self) -> list[str]:
        """What to subscribe to."""
        return [_LEVEL.sub("+", self.topic)]

    def topic_columns(self, topic: str) -> dict[str, Any]:
        """What a topic alone says about the readings of its messages."""
        columns: dict[str, Any] = {str(name): text for name, text in self.constants.items()}
        wanted, found = self.topic.split("/"), topic.split("/")
        for place, level in enumerate(wanted):
            if level == "#":
                return columns
            if place >= len(found) or not (level in ("+", found[place]) or _LEVEL.fullmatch(level)):
                break
            if name := _LEVEL.fullmatch(level):
                columns[name[1]] = found[place]
        else:
            if len(found) == len(wanted):
                return columns
        raise Refused("topic.known", f"topic '{topic[:200]}' is not '{self.topic}'")

    def records(self, document: object) -> Iterator[dict[str, Any]]:
        """The readings of a message, as columns."""
        for record in document if isinstance(document, list) else (document,):
            if not isinstance(record, dict):
                raise Refused("message.object", "the message is neither a JSON object nor a list of them")
            columns: dict[str, Any] = {column: _at(record, field) for column, field in self.fields.items()}
            if self.time != "iso":
                columns["interval_start_at"] = _since_1970(columns["interval_start_at"], self.time)
            if not self.values:
                yield columns
                continue
            there = [field for field in self.values if _at(record, field, missing=True) is not _MISSING]
            if not there:
                raise Refused("message.fields", f"the message has none of the fields {', '.join(self.values)}")
            for field in there:
                yield {**columns, "value": _at(record, field), **self.values[field].model_dump()}


Meaning = Annotated[SensorThings | Plain, Field(discriminator="format")]
"""What the messages of a feed mean."""


@dataclass(frozen=True)
class Document:
    """Reads the JSON of messages strictly: RFC 8259, each name once; numbers stay as they were written."""

    decoder: json.JSONDecoder

    @classmethod
    def strict(cls) -> Document:
        """A reader of documents."""
        return cls(json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_once))

    def read(self, payload: bytes) -> object:
        """The document of a message.

        Raises:
            Refused: It is no JSON.
        """
        try:
            return self.decoder.decode(payload.decode("utf-8"))
        except RecursionError:
            raise Refused("message.json", "the message is nested too deep") from None
        except UnicodeDecodeError as error:
            raise Refused("message.encoding", f"the message is no UTF-8 at byte {error.start}") from None
        except ValueError as error:
            raise Refused("message.json", f"the message is no JSON: {str(error)[:200]}") from None


def text_of(value: object) -> str | None:
    """A JSON value as a text that can be stored: as written, cut where it is too long, its lone surrogates escaped.

    Raises:
        Refused: It is an object or a list.
    """
    if type(value) is str and len(value) <= LONGEST_TEXT and value.isascii():
        return value
    if value is None:
        return None
    if value is True or value is False:
        return str(value).lower()
    if not isinstance(value, str):
        raise Refused("message.fields", "an object or a list stands where a value is expected")
    if len(value) > LONGEST_TEXT:
        value = value[:LONGEST_TEXT] + "…"
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def require_offset(instant: str | None) -> None:
    """Refuse an instant that does not say its offset from UTC.

    Raises:
        Refused: It looks like an instant, and has none.
    """
    if instant is not None and not instant.endswith(("Z", "+00:00")) and _OFFSET.search(instant) is None:
        raise Refused("instant.offset", f"instant '{instant[:40]}' has no offset; expected one such as '2026-03-02T08:00:00Z'")


_MISSING = object()


def _at(record: Mapping[str, Any], field: str, *, missing: bool = False) -> Any:
    found: Any = record
    for name in (field,) if field in record else field.split("."):
        if not isinstance(found, dict) or name not in found:
            if missing:
                return _MISSING
            raise Refused("message.fields", f"the message lacks '{field}'")
        found = found[name]
    return found


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _since_1970(value: Any, kind: str) -> Any:
    """Seconds or milliseconds since 1970 as ISO 8601; as it was where it is no such number."""
    try:
        number = float(value)
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(number * (1e6 if kind == "unix_s" else 1e3)))
    except (TypeError, ValueError, OverflowError):
        raise Refused("instant.number", f"instant '{str(value)[:40]}' is no number of {kind}") from None
    return at.isoformat().replace("+00:00", "Z")


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found
