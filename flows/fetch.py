"""Getting sources that cannot be part of the package."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from analytics.video.source import SourceError, open_source
from experiments.settings import Settings

PLAZA = "usr/share/doc/opencv-doc/examples/data/vtest.avi"
"""Where Debian's package opencv-doc keeps the PETS 2009 video."""


def fetch_source(what: str, path: Path | None, settings: Settings) -> str:
    """Put a source where pilots look for it.

    Args:
        what: `plaza`: the PETS 2009 S2.L1 video.
        path: A file to take; without it Debian's package is downloaded, not installed.
        settings: Where sources are kept.

    Returns:
        A sentence that says what was put where.

    Raises:
        SourceError: The name is unknown, the file is no video, or there is neither a path nor apt-get.
    """
    if what != "plaza":
        raise SourceError(f"source '{what}' is unknown; expected 'plaza'; correct the name")
    settings.sources.mkdir(parents=True, exist_ok=True)
    target = settings.sources / "plaza.avi"
    with tempfile.TemporaryDirectory(dir=settings.sources) as folder:
        found = path if path is not None else _from_debian(Path(folder))
        if not found.is_file():
            raise SourceError(f"{found}: the file was not found; expected the plaza's video; correct the path")
        copy = Path(folder) / "plaza.avi"
        shutil.copyfile(found, copy)
        with open_source(str(copy)) as source:
            next(iter(source))
            size = source.size
        copy.rename(target)
    return f"{target}: the plaza's video, {size[0]}x{size[1]}; run 'testbed run plaza_crossings'"


def _from_debian(folder: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SourceError(
            "plaza: apt-get was not found on this machine; expected Debian or a path; "
            "give the video with 'testbed fetch plaza --from FILE'"
        )
    done = subprocess.run(["apt-get", "download", "opencv-doc"], cwd=folder, capture_output=True, text=True, check=False)
    packages = list(folder.glob("opencv-doc_*.deb"))
    if done.returncode or not packages:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SourceError(
            f"plaza: apt-get could not download opencv-doc ({said}); expected Debian's package archive; "
            "run 'apt-get update' or give the video with --from"
        )
    subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(folder)], check=True, capture_output=True)
    return folder / PLAZA
