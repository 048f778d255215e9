"""How cyclists, cars, vans and buses look: their side, and their roof seen from above."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from analytics.video.drawing import Image, Light, darken, in_light
from analytics.video.street.layout import DEPTH
from analytics.video.street.traffic import KINDS, Vehicle

Point = tuple[float, float]
"""Metres ahead of the ground point, and metres above it."""
Put = Callable[[Point], tuple[int, int]]
_SUBPIXEL = 4  # fractional bits of drawn coordinates
_GLASS, _TYRE, _RIM, _LAMP, _TAIL = (70, 62, 52), (28, 28, 28), (120, 120, 120), (190, 235, 250), (30, 30, 200)
_WHEEL_M = 0.34


def draw_vehicle(image: Image, vehicle: Vehicle, row: int, light: Light, shade: float) -> None:
    """Draw one vehicle and the cast shadow; its wheels stand on the ground point."""
    x, y = vehicle.path[row].tolist()
    one = 1 << _SUBPIXEL

    def put(point: Point) -> tuple[int, int]:
        ahead, up = point
        return round((x + vehicle.heading * ahead * vehicle.metre) * one), round((y - up * vehicle.metre) * one)

    kind = KINDS[vehicle.road_user]
    half, reach = kind.length / 2 * vehicle.metre, 0.5 * kind.height * vehicle.metre
    low, drop = 0.06 * kind.height * vehicle.metre, (0.5 * DEPTH * kind.width + 0.03) * vehicle.metre
    corners = [(x - half, y - drop), (x + half, y - drop), (x + half + reach, y + low), (x - half + reach, y + low)]
    darken(image, np.array(corners), shade, (x - half - 1, y - drop - 1, x + half + reach + 2, y + low + 2))
    if vehicle.road_user == "cyclist":
        _cyclist(image, vehicle, put, float(vehicle.turned[row]), light)
    elif vehicle.road_user == "car":
        _car(image, vehicle, put, float(vehicle.turned[row]), light)
    else:
        _box_body(image, vehicle, put, float(vehicle.turned[row]), light)


def _cyclist(image: Image, vehicle: Vehicle, put: Put, turned: float, light: Light) -> None:
    skin, top, trousers = (in_light(colour, light) for colour in vehicle.colours)
    steel = in_light((50, 50, 60), light)
    m = vehicle.metre
    thin, limb = max(1, round(0.04 * m)), max(2, round(0.13 * m))
    reach = KINDS["cyclist"].length / 2 - _WHEEL_M
    for hub in (-reach, reach):
        _ring(image, put((hub, _WHEEL_M)), (_WHEEL_M - 0.03) * m, in_light(_TYRE, light), max(1, round(0.06 * m)))
        spoke = (hub + 0.3 * math.cos(turned), _WHEEL_M - 0.3 * math.sin(turned))
        _line(image, put((hub, _WHEEL_M)), put(spoke), in_light(_RIM, light), 1)
    crank, saddle, bar = (-0.02, 0.3), (-0.18, 0.92), (0.42, 0.98)
    for one, two in (((-reach, _WHEEL_M), crank), (crank, saddle), (crank, bar), (saddle, bar), ((reach, _WHEEL_M), bar)):
        _line(image, put(one), put(two), steel, thin)
    step = turned / 3  # the gear
    hip, shoulder, hand, head = (-0.18, 0.98), (0.14, 1.4), (0.42, 1.02), (0.22, 1.63)
    for side in (math.pi, 0.0):
        pedal = (crank[0] + 0.17 * math.cos(step + side), crank[1] - 0.17 * math.sin(step + side))
        knee = ((hip[0] + pedal[0]) / 2 + 0.22, (hip[1] + pedal[1]) / 2 + 0.08)
        _line(image, put(hip), put(knee), trousers, limb)
        _line(image, put(knee), put(pedal), trousers, limb)
    _line(image, put(hip), put(shoulder), top, max(2, round(0.3 * m)))
    _line(image, put(shoulder), put(hand), top, max(1, round(0.1 * m)))
    _disc(image, put(head), 0.12 * m, skin)


def _car(image: Image, vehicle: Vehicle, put: Put, turned: float, light: Light) -> None:
    kind = KINDS["car"]
    half, deep = kind.length / 2, DEPTH * kind.width
    body, lid = _paints(vehicle, light)
    glass = in_light(_GLASS, light)
    _fill(image, put, [(-half, 0.85), (half, 0.75), (half, 0.75 + deep), (-half, 0.85 + deep)], lid)
    _fill(image, put, [(1.05, 0.85), (1.05, 0.85 + deep), (0.5, kind.height + deep), (0.5, kind.height)], glass)
    _fill(image, put, [(-1.6, 0.9), (-1.6, 0.9 + deep), (-1.2, kind.height + deep), (-1.2, kind.height)], glass)
    _fill(image, put, [(-1.2, kind.height), (0.5, kind.height), (0.5, kind.height + deep), (-1.2, kind.height + deep)], lid)
    _fill(image, put, [(-half, 0.25), (half, 0.25), (half, 0.75), (1.05, 0.87), (-1.6, 0.92), (-half, 0.85)], body)
    _fill(image, put, [(-1.6, 0.88), (1.05, 0.85), (0.5, kind.height), (-1.2, kind.height)], body)
    _fill(image, put, [(-1.38, 0.95), (-0.4, 0.93), (-0.4, 1.37), (-1.12, 1.37)], glass)
    _fill(image, put, [(-0.3, 0.93), (0.88, 0.91), (0.46, 1.37), (-0.3, 1.37)], glass)
    _ends(image, put, half, (0.55, 0.7), light)
    _wheels(image, vehicle, put, (-0.3 * kind.length, 0.31 * kind.length), turned, light)


def _box_body(image: Image, vehicle: Vehicle, put: Put, turned: float, light: Light) -> None:
    """A van or a bus."""
    kind = KINDS[vehicle.road_user]
    half, tall, deep = kind.length / 2, kind.height, DEPTH * kind.width
    body, lid = _paints(vehicle, light)
    glass = in_light(_GLASS, light)
    slant = 0.9 if vehicle.road_user == "van" else 0.15
    brow = 1.05
    _fill(image, put, [(-half, tall), (half - slant, tall), (half - slant, tall + deep), (-half, tall + deep)], lid)
    _fill(image, put, [(half, brow), (half, brow + deep), (half - slant, tall + deep), (half - slant, tall)], glass)
    _fill(image, put, [(-half, 0.3), (half, 0.3), (half, brow), (half - slant, tall), (-half, tall)], body)
    if vehicle.road_user == "van":
        _fill(image, put, [(half - 1.9, 1.15), (half - 0.3, 1.15), (half - 0.95, 1.95), (half - 1.9, 1.95)], glass)
        axles = (-0.31 * kind.length, 0.32 * kind.length)
    else:
        panes = np.linspace(-half + 0.2, half - 0.3, 9).tolist()
        for left, right in pairwise(panes):
            _fill(image, put, [(left, 1.3), (right - 0.12, 1.3), (right - 0.12, 2.4), (left, 2.4)], glass)
        axles = (-0.22 * kind.length, 0.27 * kind.length)
    _ends(image, put, half, (0.6, 0.8), light)
    _wheels(image, vehicle, put, axles, turned, light)


def _paints(vehicle: Vehicle, light: Light) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Colour of the side, and of what faces the sky."""
    colour = vehicle.colours[0]
    blue, green, red = (min(255, round(1.1 * part + 12)) for part in colour)
    return in_light(colour, light), in_light((blue, green, red), light)


