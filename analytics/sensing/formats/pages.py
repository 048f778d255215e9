"""Pages of a service's answer: the links that each gives to the next are followed, where the pilot allows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urljoin, urlsplit

from analytics.sensing.formats.documents import LARGEST_DOCUMENT, documents_of, parsed
from analytics.sensing.readings import SourceError

FIRST = "first"
MOST_PAGES = 100_000
WAIT_S = 30


def with_pages(
    source: str,
    documents: Iterable[Any],
    links_of: Callable[[Any], Iterator[tuple[str, Any]]],
    *,
    pages: str | None,
    expected: str,
) -> Iterator[Any]:
    """Documents and, after each, the pages that its links name.

    Args:
        source: Path of the first page.
        documents: The first pages.
        links_of: Links of a document, each with what a page of it stands in: the page is its `value`, None for itself.
        pages: A folder of pages, the beginning of the addresses that may be fetched, `first` for no other page; see
            `analytics.sensing.formats.sensorthings`.
        expected: What a page should hold, for messages.

    Raises:
        SourceError: A page is missing, or there is one and nobody said where pages are.
    """
    seen: set[str] = set()
    for document in documents:
        waiting: list[tuple[str, Any, Any]] = [("", None, document)]
        while waiting:
            address, around, page = waiting.pop(0)
            yield page if around is None else around | {"Observations": page}
            if pages == FIRST:
                continue
            for link, stands_in in links_of(page):
                full = urljoin(address, link) if address.startswith("http") else link
                if full in seen:
                    raise SourceError(f"{source}: page '{full}' follows itself; expected pages that end; fetch them again")
                if len(seen) >= MOST_PAGES:
                    raise SourceError(f"{source}: more than {MOST_PAGES} pages; expected fewer; fetch larger pages")
                seen.add(full)
                into = around if stands_in is None else stands_in
                waiting.append((full, into, _page(source, full, pages, expected)))


def _page(source: str, link: str, pages: str | None, expected: str) -> Any:
    """The document behind a link."""
    name = unquote(link.rstrip("/").rpartition("/")[2])
    is_address = urlsplit(link).scheme in ("http", "https")
    if pages is not None and urlsplit(pages).scheme in ("http", "https"):
        full = link if is_address else urljoin(pages, link)
        if not full.startswith(pages.rstrip("/") + "/") or ".." in urlsplit(full).path.split("/"):
            raise SourceError(
                f"{source}: the next page is '{full}'; expected an address that begins with {pages}; correct pages"
            )
        return _fetched(source, full, expected)
    if is_address and pages is None:
        raise SourceError(
            f"{source}: the next page is '{link}'; expected 'pages' to say where pages are: a folder, the beginning of the "
            "service's address, or 'first' to read this page alone; add it to the reader's parameters"
        )
    folder = Path(source).parent if pages is None else Path(pages)
    if name in ("", ".", "..") or not (folder / name).is_file():
        raise SourceError(f"{source}: the next page '{name}' is not in {folder}; expected the file; fetch it")
    return next(iter(documents_of(str(folder / name), expected)))


def _fetched(source: str, address: str, expected: str) -> Any:
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        """Goes nowhere else: a redirection might lead out of the service that was named."""

        def redirect_request(self, *_: Any) -> None:
            """No request to another address."""

    try:
        with build_opener(Stay).open(address, timeout=WAIT_S) as answer:
            data = answer.read(LARGEST_DOCUMENT + 1)
        if len(data) > LARGEST_DOCUMENT:
            raise ValueError(f"more than {LARGEST_DOCUMENT} bytes")
        return parsed(data.decode("utf-8"))
    except (URLError, OSError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SourceError(f"{source}: page '{address}' cannot be read ({said}); expected {expected}; try again") from None
