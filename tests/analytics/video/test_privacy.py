"""Nothing of the pictures leaves."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from analytics.video.count import count_source
from analytics.video.measures.lines import GroundPoint, Line
from analytics.video.privacy import PreviewWriter, draw_preview, forbid_core_dumps
from analytics.video.source import SourceError, open_source
from analytics.video.tracking.track import Track

LINE = Line("gate", 384, 0, 384, 576)


def test_core_dumps_are_off() -> None:
    forbid_core_dumps()
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def test_preview_is_drawn_on_blank_ground() -> None:
    empty = draw_preview((200, 100), [], [])
    assert (empty == empty[0, 0]).all()
    track = Track(1, (50, 20, 80, 90))
    track.history.extend(GroundPoint(frame, frame / 7, 40.0 + frame, 90.0) for frame in range(20))
    drawn = draw_preview((200, 100), [Line("gate", 150, 0, 150, 100)], [track])
    changed = (drawn != empty).any(axis=2)
    assert 0 < changed.mean() < 0.2
    assert not changed[:, :30].any()


def test_preview_does_not_depend_on_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "preview.mp4"
    count_source("scene:street?seed=2&seconds=4", [LINE], preview=str(path))
    with open_source(str(path)) as preview:
        images = [frame.image for frame in preview]
    assert len(images) == 28
    assert images[0].shape == (576, 768, 3)
    # The street is textured everywhere; the preview's ground is one grey, but for the traces of compression.
    for image in images:
        ground = np.abs(image.astype(int) - 236).max(axis=2) <= 12
        assert ground.mean() > 0.95


def test_only_the_preview_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    count_source("scene:street?seed=2&seconds=2", [LINE])
    assert list(tmp_path.iterdir()) == []


def test_bad_preview_paths(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ends in '\.gif'; expected \.mp4"):
        PreviewWriter(str(tmp_path / "a.gif"), (320, 240), 7, [])
    with pytest.raises(SourceError, match="is missing; expected an existing folder"):
        PreviewWriter(str(tmp_path / "nowhere" / "a.mp4"), (320, 240), 7, [])
