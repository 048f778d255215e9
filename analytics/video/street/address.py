"""The address of a rendered street, such as `scene:street?seed=7&seconds=120&light=dusk`."""

from __future__ import annotations

import difflib
from typing import Any
from urllib.parse import parse_qsl

from analytics.video.source import SourceError

TRAFFIC = ("cyclists_per_minute", "vehicles_per_minute", "trees")
"""Parameters that came later: a street without them has the digest that it always had."""
_PARAMETERS: dict[str, type[int] | type[float] | type[str]] = {
    "seed": int,
    "seconds": float,
    "light": str,
    "width": int,
    "height": int,
    "frame_rate": float,
    "people_per_minute": float,
    "cyclists_per_minute": float,
    "vehicles_per_minute": float,
    "trees": int,
}


def read_address(source: str) -> dict[str, Any]:
    """The arguments of `scene.street` that an address gives.

    Args:
        source: `scene:street?seed=7&seconds=120`, and any of the other parameters of `scene.street`.

    Raises:
        SourceError: It names another scene, lacks the seed or the length, or a parameter is unknown, no number or there twice.

    Example:
        >>> read_address("scene:street?seed=7&seconds=120&cyclists_per_minute=4")
        {'seed': 7, 'seconds': 120.0, 'cyclists_per_minute': 4.0}
    """
    kind, _, query = source.removeprefix("scene:").partition("?")
    if kind != "street":
        raise SourceError(f"{source}: scene is '{kind}'; expected street; write scene:street?seed=7&seconds=120")
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _PARAMETERS:
            near = difflib.get_close_matches(key, _PARAMETERS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else "leave it out"
            raise SourceError(f"{source}: scene parameter '{key}' is unknown; expected one of {', '.join(_PARAMETERS)}; {hint}")
        if key in given:
            raise SourceError(f"{source}: scene parameter '{key}' is given 'twice'; expected once; remove one")
        try:
            given[key] = _PARAMETERS[key](value)
        except ValueError:
            raise SourceError(
                f"{source}: scene parameter '{key}' is '{value}'; expected a number"
                f"{' without decimals' if _PARAMETERS[key] is int else ''}; correct it"
            ) from None
    for key in ("seed", "seconds"):
        if key not in given:
            raise SourceError(f"{source}: scene parameter '{key}' is 'missing'; expected {key}=...; add it")
    return given
