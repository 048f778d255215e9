"""The parameters of a feed: what a pilot file may give its reader and its analytic, and the files that they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from analytics import ANALYTICS, FOLLOWERS
from analytics.sensing.formats import READERS
from analytics.video.formats.drawn import is_drawn
from analytics.video.onnx.installed import as_file
from experiments.faults import wrong_value
from experiments.pilot import Feed
from experiments.settings import Settings
from flows.digests import digest_of, file_digest
from flows.stream_feeds import is_followed

_OURS = ("table", "for_s", "stop", "options")


def with_model(feed: Feed, settings: Settings) -> Feed:
    """The feed with its detector's file where the pilot names an installed model, and the document of its calibration."""
    if "calibration" in feed.params:
        from flows.collocated import with_calibration

        feed = feed.model_copy(update={"params": with_calibration(feed.params, settings, feed.analytic)})
    named = feed.params.get("detector")
    if not isinstance(named, str) or (file := as_file(named, settings.models)) == named:
        return feed
    return feed.model_copy(update={"params": {**feed.params, "detector": file}})


def named_files(feed: Feed) -> list[str]:
    """SHA-256 of each file that a feed's parameters name, drawn lines, a model, a calibration: another gives other rows."""
    texts = [str(text) for text in feed.params.get("lines", ()) if is_drawn(str(text))]
    texts += [str(feed.params.get("detector", ""))]
    given = feed.params.get("calibration")
    calibration = [digest_of(given)] if isinstance(given, dict) else []
    return [file_digest(Path(text)) for text in texts if Path(text).is_file()] + calibration


def analytic_of(feed: Feed) -> Callable[..., Any]:
    """The analytic that a feed names; that which follows, where its source is a stream."""
    return FOLLOWERS[feed.analytic] if is_followed(feed) else ANALYTICS[feed.analytic]


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of an analytic or a reader that a pilot file may give, with one for each field of its options."""
    found = inspect.signature(function).parameters
    own = {name: one for name, one in found.items() if one.kind is one.KEYWORD_ONLY and name not in _OURS}
    options, few = _options(function)
    hints = get_type_hints(options) if options else {}
    return own | {
        one.name: inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in few
    }


def _options(function: Callable[..., Any]) -> tuple[type[Any] | None, tuple[Field[Any], ...]]:
    """The class of a function's `options`, such as `CountOptions`, and its fields; None and no fields where it has none."""
    found = inspect.signature(function).parameters.get("options")
    if found is None:
        return None, ()
    options = _hint(function, found)
    return options, fields(options)


def arguments_of(feed: Feed, timezone: str) -> tuple[dict[str, Any], list[str]]:
    """A feed's parameters as its analytic wants them, and what is wrong with them; the time zone is the pilot's."""
    return _arguments(analytic_of(feed), feed.analytic, feed.params, timezone)


def arguments_of_reader(feed: Feed, timezone: str) -> tuple[dict[str, Any], list[str]]:
    """A feed's parameters as its reader wants them, and what is wrong with them; the time zone is the pilot's."""
    return reader_arguments(str(feed.reader), feed.reader_params, timezone)


def reader_arguments(reader: str, given: Mapping[str, Any], timezone: str | None) -> tuple[dict[str, Any], list[str]]:
    """Parameters as a reader wants them, and what is wrong with them; `timezone` is that of the clock, where it is known."""
    return _arguments(READERS[reader], reader, given, timezone)


def _arguments(
    function: Callable[..., Any], called: str, given: Mapping[str, Any], timezone: str | None
) -> tuple[dict[str, Any], list[str]]:
    arguments: dict[str, Any] = {}
    faults = []
    for name, parameter in parameters_of(function).items():
        if name not in given:
            if name == "timezone":
                arguments[name] = timezone
            elif parameter.default is parameter.empty:
                faults.append(f"parameter '{name}' of {called} is missing; add it to the feed's parameters")
            continue
        try:
            arguments[name] = TypeAdapter(_hint(function, parameter)).validate_python(given[name])
        except ValidationError as error:
            fault = error.errors()[0]
            faults.append(wrong_value(f"parameter '{name}' of {called}", fault["input"], fault["msg"]))
    options, few = _options(function)
    chosen = {one.name: arguments.pop(one.name) for one in few if one.name in arguments}
    if options and chosen:
        arguments["options"] = options(**chosen)
    return arguments, faults


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The type of one parameter; the others' types need not be importable here."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    return get_type_hints(alone, globalns=inspect.unwrap(function).__globals__)[parameter.name]
