"""The file of what was drawn: it says itself what is wrong, comes back as it went, and follows the resolution."""

from __future__ import annotations

import pytest

from analytics.video.formats.drawn import Drawn, is_drawn, lines_of, parse_drawn, read_drawn
from analytics.video.source import SourceError

GIVEN = {
    "size": [768, 576],
    "lines": [{"name": "gate", "points": [[250, 0], [250, 576]], "to_right": "westbound", "to_left": "eastbound"}],
    "zones": [{"name": "square", "points": [[0, 0], [9, 0], [9, 9]]}],
    "ground_points": [{"image": [n, n * n], "ground": [n, 0]} for n in range(4)],
}


def test_what_is_written_is_read(tmp_path):
    drawn = Drawn.model_validate(GIVEN)
    path = tmp_path / "lines.yaml"
    path.write_text(drawn.to_yaml(), encoding="utf-8")
    assert read_drawn(path) == drawn
    assert len(path.read_text().splitlines()) == 10


def test_lines_follow_the_resolution(tmp_path):
    path = tmp_path / "lines.yaml"
    path.write_text(Drawn.model_validate(GIVEN).to_yaml())
    both = lines_of([str(path), "b=1,2,3,4"], "scene:street?seed=1&seconds=1&width=384&height=288")
    assert [(line.name, line.x1, line.y2) for line in both] == [("gate", 125, 288), ("b", 1, 4)]
    assert (both[0].to_right, both[0].to_left) == ("westbound", "eastbound")
    assert is_drawn("a/b.yaml") and not is_drawn("a=1,2,3,4") and not is_drawn("x.yaml=1,2,3,4")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ground_points": GIVEN["ground_points"][:3]}, "ground_points has 3; expected none, or four and more"),
        ({"size": [0, 5]}, "size is 0x5; expected a width and a height"),
        ({"lines": [*GIVEN["lines"], *GIVEN["lines"]]}, "the name 'gate' is given twice; rename one"),
        ({"lines": [{**GIVEN["lines"][0], "to_left": "westbound"}]}, "both directions are 'westbound'; rename one"),
        ({"lines": [{**GIVEN["lines"][0], "points": [[1, 1], [1, 1]]}]}, "both points are the same"),
        ({"lines": [{**GIVEN["lines"][0], "name": "a,b"}]}, "lines.0.name is 'a,b'"),
        ({"lines": [{**GIVEN["lines"][0], "points": [[1, float("nan")], [1, 1]]}]}, "finite"),
        ({"zones": [{"name": "z", "points": [[1, 1], [2, 2]]}]}, "zones.0.points"),
        ({"polygon": 1}, "polygon is '1'; Extra inputs are not permitted"),
    ],
)
def test_faults_are_said(change, said):
    with pytest.raises(SourceError, match=f"^drawn.yaml: .*{said}"):
        parse_drawn({**GIVEN, **change}, "drawn.yaml")


def test_bad_files(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_drawn(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(SourceError, match="expected YAML"):
        read_drawn(tmp_path / "bad.yaml")
    (tmp_path / "empty.yaml").write_text("size: [4, 4]")
    with pytest.raises(SourceError, match="expected at least 1 line"):
        lines_of([str(tmp_path / "empty.yaml")], "scene:street?seed=1&seconds=1")
