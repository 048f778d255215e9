"""Pages are followed where the pilot allows it, and nowhere else."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from analytics.lake import memory
from analytics.sensing.formats.sensorthings import sensorthings
from analytics.sensing.readings import SourceError

STREAM = {"unitOfMeasurement": {"symbol": "ug/m3"}, "ObservedProperty": {"name": "pm25"}, "Thing": {"name": "a"}}


def page(value: float, link: str | None = None) -> dict:
    one = {"Datastream": STREAM, "phenomenonTime": "2026-03-01T10:00:00Z", "result": value}
    return {"value": [one]} | ({"@iot.nextLink": link} if link else {})


def read(path, **params) -> list[str]:
    with memory() as connection:
        sensorthings(connection, str(path), table="read", **params)
        return [row[0] for row in connection.execute("SELECT value FROM read ORDER BY source_row").fetchall()]


def write(folder, name: str, document: dict):
    path = folder / name
    path.write_text(json.dumps(document))
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def service(tmp_path):
    folder = tmp_path / "service"
    folder.mkdir()
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_pages_beside_the_source_and_in_a_folder(tmp_path):
    first = write(tmp_path, "first.json", page(1, "second.json"))
    write(tmp_path, "second.json", page(2))
    assert read(first) == ["1", "2"]
    folder = tmp_path / "saved"
    folder.mkdir()
    write(folder, "Observations?$skip=1", page(3))
    first = write(tmp_path, "other.json", page(1, "https://frost.example/v1.1/Observations?$skip=1"))
    assert read(first, pages=str(folder)) == ["1", "3"]


def test_pages_of_a_service_are_fetched_where_it_was_named(tmp_path, service):
    folder, address = service
    (folder / "inside").mkdir()
    write(folder, "two.json", page(2, f"{address}three.json"))
    write(folder, "three.json", page(3))
    first = write(tmp_path, "first.json", page(1, f"{address}two.json"))
    assert read(first, pages=address) == ["1", "2", "3"]
    with pytest.raises(SourceError, match=r"expected an address that begins with https://frost\.example/"):
        read(first, pages="https://frost.example/")
    moved = write(tmp_path, "moved.json", page(1, f"{address}inside"))  # redirected to inside/
    with pytest.raises(SourceError, match="cannot be read"):
        read(moved, pages=address)
    with pytest.raises(SourceError, match="expected 'pages' to say where pages are"):
        read(first)
    assert read(first, pages="first") == ["1"]


def test_the_rest_of_a_datastream_belongs_to_it(tmp_path):
    one = STREAM | {
        "Observations": [{"phenomenonTime": "2026-03-01T10:00:00Z", "result": 1}],
        "Observations@iot.nextLink": "rest.json",
    }
    first = write(tmp_path, "first.json", {"value": [one]})
    write(tmp_path, "rest.json", {"value": [{"phenomenonTime": "2026-03-01T10:01:00Z", "result": 2}]})
    with memory() as connection:
        sensorthings(connection, str(first), table="read")
        rows = connection.execute("SELECT site_id, observed_property, value, unit FROM read ORDER BY 3").fetchall()
    assert rows == [("a", "pm25", "1", "ug/m3"), ("a", "pm25", "2", "ug/m3")]


@pytest.mark.parametrize(
    ("link", "said"), [("missing.json", "next page 'missing.json' is not in"), ("first.json", "follows itself"), ("..", "'..'")]
)
def test_pages_that_are_missing_or_never_end_are_one_clear_line(tmp_path, link, said):
    first = write(tmp_path, "first.json", page(1, link))
    with pytest.raises(SourceError, match=said) as caught:
        read(first)
    assert len(str(caught.value).splitlines()) == 1
