"""A page for one person at this machine: 127.0.0.1 only, behind a random word in its address, and never kept by a browser."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

HEAD = "page_head.html"
"""What every page looks like, and the colours of its lines."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is stored, nothing is fetched from elsewhere, and no other page may show this one."""


def new_token() -> str:
    """A random word that only whoever started the page knows."""
    return secrets.token_urlsafe(24)


def page_app(page: str, token: str) -> FastAPI:
    """An application that answers only below its token; add routes below `/{token}/`.

    Args:
        page: Name of the HTML file beside this module; it gets `HEAD` where it names it.
        token: The random word.
    """
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    here = Path(__file__).parent
    head = (here / HEAD).read_text(encoding="utf-8")  # what all pages look like
    text = (here / page).read_text(encoding="utf-8").replace(f"<!-- {HEAD} -->\n", head)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.url.path.split("/")[1]
        known = secrets.compare_digest(given.encode(), token.encode())
        response = await go_on(request) if known else PlainTextResponse("not found", status_code=404)
        response.headers.update(HEADERS)
        return response

    @app.get(f"/{token}/", response_class=HTMLResponse)
    def show() -> str:
        return text

    return app


def listen(port: int) -> socket.socket:
    """A socket on this machine only.

    Args:
        port: Port, or 0 for any that is free.

    Raises:
        SettingsError: The port is taken or may not be used.
    """
    from experiments.settings import SettingsError

    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(("127.0.0.1", port))
        found.listen()
    except (OSError, OverflowError) as error:
        found.close()
        raise SettingsError(f"port: '{port}' cannot be used ({error}); expected a free port; choose another --port") from None
    return found


def serve_page(app: FastAPI, token: str, port: int, told: Callable[[str], None] | None = None) -> None:
    """Serve the page until Ctrl-C.

    Args:
        app: From `page_app`.
        token: Its token.
        port: Port, or 0 for any that is free.
        told: Called with the address; by default it is printed on standard error.
    """
    import uvicorn

    with listen(port) as found:
        address = f"http://127.0.0.1:{found.getsockname()[1]}/{token}/"
        (told or (lambda said: print(f"open {said} (Ctrl-C ends)", file=sys.stderr, flush=True)))(address)
        config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=2)
        with suppress(KeyboardInterrupt):  # the server raises it again when it has ended
            uvicorn.Server(config).run(sockets=[found])
