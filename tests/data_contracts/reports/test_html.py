"""Pages and JUnit of a check: everything declared is told, nothing personal is shown, anyone can read them."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import duckdb
import pytest

from data_contracts.contract import Contract, load_contract, parse_contract
from data_contracts.gate import CheckReport, RuleResult, check, check_file
from data_contracts.privacy.masking import MASK, Example, examples, masked_columns
from data_contracts.reports.html import PastCheck, html_page, junit

AT = datetime(2026, 4, 1, 9, 5, tzinfo=UTC)
PEOPLE = """
apiVersion: v3.1.0
kind: DataContract
id: rides
version: 2.0.0
status: active
customProperties: [{property: testbed.forbidden_columns, value: [track_id]}]
schema:
  - name: rides
    properties:
      - {name: rider, logicalType: string, classification: restricted, required: true, logicalTypeOptions: {maxLength: 12}}
      - {name: email, logicalType: string, logicalTypeOptions: {pattern: "@"}}
      - {name: bike, logicalType: string, classification: public, unique: true}
      - {name: km, logicalType: number, logicalTypeOptions: {minimum: 0}}
    quality:
      - {type: text, name: consent, description: Riders have agreed.}
"""


def judged(rows: str) -> tuple[CheckReport, Contract, list[Example]]:
    contract = parse_contract(PEOPLE, "rides.yaml")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rides AS SELECT * FROM (VALUES {rows}) t(rider, email, bike, km)")
        report = check(connection, "rides", contract, accepted="good", quarantined="bad")
        return report, contract, examples(connection, "bad", contract)


@pytest.fixture(scope="module")
def bad() -> tuple[CheckReport, Contract, list[Example]]:
    return judged(
        "('Ada Lovelace-Byron', 'ada at home', 'b1', 3.0), ('Grace', 'grace@x', 'b1', -4.0), ('Alan', 'alan@x', '<b>&2', -1.0)"
        ", ('Joan', 'joan@x', 'b3', 1.0)"
    )


class Outline(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "br", "line", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_personal_values_are_masked_in_rows_and_in_reasons(bad) -> None:
    report, contract, rows = bad
    assert masked_columns(contract) == {"rider", "email"}
    page = html_page(report, contract, source="rides.csv", checked_at=AT, rows=rows)
    for secret in ("Ada", "Grace", "Alan", "ada at home", "alan@x"):
        assert secret not in page
    assert MASK in page and "-4.0" in page and "&lt;b&gt;&amp;2" in page and "<b>&2" not in page
    reasons = {reason for row in rows for reason in row.reasons}
    assert f"rider is {MASK}, expected at most 12 characters" in reasons
    assert "km is -4.0, expected 0 or more" in reasons


def test_in_personal_data_only_what_is_called_public_is_shown() -> None:
    contract = parse_contract(
        PEOPLE.replace("value: [track_id]}]", "value: [bike]}, {property: testbed.personal_data, value: true}]"), "x"
    )
    assert masked_columns(contract) == {"rider", "email", "bike", "km"}


def test_a_page_tells_all_that_was_declared_and_can_be_read_by_anyone(bad) -> None:
    report, contract, rows = bad
    past = [PastCheck("2026-03-01", 10, 0, True), PastCheck("2026-03-08", 0, 0, False)]
    page = html_page(report, contract, source="rides.csv", checked_at=AT, rows=rows, past=past)
    outline = Outline(page)
    names = [tag for tag, _ in outline.tags]
    assert outline.open == [] and ("html", {"lang": "en"}) in outline.tags
    assert names.count("h1") == 1 and names.count("main") == 1 and names.count("title") >= 1
    assert names.count("table") == names.count("caption") == 4
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in outline.tags if tag == "th")
    assert not {"script", "link", "img", "iframe", "object"} & set(names) and "http" not in page and "@media print" in page
    assert all(attributes.get("aria-label") for tag, attributes in outline.tags if tag == "svg")
    for rule in report.rules:
        assert rule.rule in outline.text
    words = " ".join(outline.text.split())
    assert "Refused." in words and "1 of 4 rows can be used, 3 were set aside" in words
    assert "not checked" in words and "consent" in words and "this check" in words and "2026-03-08" in words
    assert "mustBe" not in outline.text


def test_a_sound_delivery_has_nothing_to_mend() -> None:
    contract = load_contract("counts_hourly")
    with duckdb.connect() as connection:
        report = check_file(connection, "data_contracts/examples/counts_hourly.csv", contract)
        rows = examples(connection, "quarantined", contract)
    page = Outline(html_page(report, contract, source="counts.csv", checked_at=AT, rows=rows)).text
    assert rows == [] and "Accepted." in page and "All 5 rows can be used" in page and "What to mend" not in page


def test_junit_has_a_case_for_each_rule_and_its_failures_decide(bad) -> None:
    report, _, _ = bad
    root = ElementTree.fromstring(junit(report, source="rides.csv", checked_at=AT))
    suite = root.find("testsuite")
    assert root.tag == "testsuites" and suite is not None
    # the shape of Jenkins' junit-10.xsd: properties, then cases; skipped, failure and system-out below a case
    assert next(child.tag for child in suite) == "properties" and {child.tag for child in suite} == {"properties", "testcase"}
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [rule.rule for rule in report.rules]
    for key, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
        assert int(str(suite.get(key))) == int(str(root.get(key))) == len(suite.findall(f"testcase/{tag}"))
    assert int(str(suite.get("tests"))) == len(cases) and datetime.fromisoformat(str(suite.get("timestamp")))
    assert set(cases[0].keys()) == {"classname", "name"}
    assert all(case.tag in ("failure", "skipped", "system-out") for one in cases for case in one)


def test_a_skipped_must_fails_and_a_broken_should_does_not() -> None:
    rules = (
        RuleResult("a", "must", "skipped", None, "no \x00 way & <why>"),
        RuleResult("b", "should", "failed", 2, "advice"),
        RuleResult("c", "should", "skipped", None, "later"),
        RuleResult("d", "must", "passed", 0, "fine"),
    )
    root = ElementTree.fromstring(junit(CheckReport("x", "1", 3, 1, 2, False, rules), source="x.csv", checked_at=AT))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("4", "1", "1")
    assert root.find(".//failure").attrib == {"message": "no \N{REPLACEMENT CHARACTER} way & <why>", "type": "not executed"}
    assert root.find(".//system-out").text == "should, broken: advice"


def test_data_docs_are_built_from_the_same_run_and_hold_no_rows(bad, tmp_path) -> None:
    from data_contracts.expectations import write_data_docs

    report, _, _ = bad
    page = write_data_docs(report.expectations, tmp_path / "docs").read_text()
    assert "rides" in page and "Failed" in page and "km is 0 or more" in page
    assert "Ada" not in page and "alan@x" not in page


@pytest.mark.slow
def test_a_real_browser_shows_the_page_without_overflow_and_prints_it(bad, tmp_path) -> None:
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here; install chromium")
    from playwright.sync_api import sync_playwright

    report, contract, rows = bad
    file = tmp_path / "check.html"
    past = [PastCheck("2026-03-01", 10, 2, True)]
    file.write_text(html_page(report, contract, source="rides.csv", checked_at=AT, rows=rows, past=past))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        assert page.title() == "Refused: rides.csv by rides"
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("tr.failed .mark").first.is_visible() and page.get_by_role("img").count() == 1
        assert len(page.pdf()) > 10_000 and said == []
        browser.close()
