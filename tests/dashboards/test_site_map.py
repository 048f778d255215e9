import itertools
import math
import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.site_map import METRES_PER_DEGREE, Spot, draw

KINDS = ("treated", "control", "unused")
SVG = "{http://www.w3.org/2000/svg}"


def marks(svg):
    """Where each mark stands: (shape, x, y)."""
    found = []
    for element in ElementTree.fromstring(svg).iter():
        at = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
        if at and element.tag in (f"{SVG}circle", f"{SVG}path"):
            found.append((element.tag.removeprefix(SVG), float(at[1]), float(at[2])))
    return found


def test_proportions_are_right():
    spots = [Spot(1, "south west", -36.858, 174.760, "treated"), Spot(2, "north east", -36.843, 174.770, "treated")]
    (_, x1, y1), (_, x2, y2) = marks(draw(spots, "two sites"))
    east = 0.010 * METRES_PER_DEGREE * math.cos(math.radians(-36.8505))
    north = 0.015 * METRES_PER_DEGREE
    assert x2 > x1 and y2 < y1
    assert abs((x2 - x1) / (y1 - y2) - east / north) < 0.01


def test_kinds_differ_by_shape_as_well_as_colour():
    spots = [Spot(n, kind, -36.85 + n / 1000, 174.76, kind) for n, kind in enumerate(KINDS)]
    svg = draw(spots, "three kinds")
    assert svg.count("<circle") == 1
    assert "M0 -7L7 0" in svg and "M-5 -5L5 5" in svg


def test_sites_at_one_place_share_a_mark_and_keep_their_numbers():
    spots = [Spot(3, "8 Darby Street EW", -36.85, 174.76, "control"), Spot(4, "8 Darby Street NS", -36.85, 174.76, "control")]
    svg = draw([*spots, Spot(5, "Elsewhere", -36.86, 174.77, "treated")], "shared")
    assert "3, 4 · 8 Darby Street" in svg
    assert len(marks(svg)) == 2


def test_names_are_escaped_and_a_single_site_is_drawn():
    svg = draw([Spot(1, "A & <b>", 51.5, -0.1, "treated")], 'map "of" <one>')
    assert "A &amp; &lt;b&gt;" in svg
    assert len(marks(svg)) == 1


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-36.87, -36.84), st.floats(174.75, 174.78), st.sampled_from(KINDS)), min_size=1, max_size=25)
)
def test_labels_stay_inside_and_do_not_overlap(places):
    spots = [Spot(n, f"Site {n}", lat, lon, kind) for n, (lat, lon, kind) in enumerate(places, start=1)]
    columns = {}
    for text in ElementTree.fromstring(draw(spots, "many", height=520)).iter(f"{SVG}text"):
        if "·" in (text.text or ""):
            columns.setdefault(text.get("text-anchor"), []).append(float(text.get("y")))
    for heights in columns.values():
        heights.sort()
        assert heights[0] > 0 and heights[-1] < 520
        assert all(b - a > 15 for a, b in itertools.pairwise(heights))
