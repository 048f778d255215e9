"""Installed models: a folder of ONNX files, each with its YAML, that `--detector NAME` finds."""

from __future__ import annotations

import difflib
import hashlib
import http.client
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analytics.video.onnx.sidecar import Sidecar, parse_sidecar, read_sidecar, sidecar_path
from analytics.video.source import SourceError

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
_WAIT_S = 30.0  # for an answer of the server; a download that moves may take longer
_PIECE = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Offered:
    """A model that the catalogue knows.

    Attributes:
        name: Its name.
        url: Where its file is.
        sha256: SHA-256 of the file.
        about: One line for people.
        sidecar: What the YAML beside it will say.
    """

    name: str
    url: str
    sha256: str
    about: str
    sidecar: dict[str, Any]


def catalogue(path: Path = CATALOGUE) -> dict[str, Offered]:
    """The models that can be installed by name."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Offered(name=name, **entry) for name, entry in entries.items()}


def installed(folder: Path) -> dict[str, Path]:
    """Names and files of the models in a folder, in order of name."""
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))} if folder.is_dir() else {}


def find_model(name: str, folder: Path | None) -> Path | None:
    """The file of an installed model, or None."""
    return installed(folder).get(name) if folder is not None else None


def as_file(detector: str, folder: Path) -> str:
    """A detector by its file where its name is that of an installed model, else as it is."""
    return str(installed(folder).get(detector, detector))


def add_model(name: str, folder: Path, *, sha256: str | None = None, offered: dict[str, Offered] | None = None) -> Path:
    """Install a model: one of the catalogue by its name, or a file.

    What is installed appears whole, after its hash was compared and after it was opened once; until then, and if
    anything fails, what was there before stays.

    Args:
        name: A name of the catalogue, or the path of an ONNX file; a YAML beside the file comes with it.
        folder: Where models are kept.
        sha256: SHA-256 that the file must have; one of the catalogue is held to the catalogue's anyway.
        offered: The catalogue; by default the one that comes with the product.

    Returns:
        The installed file.

    Raises:
        SourceError: The name is unknown, the file is no usable model, its hash is another, or it could not be fetched.
    """
    known = catalogue() if offered is None else offered
    is_file = name.endswith(".onnx")
    if not is_file and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "give the path of a model.onnx"
        raise SourceError(f"{name}: found 'no such model'; expected one of {', '.join(known)} or a file; {hint}")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise SourceError(f"{name}: sha256 is '{sha256}'; expected 64 hexadecimal digits; copy it again")
    stem = re.sub(r"[^a-z0-9]+", "_", Path(name).stem.lower()).strip("_") if is_file else name
    if not _NAME.fullmatch(stem):
        raise SourceError(f"{name}: the name is '{stem}'; expected letters, digits and _; rename the file")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".adding-") as place:
        draft = Path(place) / f"{stem}.onnx"
        if is_file:
            _copy(Path(name), draft)
            said = sidecar_path(Path(name))
            text = said.read_text(encoding="utf-8") if said.is_file() else None
            if text is not None:
                parse_sidecar(text, str(said))
        else:
            _fetch(known[name], draft)
            text = yaml.safe_dump({**known[name].sidecar, "url": known[name].url}, sort_keys=False, allow_unicode=True)
        _compare(name, draft, {*([sha256.lower()] if sha256 else []), *([] if is_file else [known[name].sha256])})
        if text is not None:
            sidecar_path(draft).write_text(text, encoding="utf-8")
        sidecar = _try(name, draft)
        if text is None:
            sidecar_path(draft).write_text(f"family: {sidecar.family}\n", encoding="utf-8")
        for part in (sidecar_path(draft), draft):  # the model last: a model is what has an ONNX file
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            part.replace(folder / part.name)
    return folder / draft.name


def remove_model(name: str, folder: Path) -> None:
    """Remove an installed model and its YAML.

    Raises:
        SourceError: There is none of this name.
    """
    path = find_model(name, folder)
    if path is None:
        there = ", ".join(installed(folder)) or "none"
        raise SourceError(f"{name}: found 'no such model'; expected an installed one ({there}); see testbed models list")
    path.unlink()
    sidecar_path(path).unlink(missing_ok=True)


def describe(path: Path) -> dict[str, Any]:
    """Name, family, licence, hash and size of an installed model, for a list."""
    sidecar = read_sidecar(path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "name": path.stem,
        "family": sidecar.family if sidecar else None,
        "licence": sidecar.licence if sidecar else "",
        "mb": round(path.stat().st_size / 1e6, 1),
        "sha256": sha256,
    }


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise SourceError(f"{source}: found 'no such file'; expected an ONNX model; check the path")
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise SourceError(f"{source}: found '{error.strerror}'; expected a readable file; check its permissions") from None


def _fetch(model: Offered, target: Path) -> None:
    """Download a model; a connection that breaks off leaves nothing."""
    offline = "fetch it elsewhere and run testbed models add FILE.onnx"
    try:
        with urllib.request.urlopen(model.url, timeout=_WAIT_S) as answer, target.open("wb") as stream:
            declared = answer.headers.get("Content-Length")
            while piece := answer.read(_PIECE):
                stream.write(piece)
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceError(f"{model.name}: {model.url} answered '{error.code}'; expected the model; {offline}") from None
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise SourceError(f"{model.name}: {model.url} gave '{cause}'; expected an answer; connect, or {offline}") from None
    size = target.stat().st_size
    if declared is not None and size != int(declared):
        raise SourceError(f"{model.name}: the download broke off at '{size} bytes'; expected {declared}; try again")


def _compare(name: str, path: Path, expected: set[str]) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    for sha256 in expected - {found}:
        raise SourceError(f"{name}: SHA-256 is '{found}'; expected {sha256}; this is another file, which was not installed")


def _try(name: str, path: Path) -> Sidecar:
    """Open a model once; its faults are told under the name that the user gave."""
    from analytics.video.onnx.network import Network

    try:
        return Network(path, threads=1).sidecar
    except SourceError as error:
        raise SourceError(str(error).replace(str(path), name)) from None
