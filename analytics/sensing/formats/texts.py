"""Text files of any common encoding, line by line in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from analytics.sensing.readings import SourceError

LONGEST_LINE = 1_000_000
"""Longest line that is read; of a longer one only the beginning is kept. [characters]"""
SHOWN = 200
"""So much of a line that cannot be read is kept. [characters]"""
HEAD_BYTES = 65_536
MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
"""A character of several bytes in UTF-8."""


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: From 1.
        text: Without its end; the beginning of one that cannot be read.
        fault: What is wrong with it; None for a good one.
    """

    number: int
    text: str
    fault: str | None = None


def require_file(source: str, expected: str) -> Path:
    """The path of a source that is a file with something in it.

    Raises:
        SourceError: It is missing or empty.
    """
    path = Path(source)
    try:
        if not path.is_file():
            raise SourceError(f"{source}: the file was not found; expected {expected}; correct the path")
        if path.stat().st_size == 0:
            raise SourceError(f"{source}: the file is empty; expected {expected}; fetch the file again")
    except OSError as error:
        raise SourceError(f"{source}: cannot be read ({error.strerror}); expected {expected}; correct the path") from None
    return path


def head_of(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def encoding_of(path: Path, *, whole: bool = True) -> str:
    """The encoding of a text file, by its bytes: `utf-8-sig` (UTF-8, perhaps marked), `utf-16…` or `latin-1`.

    A file that holds a byte that UTF-8 does not know is Latin-1, unless it also holds characters of several bytes: then
    encodings are mixed, and the lines that are not UTF-8 are refused one by one.

    Args:
        path: The file.
        whole: Whether all of it is looked at, or only the beginning.
    """
    head = head_of(path)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) > 0.4 * half or head[0::2].count(0) > 0.4 * half:
        return "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
    is_plain, has_several = True, False
    with path.open("rb") as file:
        rest = b""
        while block := file.read(1_000_000 if whole else HEAD_BYTES):
            several = MULTIBYTE.sub(b"", rest + block)
            has_several = has_several or len(several) < len(rest + block)
            rest = several[-3:] if max(several[-3:], default=0) >= 0xC0 else b""  # a character may go on in the next block
            is_plain = is_plain and (several[: len(several) - len(rest)]).isascii()
            if not whole:
                break
    return "utf-8-sig" if has_several or (is_plain and (rest.isascii() or not whole)) else "latin-1"


def lines_of(path: Path, encoding: str) -> Iterator[Line]:
    """Every line of a text file, those that cannot be read with what is wrong with them."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    number = 0
    with path.open(encoding=encoding, errors=errors) as file:
        while text := file.readline(LONGEST_LINE):
            number += 1
            if not text.endswith("\n") and len(text) == LONGEST_LINE:
                rest = text
                while rest and not rest.endswith("\n"):
                    rest = file.readline(LONGEST_LINE)
                yield Line(number, shown(text), f"is longer than {LONGEST_LINE} characters")
            elif not text.isascii() and ("\ufffd" in text or not _is_unicode(text)):
                yield Line(number, shown(text), f"is not {encoding.removesuffix('-sig').upper()}")
            else:
                yield Line(number, text.rstrip("\n"))


def shown(text: str) -> str:
    """The beginning of a text, in characters that every database takes."""
    return text[:SHOWN].rstrip("\n").encode("utf-8", "backslashreplace").decode("utf-8")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