def _ends(image: Image, put: Put, half: float, rows: tuple[float, float], light: Light) -> None:
    """Lamps at the front and at the back; at dusk they shine whatever the light."""
    low, high = rows
    lamp, tail = (_LAMP, _TAIL) if light == "dusk" else (in_light(_LAMP, light), in_light(_TAIL, light))
    _fill(image, put, [(half - 0.22, low), (half, low), (half, high), (half - 0.22, high)], lamp)
    _fill(image, put, [(-half, low), (0.15 - half, low), (0.15 - half, high), (-half, high)], tail)


def _wheels(image: Image, vehicle: Vehicle, put: Put, axles: Sequence[float], turned: float, light: Light) -> None:
    for axle in axles:
        _disc(image, put((axle, _WHEEL_M)), _WHEEL_M * vehicle.metre, in_light(_TYRE, light))
        _disc(image, put((axle, _WHEEL_M)), 0.55 * _WHEEL_M * vehicle.metre, in_light(_RIM, light))
        spoke = (axle + 0.15 * math.cos(turned), _WHEEL_M - 0.15 * math.sin(turned))
        _line(image, put((axle, _WHEEL_M)), put(spoke), in_light(_TYRE, light), 1)


def _fill(image: Image, put: Put, corners: Sequence[Point], colour: Sequence[float]) -> None:
    import cv2

    cv2.fillConvexPoly(image, np.array([put(corner) for corner in corners], dtype=np.int32), colour, cv2.LINE_AA, _SUBPIXEL)


def _line(image: Image, one: tuple[int, int], two: tuple[int, int], colour: Sequence[float], thick: int) -> None:
    import cv2

    cv2.line(image, one, two, colour, thick, cv2.LINE_AA, _SUBPIXEL)


def _disc(image: Image, centre: tuple[int, int], radius: float, colour: Sequence[float]) -> None:
    import cv2

    cv2.circle(image, centre, round(radius * (1 << _SUBPIXEL)), colour, -1, cv2.LINE_AA, _SUBPIXEL)


def _ring(image: Image, centre: tuple[int, int], radius: float, colour: Sequence[float], thick: int) -> None:
    import cv2

    cv2.circle(image, centre, round(radius * (1 << _SUBPIXEL)), colour, thick, cv2.LINE_AA, _SUBPIXEL)
