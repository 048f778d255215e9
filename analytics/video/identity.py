"""What a counter is: detector, model, lines, road users and the code that counts. Another counter errs otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from functools import cache
from pathlib import Path
from typing import Any

from analytics.video.measures.lines import Line
from analytics.video.options import AS_USUAL

_NOT_COUNTING = {"blur", "clips", "conditions", "drawing", "drawn", "identity", "privacy", "scene", "street"}
"""Modules and rooms beside those that count: a change there changes no count."""


@cache
def _code() -> str:
    """Digest of the code that counts."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for file in sorted(here.rglob("*.py")):
        inside = file.relative_to(here)
        if _NOT_COUNTING.isdisjoint((file.stem, *inside.parts)):
            digest.update(inside.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _model(detector: str) -> str:
    """Digest of a model's file and of the description beside it; empty for a detector without a file."""
    path = Path(detector)
    files = [file for file in (path, path.with_suffix(".yaml"), path.with_suffix(".yml")) if file.is_file()]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest() if files else ""


OPTIONS = {name: usual for name, usual in asdict(AS_USUAL).items() if name not in ("detector", "road_users", "frame_rate")}
"""What else decides a count, by its name in `CountOptions`, and what it usually is."""


def counter_of(
    detector: str,
    lines: Sequence[Line],
    road_users: Sequence[str],
    frame_rate: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What decides the counts of a source, as plain values.

    Args:
        detector: `motion`, or the path of a model.
        lines: Counting lines.
        road_users: Classes that are counted.
        frame_rate: Frames per second to believe instead of what the file says. [1/s]
        options: How it is looked and followed, by the names in `OPTIONS`; the rest is ignored.

    Returns:
        `detector`, `model` (digest), `lines`, `road_users`, `frame_rate`, `options` and `code` (digest).
    """
    return {
        "detector": Path(detector).name,
        "model": _model(detector),
        "lines": [list(astuple(line)) for line in lines],
        "road_users": list(road_users),
        "frame_rate": frame_rate,
        "options": {name: (options or {}).get(name, usual) for name, usual in OPTIONS.items()},
        "code": _code(),
    }


def digest_of(values: Any) -> str:
    """SHA-256 of plain values, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
