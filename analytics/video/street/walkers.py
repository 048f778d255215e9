"""Who walks on a rendered street, where and when."""

from __future__ import annotations

import math

import numpy as np

from analytics.video.drawing import Person
from analytics.video.street.layout import HEIGHT_M, HORIZON, PLAZA, Layout

_EARLY_S = 15.0  # people begin to come so long before the first frame [s]


def plan_people(
    rng: np.random.Generator,
    layout: Layout,
    size: tuple[int, int],
    frame_rate: float,
    seconds: float,
    per_minute: float,
    pairs: float,
) -> list[Person]:
    """Lay out everyone who walks.

    Args:
        rng: Where chance comes from.
        layout: The street.
        size: Width and height of a frame. [px]
        frame_rate: Frames per second. [1/s]
        seconds: Length of the scene. [s]
        per_minute: People who enter in a minute. [1/min]
        pairs: Share of those who come in a pair.
    """
    planned: list[Person] = []
    time_s = -_EARLY_S + rng.exponential(60.0 / per_minute) if per_minute else math.inf
    while time_s < seconds:
        together = 1 + int(rng.random() < pairs)
        meets = together == 1 and rng.random() < 0.08
        planned += _walkers(rng, len(planned) + 1, time_s, together, meets, layout, (*size, frame_rate, seconds))
        time_s += rng.exponential(60.0 / per_minute) * together
    return planned


def _walkers(
    rng: np.random.Generator,
    first_id: int,
    start_s: float,
    together: int,
    meets: bool,
    layout: Layout,
    frame: tuple[int, int, float, float],
) -> list[Person]:
    """One person, a pair side by side, or two who walk towards each other, meet, and go on."""
    lane, edges = layout.walk(rng.uniform(0.36, 0.93))
    heading = 1 if rng.random() < 0.5 else -1
    speed_ms = float(np.clip(rng.normal(1.35, 0.2), 0.8, 2.0))
    stop_at, stop_s = rng.uniform(0.15, 0.85), float(rng.uniform(3, 15))
    kind = rng.random()
    stops, turns = kind < 0.12, 0.12 <= kind < 0.18
    if meets:
        stops, turns = True, False
    people = []
    for member in range(2 if meets else together):
        way = -heading if meets and member else heading
        y = (lane + (0.035 * (layout.scale / PLAZA.scale) if member else 0.0)) * frame[1]
        delay_s = 0.5 * member if not meets else 0.0
        people.append(
            _walker(
                rng,
                first_id + member,
                start_s + delay_s,
                way,
                y,
                speed_ms,
                (stops, turns, 0.97 - stop_at if meets and member else stop_at, stop_s),
                edges,
                layout,
                frame,
            )
        )
    return [person for person in people if len(person.path)]


def _walker(
    rng: np.random.Generator,
    person_id: int,
    start_s: float,
    way: int,
    y: float,
    speed_ms: float,
    pause: tuple[bool, bool, float, float],
    edges: tuple[float, float],
    layout: Layout,
    frame: tuple[int, int, float, float],
) -> Person:
    """Lay out one path at the frame rate, from outside one side of the picture to outside a side."""
    stops, turns, stop_at, stop_s = pause
    width, height, frame_rate, seconds = frame
    horizon, scale = HORIZON * height, layout.scale
    stature = float(np.clip(rng.normal(1.0, 0.06), 0.82, 1.16))
    tall = scale * (y - horizon)
    speed = speed_ms * tall / HEIGHT_M
    margin = 0.5 * tall
    length = width + 2 * margin
    drift_px = layout.freedom * rng.uniform(-0.1, 0.1) * height
    sway_px, sway_s = layout.freedom * rng.uniform(0, 0.02) * height, rng.uniform(8, 20)
    sway_phase = rng.uniform(0, 2 * math.pi)
    first = math.ceil(start_s * frame_rate)
    stop_distance = margin + stop_at * width
    total_s = (2 * stop_distance if turns else length) / speed + (stop_s if stops or turns else 0.0)
    elapsed = np.arange(math.floor(total_s * frame_rate) + 1) / frame_rate + (first / frame_rate - start_s)
    arrive = stop_distance / speed
    walked = speed * elapsed
    if stops or turns:
        walked = speed * (np.minimum(elapsed, arrive) + np.maximum(0.0, elapsed - arrive - stop_s))
    along = np.where(walked > stop_distance, 2 * stop_distance - walked, walked) if turns else walked
    x = -margin + along if way > 0 else width + margin - along
    feet = np.clip(y + drift_px * (x / width - 0.5), edges[0] * height, edges[1] * height) + sway_px * np.sin(
        2 * math.pi * walked / speed / sway_s + sway_phase
    )
    inside = np.arange(len(x)) + first
    keep = (inside >= 0) & (inside < round(seconds * frame_rate)) & (along >= 0) & (along <= length)
    skin = [(150, 180, 224), (105, 140, 198), (64, 92, 141), (45, 60, 85)][int(rng.integers(4))]
    top, trousers = ((int(b), int(g), int(r)) for b, g, r in (rng.integers(15, 245, 3), rng.integers(10, 120, 3)))
    return Person(
        id=person_id,
        first_frame=int(inside[keep][0]) if keep.any() else 0,
        path=np.column_stack([x, feet])[keep],
        height=(stature * scale * (feet - horizon))[keep],
        stride=(2 * math.pi * walked / (0.85 * tall))[keep],
        colours=(skin, top, trousers),
        build=float(rng.uniform(0.85, 1.2)),
    )
