"""The address of a rendered street, such as `scene:street?seed=7&seconds=120&light=dusk`."""

from __future__ import annotations

from typing import Any

from analytics.rendered import read_query
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
    example = "scene:street?seed=7&seconds=120"
    return read_query(source, _PARAMETERS, needed=("seed", "seconds"), example=example, error=SourceError)
