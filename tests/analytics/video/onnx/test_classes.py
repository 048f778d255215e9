"""A rider and what is ridden become one road user, whatever their size in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.onnx.classes import COCO, ROAD_USER_OF, merge_riders

RIDER = [10.0, 0.0, 30.0, 40.0]
BICYCLE = [5.0, 22.0, 35.0, 48.0]


def merged(boxes: list[list[float]], labels: tuple[str, ...], scores: list[float] | None = None, factor: float = 1.0):
    given = np.array(boxes, np.float32) * np.float32(factor)
    return merge_riders(given, np.array(scores or [0.6] * len(boxes), np.float32), labels)


@pytest.mark.parametrize("factor", [0.5, 1, 10])
@pytest.mark.parametrize("ridden", ["cyclist", "motorcycle"])
def test_a_rider_and_a_bicycle_become_one(factor: float, ridden: str) -> None:
    boxes, scores, labels = merged([RIDER, BICYCLE], ("pedestrian", ridden), [0.9, 0.5], factor)
    assert labels == (ridden,)
    assert boxes.tolist() == [[5 * factor, 0, 35 * factor, 48 * factor]]
    assert scores[0] == np.float32(0.9)


@pytest.mark.parametrize(
    "person",
    [
        [60.0, 0.0, 80.0, 40.0],  # beside it
        [28.0, 4.0, 44.0, 48.0],  # walks past it, behind
        [12.0, 30.0, 28.0, 70.0],  # in front of it, nearer to the camera
        [10.0, -30.0, 30.0, 10.0],  # far behind it
    ],
)
def test_who_is_near_a_bicycle_does_not_ride_it(person: list[float]) -> None:
    _, _, labels = merged([person, BICYCLE], ("pedestrian", "cyclist"))
    assert labels == ("pedestrian", "cyclist")


def test_one_bicycle_has_one_rider() -> None:
    other = [14.0, 2.0, 36.0, 42.0]
    _, _, labels = merged([RIDER, other, BICYCLE, [200.0, 0.0, 240.0, 20.0]], ("pedestrian", "pedestrian", "cyclist", "car"))
    assert sorted(labels) == ["car", "cyclist", "pedestrian"]


def test_a_doubtful_bicycle_takes_no_rider() -> None:
    assert merged([RIDER, BICYCLE], ("pedestrian", "cyclist"), [0.9, 0.1])[2] == ("pedestrian", "cyclist")


def test_labels_of_coco() -> None:
    assert len(COCO) == 80
    users = {number: ROAD_USER_OF[name] for number, name in enumerate(COCO) if name in ROAD_USER_OF}
    assert users == {0: "pedestrian", 1: "cyclist", 2: "car", 3: "motorcycle", 5: "bus", 7: "van_lorry"}
