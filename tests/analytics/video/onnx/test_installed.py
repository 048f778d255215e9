"""Installing models from a server and from files: what goes wrong is one line, and what was there stays."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from analytics.video.detect import make_detector
from analytics.video.onnx.installed import CATALOGUE, Offered, add_model, catalogue, describe, installed, remove_model
from analytics.video.onnx.sidecar import parse_sidecar, read_sidecar
from analytics.video.source import SourceError

FixedModel = Callable[..., Path]
SIDECAR = {"family": "boxes_scores_labels", "classes": ["car", "bus"], "licence": "CC0-1.0"}


@pytest.fixture
def model(fixed_model: FixedModel) -> Path:
    return fixed_model(
        {
            "boxes": np.array([[8, 6, 16, 30]], np.float32),
            "scores": np.array([0.9], np.float32),
            "labels": np.array([1], np.int64),
        }
    )


@pytest.fixture
def server(model: Path) -> Iterator[str]:
    """Serves the model whole at /whole, less than it promises at /half, and nothing elsewhere."""
    content = model.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/whole", "/half"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.path == "/whole" else content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    thread.join()
    serving.server_close()


def offered(model: Path, url: str, sha256: str | None = None) -> dict[str, Offered]:
    sha256 = sha256 or hashlib.sha256(model.read_bytes()).hexdigest()
    return {"tiny": Offered("tiny", url, sha256, "a model for tests", SIDECAR)}


def test_a_known_model_is_fetched_and_found_by_name(model: Path, server: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    path = add_model("tiny", folder, offered=offered(model, f"{server}/whole"))
    assert path.read_bytes() == model.read_bytes()
    said = describe(path)
    assert (said["name"], said["family"], said["licence"]) == ("tiny", "boxes_scores_labels", "CC0-1.0")
    found = make_detector("tiny", models=folder)(np.zeros((64, 64, 3), np.uint8))
    assert found.labels == ("bus",)
    remove_model("tiny", folder)
    assert list(folder.iterdir()) == []
    with pytest.raises(SourceError, match=r"tiny: found 'no such model'; expected an installed one \(none\)"):
        remove_model("tiny", folder)


@pytest.mark.parametrize(
    ("place", "sha256", "message"),
    [
        ("/half", None, "(broke off at|gave 'IncompleteRead)"),
        ("/none", None, "answered '404'; expected the model; fetch it elsewhere"),
        ("/whole", "0" * 64, "SHA-256 is '[0-9a-f]{64}'; expected 0{64}; this is another file, which was not installed"),
        (None, None, "connect, or fetch it elsewhere and run testbed models add"),
    ],
)
def test_what_goes_wrong_leaves_what_was_there(
    model: Path, server: str, tmp_path: Path, place: str | None, sha256: str | None, message: str
) -> None:
    folder = tmp_path / "models"
    add_model("tiny", folder, offered=offered(model, f"{server}/whole"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    url = f"{server}{place}" if place else "http://127.0.0.1:9/closed"
    with pytest.raises(SourceError, match=message) as caught:
        add_model("tiny", folder, offered=offered(model, url, sha256))
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_is_installed_with_what_lies_beside_it(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    named = model.rename(model.with_name("My-Model 2.onnx"))
    add_model(str(named), folder)
    assert list(installed(folder)) == ["my_model_2"]
    assert read_sidecar(folder / "my_model_2.onnx").classes[0] == "person"  # recognised, and written down
    named.with_suffix(".yaml").write_text("family: boxes_scores_labels\nclasses: [tram, car]\n", encoding="utf-8")
    path = add_model(str(named), folder, sha256=hashlib.sha256(named.read_bytes()).hexdigest().upper())
    assert read_sidecar(path).classes == ("tram", "car")


def test_files_that_are_not_installed(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"\xff\x07no model")
    cases = [
        (str(noise), None, r"noise\.onnx: found 'no ONNX in it'"),
        (str(tmp_path / "none.onnx"), None, "no such file"),
        (str(model), "12", "sha256 is '12'; expected 64 hexadecimal digits"),
        (str(model), "0" * 64, "SHA-256 is"),
        ("yolox_nan", None, "did you mean 'yolox_nano'"),
    ]
    for name, sha256, message in cases:
        with pytest.raises(SourceError, match=message):
            add_model(name, folder, sha256=sha256)
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize("model", list(catalogue().values()), ids=list(catalogue()))
def test_the_catalogue(model: Offered) -> None:
    assert model.url.startswith("https://") and len(model.sha256) == 64 and model.about
    assert parse_sidecar(str(model.sidecar), "catalogue").licence in ("Apache-2.0", "BSD-3-Clause", "MIT")
    shared = Path(__file__).resolve().parents[5] / "shared" / "data" / "models"
    for path in shared.glob(f"*/{Path(model.url).name}"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    assert CATALOGUE.is_file()
