"""Files for other tools, written while a video is counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from analytics.video.formats.exports import (
    SUPERVISION_HEADER,
    open_data_cam_json,
    ot_analytics_json,
    supervision_rows,
    write_open_data_cam_csv,
)
from analytics.video.source import SourceError

if TYPE_CHECKING:
    from analytics.video.counts import Counts
    from analytics.video.tracking.track import Track

FORMATS = ("opendatacam_csv", "opendatacam_json", "otanalytics", "supervision")
"""OpenDataCam's counter history, OTAnalytics' events, and supervision's rows of boxes."""


class Export:
    """The files asked for; each appears when the count has succeeded, none is left half written."""

    def __init__(self, exports: Sequence[str], started_at: str | None) -> None:
        """Read what is wanted.

        Args:
            exports: `FORMAT=FILE` each.
            started_at: Instant of the first frame, in ISO 8601 with its zone; all formats but `supervision` need it.

        Raises:
            SourceError: A format is unknown, or the instant is missing or without a zone.
        """
        self._wanted: list[tuple[str, str]] = []
        for text in exports:
            form, equals, path = text.partition("=")
            if form not in FORMATS or not equals or not path:
                raise SourceError(f"export: found '{text}'; expected FORMAT=FILE with one of {', '.join(FORMATS)}; correct it")
            self._wanted.append((form, path))
        self._started_at: datetime | None = None
        if any(form != "supervision" for form, _ in self._wanted):
            try:
                self._started_at = datetime.fromisoformat(started_at or "")
            except ValueError:
                self._started_at = None
            if self._started_at is None or self._started_at.tzinfo is None:
                raise SourceError(
                    f"export: the first frame is at '{started_at}'; expected an instant with its zone, such as "
                    "2026-03-02T09:00:00+00:00; add --started-at"
                )
        self._stack = ExitStack()
        self._rows: list[tuple[IO[str], Any]] = []

    @property
    def paths(self) -> tuple[str, ...]:
        """Where files will be written."""
        return tuple(path for _, path in self._wanted)

    def __enter__(self) -> Self:
        """Open the files that grow with every frame."""
        for form, path in self._wanted:
            if form == "supervision":
                partial = Path(f"{path}.part")
                self._stack.callback(partial.unlink, missing_ok=True)
                stream = self._stack.enter_context(partial.open("w", encoding="utf-8", newline=""))
                writer = csv.writer(stream)
                writer.writerow(SUPERVISION_HEADER)
                self._rows.append((stream, writer))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove what was not finished."""
        self._stack.close()

    def see(self, tracks: Sequence[Track], frame: int) -> None:
        """Take the living tracks of a frame in."""
        for _, writer in self._rows:
            writer.writerows(supervision_rows(tracks, frame))

    def write(self, counts: Counts) -> None:
        """Write what needs the whole count, and let the files appear."""
        for form, path in self._wanted:
            if form == "supervision":
                continue
            partial = Path(f"{path}.part")
            self._stack.callback(partial.unlink, missing_ok=True)
            assert self._started_at is not None
            with partial.open("w", encoding="utf-8", newline="") as stream:
                if form == "opendatacam_csv":
                    write_open_data_cam_csv(stream, counts.events, counts.lines, self._started_at)
                else:
                    json.dump(self._document(form, counts, self._started_at), stream, allow_nan=False)
        for rows, _ in self._rows:
            rows.flush()
        for _, path in self._wanted:
            Path(f"{path}.part").replace(path)

    def _document(self, form: str, counts: Counts, started_at: datetime) -> dict[str, Any]:
        name = Path(counts.source).name
        if form == "otanalytics":
            return ot_analytics_json(counts.events, counts.lines, started_at, hostname=Path(name).stem, video_name=name)
        size, video_s = counts.size, counts.video_s
        return open_data_cam_json(counts.events, counts.lines, started_at, size=size, video_s=video_s, filename=name)
