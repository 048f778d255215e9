"""Data Docs can be opened where there is no network: nothing is fetched and nothing runs."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from data_contracts.contract import example_of, load_contract
from data_contracts.gate import check_file
from data_contracts.reports.offline import self_contained

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Assets(HTMLParser):
    """Everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        values = dict(attrs)
        addresses = [values.get(name) or "" for name in ("src", "href", "action", "data", "srcset", "poster")]
        self.found += [f"{tag} {address}" for address in addresses if address and not address.startswith("#")]
        self.found += [tag] if tag in ("script", "link", "iframe", "object", "embed", "base") else []
        self.found += [name for name in values if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Assets:
    found = Assets()
    found.feed(page)
    return found


def test_the_data_docs_of_a_check_fetch_nothing(tmp_path: Path) -> None:
    from data_contracts.expectations import write_data_docs

    with duckdb.connect() as connection:
        contract = load_contract("counts_hourly")
        report = check_file(connection, example_of("counts_hourly"), contract, accepted="good", quarantined="bad")
    page = write_data_docs(report.expectations, tmp_path).read_text(encoding="utf-8")
    found = read(page)
    assert found.found == []
    assert "@import" not in page and "url(" not in page
    for told in ("Evaluated Expectations", "crossings is 0 or more", "Other words would not add up with those of other sites"):
        assert told in found.text
    assert "<title>Data Docs: counts_hourly</title>" in page and 'name="viewport"' in page


@pytest.mark.parametrize(
    "fetching",
    [
        '<link rel="stylesheet" href="https://a.example/b.css"/>',
        "<script src='//a.example/b.js'></script>",
        "<script>fetch('x')</script  >",
        '<style>@import "https://a.example/b.css";</style>',
        '<img\n class="x"\n src="https://a.example/b.png">',
        '<IFRAME src="https://a.example"></IFRAME>',
        "<a href='https://a.example/'>told</a>",
        '<p onclick="go()">told</p>',
    ],
)
def test_each_way_to_fetch_is_taken_out(fetching: str) -> None:
    page = self_contained(f"<html><head><title>x</title></head><body><p>kept</p>{fetching}</body></html>", "t")
    found = read(page)
    assert found.found == [] and "a.example" not in page and "kept" in found.text
