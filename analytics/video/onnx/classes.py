"""From the labels of a model to road users, and a rider and what is ridden to one road user."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]

_COCO_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,"
    "bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,"
    "snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,"
    "knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,"
    "dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,"
    "vase,scissors,teddy bear,hair drier,toothbrush"
)
COCO = tuple(_COCO_NAMES.split(","))
"""The 80 classes of COCO in the order in which detectors number them."""

ROAD_USERS = ("pedestrian", "cyclist", "motorcycle", "car", "van_lorry", "van", "lorry", "bus")
"""Road users as the contracts name them; `van_lorry` where a model does not tell vans from lorries, as COCO's truck."""

ROAD_USER_OF = {
    **{name: name for name in ROAD_USERS},
    "any": "any",
    "person": "pedestrian",
    "bicycle": "cyclist",
    "bike": "cyclist",
    "motorbike": "motorcycle",
    "motorcyclist": "motorcycle",
    "truck": "van_lorry",
}
"""The road user that each name of a class stands for; other names are no road users."""

_RIDDEN = ("cyclist", "motorcycle")
_CENTRE = 0.5  # a rider's centre lies within this share of the ridden one's width from its centre [widths]
_SEAT = 0.6  # a rider's feet lie below the top of the ridden one and no lower than this beneath its middle [heights]
_SURE = 0.3  # a bicycle seen with less confidence is more often a leg or a pushchair
_SHARED = 0.15  # share of the smaller box that both have in common


def merge_riders(boxes: Float, scores: Float, labels: tuple[str, ...]) -> tuple[Float, Float, tuple[str, ...]]:
    """Make one cyclist or motorcyclist of a person and the bicycle or motorcycle under it.

    A person rides what it overlaps when its centre is above it, its feet are between the top and the ground of what is
    ridden, and its head is higher: all in units of the boxes, so that near and far are alike. Each is used once, the
    pairs that overlap most first. Who pushes a bicycle counts as a cyclist too: boxes alone cannot tell.

    Args:
        boxes: Boxes x1, y1, x2, y2, shape `(n, 4)`. [px]
        scores: Confidence of each, shape `(n,)`.
        labels: Road user of each.

    Returns:
        Boxes, scores and road users in which a pair has become the box around both, with the better score and the class
        of what is ridden; the order of the rest is kept.
    """
    people = [index for index, label in enumerate(labels) if label == "pedestrian"]
    ridden = [index for index, label in enumerate(labels) if label in _RIDDEN and scores[index] >= _SURE]
    if not people or not ridden:
        return boxes, scores, labels
    one, two = boxes[people][:, None], boxes[ridden][None]
    wide, tall = two[..., 2] - two[..., 0], two[..., 3] - two[..., 1]
    beside = np.abs(one[..., 0] + one[..., 2] - two[..., 0] - two[..., 2]) / 2
    low = np.maximum(one[..., :2], two[..., :2])
    high = np.minimum(one[..., 2:], two[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    smaller = np.minimum((one[..., 2:] - one[..., :2]).prod(axis=2), (two[..., 2:] - two[..., :2]).prod(axis=2))
    share = both / np.maximum(smaller, 1e-9)
    feet = one[..., 3] - (two[..., 1] + two[..., 3]) / 2
    rides = (beside <= _CENTRE * wide) & (np.abs(feet) <= _SEAT * tall) & (one[..., 1] < two[..., 1]) & (share >= _SHARED)
    boxes, scores, named, gone = boxes.copy(), scores.copy(), list(labels), set()
    share = np.where(rides, share, -1.0)
    while share.size and share.max() > 0:
        row, column = (int(value) for value in np.unravel_index(int(share.argmax()), share.shape))
        person, thing = people[row], ridden[column]
        boxes[thing] = [*np.minimum(boxes[person, :2], boxes[thing, :2]), *np.maximum(boxes[person, 2:], boxes[thing, 2:])]
        scores[thing] = max(scores[person], scores[thing])
        gone.add(person)
        share[row, :] = share[:, column] = -1.0
    kept = [index for index in range(len(named)) if index not in gone]
    return boxes[kept], scores[kept], tuple(named[index] for index in kept)
