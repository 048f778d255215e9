"""An RTSP camera on this machine: FFmpeg sends RTP, and a small server (RFC 2326, interleaved) hands it to who asks."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class RtspCamera:
    """Serves one looped H.264 file as `rtsp://127.0.0.1:PORT/north`."""

    def __init__(self, video: Path) -> None:
        self._video = video
        self._packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._packets.bind(("127.0.0.1", 0))
        self._packets.settimeout(0.2)
        self._sdp = video.with_suffix(".sdp")
        self._listening: socket.socket | None = None
        self._clients: list[socket.socket] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"rtsp://anna:secret@127.0.0.1:{self.port}/north"

    def switch_on(self) -> None:
        to = f"rtp://127.0.0.1:{self._packets.getsockname()[1]}?pkt_size=1200"
        command = ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(self._video), "-c", "copy"]
        self._sdp.unlink(missing_ok=True)
        self._sender = subprocess.Popen([*command, "-sdp_file", str(self._sdp), "-f", "rtp", to], stdin=subprocess.DEVNULL)
        while not self._sdp.exists() or not self._sdp.stat().st_size:
            time.sleep(0.02)
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def switch_off(self) -> None:
        if self._listening is not None:
            self._sender.kill()
            self._sender.wait()
            for one in (self._listening, *self._clients):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._listening, self._clients = None, []

    def close(self) -> None:
        self._packets.close()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            asked = client.makefile("rb")
            while request := asked.readline().decode():
                method = request.split(" ", 1)[0]
                heads = dict(line.decode().strip().split(": ", 1) for line in iter(asked.readline, b"\r\n"))
                body, more = b"", ""
                if method == "DESCRIBE":
                    lines = self._sdp.read_text().splitlines()
                    lines = ["m=video 0 RTP/AVP 96" if line.startswith("m=") else line for line in lines if "SDP:" not in line]
                    body = "\r\n".join([*lines, "a=control:track0", ""]).encode()
                    more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                elif method == "SETUP":
                    more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                elif method == "OPTIONS":
                    more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
                client.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {heads['CSeq']}\r\nSession: 7\r\n{more}\r\n".encode() + body)
                if method == "PLAY":
                    threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with suppress(OSError):
            while client.fileno() >= 0:
                with suppress(TimeoutError):
                    packet = self._packets.recv(65536)
                    client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)


@contextmanager
def rtsp_camera(video: Path) -> Iterator[RtspCamera]:
    """An RTSP camera that is on, and off at the end."""
    found = RtspCamera(video)
    found.switch_on()
    try:
        yield found
    finally:
        found.switch_off()
        found.close()
