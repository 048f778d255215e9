"""Files that people write: read, held against a model, and every fault said in a line of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from data_contracts.standard.faults import models_in, suggest

LONGEST = 60
"""Letters of what was found that are repeated in a message."""


class Part(BaseModel):
    """A part of a file that people write; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=Part)


def load(path: Path, model: type[Model], refusal: type[ValueError], *, start: str) -> Model:
    """Read a YAML file and hold it against its model.

    Args:
        path: The file.
        model: What it must hold.
        refusal: The error to raise.
        start: What somebody whose file holds something else may start from.

    Raises:
        ValueError: As `refusal`: the file cannot be read, or has faults: all of them, a line each.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refusal(f"{path}: cannot be read ('{error.strerror}'); expected a YAML file; check the path") from None
    except UnicodeDecodeError:
        raise refusal(f"{path}: is not UTF-8 text; expected a YAML file in UTF-8; save it again") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise refusal(f"{path}: {where}{problem}; expected valid YAML; correct the file") from None
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise refusal(f"{path}: holds {found}; expected the keys of a {model.__name__.lower()}; start from {start}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise refusal("\n".join(f"{path}: {line}" for line in faults(error, model))) from None


def faults(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What pydantic found, as lines a person can act on.

    A validator of the model states its faults a line each. A text that starts with `is` or `has` goes on after the name of
    the key, any other stands behind a colon.

    Args:
        error: What validating raised.
        model: The model that was validated.
    """
    found = error.errors(include_url=False)
    lines = []
    for fault in found:
        place = fault["loc"]
        where = ".".join(str(step) for step in place)
        if fault["type"] == "extra_forbidden":
            valid = sorted(_model_at(model, place[:-1]).model_fields)
            cure = suggest(str(place[-1]), valid) or "; remove it"
            lines.append(f"key '{where}' is unknown; expected one of {', '.join(valid)}{cure}")
        elif fault["type"] == "missing":
            lines.append(f"key '{where}' is missing; expected a value; add it")
        elif fault["type"] == "value_error":
            stated = str(fault["ctx"]["error"]).splitlines()
            lines += [f"{where}{' ' if line.startswith(('is ', 'has ')) else ': '}{line}" if where else line for line in stated]
        elif not any(other["loc"][: len(place)] == place != other["loc"] for other in found):
            # Where an item of a list is at fault pydantic also calls the list too short, which it is not.
            lines.append(wrong_value(where, fault["input"], fault["msg"]))
    return lines


def wrong_value(where: str, value: Any, message: str) -> str:
    """The line about a value of the wrong kind or size.

    Args:
        where: Name of what has the value.
        value: What was found.
        message: What pydantic says of it.

    Example:
        >>> wrong_value("wall_s", -1, "Input should be greater than 0")
        "wall_s is '-1'; expected greater than 0; correct it"
        >>> wrong_value("id", "A", "String should match pattern '[a-z]+'")
        "id is 'A'; expected text that matches '[a-z]+'; correct it"
    """
    found = repr(value).removeprefix("'").removesuffix("'")
    found = found if len(found) <= LONGEST else found[: LONGEST - 1] + "…"
    expected = message.replace("String should match pattern", "text that matches")
    expected = re.sub(r"^\w+ should (be|have) ", "", expected)
    return f"{where} is '{found}'; expected {expected[:1].lower()}{expected[1:]}; correct it"


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """The model that holds at a place of a file."""
    for step in place:
        if isinstance(step, int):
            continue
        if step not in model.model_fields:
            break
        model = next(models_in(model.model_fields[step].annotation), model)
    return model
