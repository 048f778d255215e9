"""The page on which a person counts the drawn intervals by hand: pictures from memory, counts to the lake."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from analytics.video.clips import Clips
from analytics.video.measures.lines import Line
from analytics.video.source import SourceError
from data_contracts.contract import ContractError
from experiments.audit.records import Audit, manual_of
from experiments.settings import Settings
from flows.audit import take_in
from flows.audit_subject import Subject
from flows.local_page import new_token, page_app, serve_page

if TYPE_CHECKING:
    from fastapi import FastAPI, Response

OTHER = "other"
"""What a person presses for a road user that `any` holds and no class names."""


class Counted(BaseModel):
    """What one annotator counted in one interval."""

    model_config = ConfigDict(extra="forbid")
    crossings: list[tuple[str, str, str]] = Field(max_length=20_000)


def plan_of(
    audit: Audit, lines: Sequence[Line], clips: Clips, annotator: str, done: set[int], *, second: bool
) -> dict[str, Any]:
    """What the page must know, and nothing of what the counter counted.

    Args:
        audit: The audit.
        lines: Counting lines.
        clips: The source.
        annotator: Who counts.
        done: Intervals this annotator has counted.
        second: Whether this is the second annotator, who counts only some of the intervals.
    """
    users = list(dict.fromkeys(cell[2] for cell in audit.population.cells))
    named = [user for user in users if user != "any"]
    chosen = np.flatnonzero(audit.sample.twice if second else audit.sample.drawn).tolist()
    return {
        "site_id": audit.site_id,
        "annotator": annotator,
        "size": list(clips.size),
        "frame_rate": clips.frame_rate,
        "road_users": users if not named or "any" not in users else [*named, OTHER],
        "lines": [
            {name: getattr(line, name) for name in ("name", "x1", "y1", "x2", "y2", "to_right", "to_left")} for line in lines
        ],
        "intervals": [
            {
                "index": index,
                "start_at": audit.start_at(index).isoformat(),
                "start_s": float(audit.population.start_s[index]),
                "seconds": audit.population.interval_s,
                "done": index in done,
            }
            for index in chosen
        ],
    }


def rows_of(audit: Audit, index: int, annotator: str, crossings: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Rows of the contract `counts_manual`: every cell, also where nobody crossed; `any` is the sum of what was pressed.

    Raises:
        ContractError: Something was pressed that the audit does not know.
    """
    cells = audit.population.cells
    users = {cell[2] for cell in cells}
    counted = dict.fromkeys(cells, 0)
    for line, direction, user in crossings:
        hit = [cell for cell in ((line, direction, user), (line, direction, "any")) if cell in counted]
        if user not in users | {OTHER} or not hit or (user == OTHER and "any" not in users):
            raise ContractError(
                f"counts_manual: '{line}, {direction}, {user}' is unknown; expected a cell of the audit; press again"
            )
        for cell in dict.fromkeys(hit):
            counted[cell] += 1
    return [
        {
            "site_id": audit.site_id,
            "line": line,
            "direction": direction,
            "road_user": user,
            "interval_start_at": audit.start_at(index),
            "interval_s": audit.population.interval_s,
            "annotator": annotator,
            "crossings": number,
        }
        for (line, direction, user), number in counted.items()
    ]


def audit_app(
    audit: Audit, subject: Subject, settings: Settings, token: str, *, annotator: str, second: bool = False
) -> tuple[FastAPI, Clips]:
    """The application behind the page, and the source it reads; close the source when done.

    Args:
        audit: The audit.
        subject: What is audited.
        settings: Where the lake is.
        token: The random word in the page's address.
        annotator: Who counts.
        second: Whether this is the second annotator.

    Raises:
        SourceError: The source cannot be read.
    """
    from fastapi.responses import JSONResponse, Response

    from analytics.lake import open_lake

    clips = Clips(subject.source, frame_rate=subject.frame_rate)
    with open_lake(settings.catalog, settings.lake_files) as connection:
        done = {index for index, who in manual_of(connection, audit) if who == annotator}
    chosen = np.flatnonzero(audit.sample.twice if second else audit.sample.drawn).tolist()
    ahead = ThreadPoolExecutor(max_workers=1)
    keeping = threading.Lock()
    app = page_app("audit.html", token)

    def frames(index: int) -> list[bytes]:
        start_s = float(audit.population.start_s[index])
        return clips.stretch(start_s, start_s + audit.population.interval_s)

    def refused(error: ValueError, code: int = 422) -> Response:
        return JSONResponse({"error": str(error)}, status_code=code)

    @app.get(f"/{token}/plan")
    def plan() -> dict[str, Any]:
        return plan_of(audit, subject.lines, clips, annotator, done, second=second)

    @app.get(f"/{token}/interval/{{index}}")
    def interval(index: int) -> Any:
        if index not in chosen:
            return refused(ContractError(f"interval '{index}' was not drawn; expected one of the sample; choose another"), 404)
        try:
            return {"frames": len(frames(index))}
        except SourceError as error:
            return refused(error, 404)

    @app.get(f"/{token}/interval/{{index}}/frame/{{number}}")
    def frame(index: int, number: int) -> Response:
        pictures = frames(index) if index in chosen else []
        if not 0 <= number < len(pictures):
            return refused(ContractError(f"frame '{number}' is not there; expected one of the interval; go back"), 404)
        if number == len(pictures) // 2:
            following = next((one for one in chosen if one > index), None)
            if following is not None:
                with suppress(RuntimeError):  # the page is being closed
                    ahead.submit(frames, following)
        return Response(pictures[number], media_type="image/jpeg")

    @app.post(f"/{token}/interval/{{index}}")
    def keep(index: int, counted: Counted) -> Any:
        if index not in chosen:
            return refused(ContractError(f"interval '{index}' was not drawn; expected one of the sample; choose another"), 404)
        try:
            with keeping:
                take_in(audit, rows_of(audit, index, annotator, counted.crossings), settings)
        except ContractError as error:
            return refused(error)
        done.add(index)
        return {"kept": len(counted.crossings), "left": sum(one not in done for one in chosen)}

    return app, clips


def count_by_hand(audit: Audit, subject: Subject, settings: Settings, *, annotator: str, second: bool, port: int) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        ContractError: The annotator's name is not a lower-case word.
        SourceError: There is no recording.
        SettingsError: The port cannot be used.
    """
    if not re.fullmatch(r"[a-z0-9_]{1,40}", annotator):
        raise ContractError(f"annotator: found '{annotator}'; expected a letter or word of a-z, 0-9 and _; choose another")
    if not subject.source:
        raise SourceError(
            f"{subject.site_id}: found 'no recording'; expected one to count from; give counts by hand with --manual"
        )
    token = new_token()
    app, clips = audit_app(audit, subject, settings, token, annotator=annotator, second=second)
    try:
        serve_page(app, token, port)
    finally:
        clips.close()
