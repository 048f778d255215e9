"""The page on which lines, zones and ground points are drawn: the work behind `testbed draw`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics.video.clips import empty_street
from analytics.video.formats.drawn import Drawn, parse_drawn, read_drawn
from analytics.video.source import SourceError
from flows.local_page import new_token, page_app, serve_page

if TYPE_CHECKING:
    from fastapi import FastAPI, Response


def draw_app(source: str, out: Path, token: str) -> FastAPI:
    """The application behind the page.

    Args:
        source: Path of a video, or a rendered scene.
        out: YAML file to save to; what it holds already is shown.
        token: The random word in the page's address.

    Raises:
        SourceError: The source cannot be read, or the file can be neither read nor written.
    """
    from fastapi.responses import JSONResponse, Response

    if not out.parent.is_dir() or out.is_dir() or not os.access(out.parent, os.W_OK):
        raise SourceError(f"{out}: found 'no place to write'; expected a file in an existing folder; choose another --out")
    before = read_drawn(out) if out.exists() else None
    still, size = empty_street(source)
    app = page_app("draw.html", token)

    def checked(document: dict[str, Any]) -> Drawn:
        return parse_drawn({**document, "size": list(size)}, out.name)

    @app.get(f"/{token}/plan")
    def plan() -> dict[str, Any]:
        shown = before or Drawn(size=size)
        return {"source": source, "out": str(out), "size": list(size), "drawn": shown.model_dump(mode="json")}

    @app.get(f"/{token}/still")
    def picture() -> Response:
        return Response(still, media_type="image/jpeg")

    @app.post(f"/{token}/check")
    def check(document: dict[str, Any]) -> Any:
        try:
            return {"yaml": checked(document).to_yaml()}
        except SourceError as error:
            return JSONResponse({"error": str(error)}, status_code=422)

    @app.post(f"/{token}/save")
    def save(document: dict[str, Any]) -> Any:
        try:
            text = checked(document).to_yaml()
            partial = Path(f"{out}.part")
            partial.write_text(text, encoding="utf-8")
            partial.replace(out)
        except (SourceError, OSError) as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return {"saved": str(out)}

    return app


def draw_lines(source: str, out: Path, *, port: int) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        SourceError: The source cannot be read, or the file can be neither read nor written.
        SettingsError: The port cannot be used.
    """
    token = new_token()
    serve_page(draw_app(source, out, token), token, port)
    if out.exists():
        print(f"count with: testbed count {source} --lines {out}", file=sys.stderr)
