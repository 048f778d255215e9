"""Where a road user touches the ground, and the size of the picture on which such places are given."""

from __future__ import annotations

from collections.abc import Reversible
from typing import NamedTuple, Protocol

from analytics.video.source import SourceError


class GroundPoint(NamedTuple):
    """Where a road user touches the ground (bottom centre of its box) in one frame.

    Attributes:
        frame: Index of the frame, from 0.
        time_s: Time of the frame. [s]
        x: Horizontal position. [px]
        y: Vertical position, downwards. [px]
        tall: Height of the road user's box; 0 where it is not known. [px]
    """

    frame: int
    time_s: float
    x: float
    y: float
    tall: float = 0.0


class CountedTrack(Protocol):
    """What the counter reads of a track."""

    @property
    def id(self) -> int:
        """Identity of the track."""

    @property
    def road_user(self) -> str:
        """Class of the road user."""

    @property
    def history(self) -> Reversible[GroundPoint]:
        """Ground points, oldest first."""


def scale_to(name: str, drawn: tuple[float, float], size: tuple[float, float]) -> tuple[float, float]:
    """Factors that bring coordinates from the picture on which they were drawn to a picture of another size.

    Raises:
        SourceError: The shapes of the two pictures differ by more than 2 percent.
    """
    across, down = size[0] / drawn[0], size[1] / drawn[1]
    if not 0.98 <= across / down <= 1.02:
        raise SourceError(
            f"{name}: drawn on '{drawn[0]:g}x{drawn[1]:g}'; expected the shape of the source, {size[0]:g}x{size[1]:g}; "
            "draw it again"
        )
    return across, down


def split_size(text: str, kind: str) -> tuple[str, tuple[float, float] | None]:
    """Part the `@WIDTHxHEIGHT` from the end of a line or a zone.

    Raises:
        SourceError: The size is not two positive whole numbers.
    """
    rest, at, size = text.rpartition("@")
    if not at:
        return text, None
    width, _, height = size.strip().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) > 0 and int(height) > 0):
        raise SourceError(f"{kind}: size is '{size}'; expected WIDTHxHEIGHT such as 640x360; correct the text after @")
    return rest, (float(width), float(height))
