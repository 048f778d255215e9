"""A camera on this machine: an HTTP server of motion JPEG that can be switched off and on again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

Picture = Callable[[int], np.ndarray]


class Camera:
    """Serves `picture(0), picture(1), …` at an even pace; who connects later sees what comes then."""

    def __init__(self, picture: Picture, frame_rate: float) -> None:
        self.picture, self.frame_rate = picture, frame_rate
        self.began = time.monotonic()
        self.stuck = False
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._off = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/north?token=secret"

    def switch_on(self) -> None:
        camera, off = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for data in camera._pictures(off):
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode() + data + b"\r\n")
                except OSError:
                    pass  # who looked has gone

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port, self._off = self._server.server_port, off
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def switch_off(self) -> None:
        self._off.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _pictures(self, off: threading.Event) -> Iterator[bytes]:
        index = int((time.monotonic() - self.began) * self.frame_rate)
        while not off.is_set():
            shown = 0 if self.stuck else index
            yield cv2.imencode(".jpg", self.picture(shown), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
            index += 1
            off.wait(max(0.0, self.began + index / self.frame_rate - time.monotonic()))


@contextmanager
def camera(picture: Picture, frame_rate: float = 20.0) -> Iterator[Camera]:
    """A camera that is on, and off at the end."""
    found = Camera(picture, frame_rate)
    found.switch_on()
    try:
        yield found
    finally:
        found.switch_off()


def noise(index: int) -> np.ndarray:
    """A picture in which nothing happens; no two are the same."""
    return np.random.default_rng(index).integers(90, 110, (48, 64, 3)).astype(np.uint8)
