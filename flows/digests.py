"""Digests: what a run and each of its steps depend on, as short names."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from experiments.settings import ROOT

CODE = ("analytics", "data_contracts", "experiments", "flows")


@cache
def code_version() -> str:
    """Version of the package and a digest of its code, such as `0.1.0+4f1c09b2a8d3`."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return f"{version('city-testbed')}+{digest.hexdigest()[:12]}"


def digest_of(*parts: object) -> str:
    """SHA-256 of some plain values, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
