"""Drawing lines on the empty street: by mouse and by keyboard in a real browser; the file counts."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.video.clips import empty_street
from analytics.video.formats.drawn import read_drawn
from analytics.video.scene import street
from analytics.video.source import SourceError
from flows.count_video import count_video
from flows.draw import draw_app
from flows.local_page import new_token
from tests.flows.test_audit_page import browser_page, served

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SOURCE = "scene:street?seed=7&seconds=30&width=384&height=288"


def test_the_still_shows_nobody():
    import cv2

    data, size = empty_street(SOURCE.replace("seconds=30", "seconds=90"))
    still = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    scene = street(7, 90, width=384, height=288)
    empty = scene._still[0].astype(int)
    with_people = np.abs(scene.frame(100).astype(int) - empty).max(axis=2) > 40
    assert size == (384, 288)
    assert with_people.mean() > 0.003
    assert (np.abs(still - empty).max(axis=2) > 40).mean() < 0.1 * with_people.mean()


@pytest.mark.slow
def test_drawing_by_mouse_and_by_keyboard(tmp_path):
    out = tmp_path / "lines.yaml"
    token = new_token()
    with served(draw_app(SOURCE, out, token), token) as address, browser_page(viewport={"width": 390, "height": 844}) as page:
        page.goto(address)
        page.get_by_text("Set the two ends of a line").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        view = page.locator("#view")
        box = view.bounding_box()
        scale = box["width"] / 384
        for x, y in ((150, 10), (150, 280)):
            page.mouse.click(box["x"] + x * scale, box["y"] + y * scale)
        page.get_by_label("Line", exact=True).fill("west")
        page.get_by_label("One way").fill("westbound")
        page.get_by_label("Other way").fill("eastbound")
        view.focus()
        page.keyboard.press("z")
        page.keyboard.press("Enter")  # the cross starts in the middle
        for key, times in (("Shift+ArrowRight", 3), ("Shift+ArrowDown", 2)):
            for _ in range(times):
                page.keyboard.press(key)
            page.keyboard.press("Enter")
        page.keyboard.press("Enter")  # the same point again closes the zone
        page.get_by_text("Zone drawn").wait_for()
        page.locator("#yaml", has_text="zone1").wait_for()
        assert "size: [384, 288]" in page.locator("#yaml").inner_text()
        view.focus()
        page.keyboard.press("s")
        page.get_by_text("Saved to").wait_for()
    drawn = read_drawn(out)
    assert drawn.lines[0].points[0] == pytest.approx((150, 10), abs=2)
    assert drawn.zones[0].points == ((192, 144), (222, 144), (222, 164))
    document = count_video(SOURCE, [str(out)])
    assert [(row["line"], row["direction"]) for row in document["counts"]] == [("west", "westbound"), ("west", "eastbound")]
    assert list(tmp_path.iterdir()) == [out]


def test_what_cannot_be_drawn_to_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no place to write"):
        draw_app(SOURCE, tmp_path / "none" / "lines.yaml", new_token())
    (tmp_path / "other.yaml").write_text("lines: 3")
    with pytest.raises(SourceError, match=r"other.yaml: size is"):
        draw_app(SOURCE, tmp_path / "other.yaml", new_token())
